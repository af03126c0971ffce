"""What must be exact in a run, and the reusable check: killed and resumed == never stopped."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from checkpointed import unlike
from kills import KILLED, Kill, Moment, Place
from training import Run, Server, train_flags

# What a clock says differs from run to run.
CLOCKS = ("wps", "ups", "wall", "gb_free", "aa_wait", "aa_score")
GLOO = ("--cpu", "--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp")

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Setup:
    """A training command.

    Attributes:
        data: what fairseq calls DATA.
        flags: of fairseq-train.
        ranks: processes that train together.
        freq: micro-batches per update, for all epochs or for each.
        probe: see `train_probe.install`.
    """

    data: Path
    flags: tuple[object, ...]
    ranks: int = 1
    freq: tuple[int, ...] = (1,)
    probe: dict[str, Any] = field(default_factory=dict)

    def launch(
        self, server: Server, save_dir: Path, *more: object, kill: dict[str, Any] | None = None
    ) -> list[Run]:
        """Run it, and on if ``save_dir`` holds a checkpoint; return what each rank left behind."""
        spread = (*GLOO, "--update-freq", ",".join(map(str, self.freq)))
        flags = train_flags(save_dir, *spread, *self.flags, *more)
        probe = {"on": True, **self.probe, "kill": kill}
        return server.run_ranks(
            "fairseq-train", self.data, *flags, save_dir=save_dir, ranks=self.ranks, probe=probe
        )


@dataclass(frozen=True)
class Trace:
    """Everything that must be exact, by where it happened.

    Attributes:
        batches: (pass, update, batch of the update) -> pairs, loss to the last bit, shapes.
        plans: (pass, window) -> pairs considered, digests of the plan and of the Assistant.
        learned: (pass, update) -> digest of the Assistant after that update.
        lines: (tag, updates done) -> metrics in the log.
    """

    batches: dict[Key, Any] = field(default_factory=dict)
    plans: dict[Key, Any] = field(default_factory=dict)
    learned: dict[Key, Any] = field(default_factory=dict)
    lines: dict[Key, Any] = field(default_factory=dict)

    def pairs(self, index: int) -> list[list[int]]:
        """Return the pairs that every update of pass ``index`` trained on, in order."""
        of_pass = sorted(key for key in self.batches if key[0] == index)
        return [
            [*itertools.chain.from_iterable(self.batches[key]["ids"] for key in keys)]
            for _, keys in itertools.groupby(of_pass, key=lambda key: key[1])
        ]

    def considered(self, index: int) -> list[int]:
        """Return the pairs that the windows of pass ``index`` considered, in order."""
        windows = [self.plans[key]["pairs"] for key in sorted(self.plans) if key[0] == index]
        return [*itertools.chain.from_iterable(windows)]

    @property
    def updates(self) -> list[Place]:
        """The updates (pass, number in the pass), in order."""
        return sorted({key[:2] for key in self.batches})


def trace(runs: Sequence[Run]) -> Trace:
    """Return the `Trace` of one run from what each of its ranks left behind.

    Checks that the ranks agree on every plan and on the Assistant after every update, that each
    trained on a part of its own, and that none was ever given a dummy batch.
    """
    whole = Trace()
    for rank, run in enumerate(runs):
        for event in run.of("batch"):
            index, update, micro = event["place"]
            assert not event["dummy"] and event["ids"]
            key = (index, update, rank + micro * len(runs))
            assert whole.batches.setdefault(key, event) is event, f"{key} twice"
        for event in run.of("planned"):
            _agree(whole.plans, (event["pass"], event["window"]), event)
        for event in run.of("learned"):
            _agree(whole.learned, (event["pass"], event["update"]), event["state"])
    for tag, name in (("train_inner", ""), ("train", "train_"), ("valid", "valid_")):
        for line in runs[0].logged(tag):
            kept = {key: value for key, value in line.items() if not key.endswith(CLOCKS)}
            whole.lines[tag, int(line[f"{name}num_updates"])] = kept
    return whole


def _agree(seen: dict[Key, Any], key: Key, value: Any) -> None:
    assert seen.setdefault(key, value) == value, f"ranks disagree on {key}"


def differences(part: Trace, whole: Trace, only: Sequence[str] = ()) -> list[str]:
    """Return where ``part`` did something else than ``whole`` did at the same place."""
    found = []
    for name in only or [entry.name for entry in fields(Trace)]:
        expected = getattr(whole, name)
        for key, value in getattr(part, name).items():
            if expected.get(key) != value:
                found.append(f"{name} {key}: {value}, not {expected.get(key)}")
    return found


def missing(parts: Sequence[Trace], whole: Trace) -> list[str]:
    """Return what ``whole`` did and none of ``parts``."""
    return [
        f"{entry.name} {key}"
        for entry in fields(Trace)
        for key in getattr(whole, entry.name)
        if not any(key in getattr(part, entry.name) for part in parts)
    ]


def last_save(whole: Trace, interval: int, place: Place) -> int:
    """Return the updates that a run killed at ``place`` had saved: what it must go on after."""
    updates = whole.updates
    done = updates.index(place[:2])
    ends = [i for i in range(1, len(updates)) if updates[i][0] != updates[i - 1][0]]
    saved: list[int] = [0, *ends, *range(0, done + 1, interval)]
    return max(point for point in saved if point <= done)


def told_saves(whole: Trace, output: str) -> list[int]:
    """Return after how many updates of ``whole`` a run told that it had saved."""
    before = min(number for tag, number in whole.lines if tag == "train_inner") - 1
    found = re.findall(r"Saved checkpoint \S+ \(epoch \d+ @ (\d+) updates", output)
    return [int(updates) - before for updates in found]


def assert_resumes_exactly(
    server: Server,
    setup: Setup,
    unbroken: Sequence[Run],
    kills: Sequence[Kill | Moment],
    interval: int,
    save_dir: Path,
) -> int:
    """Kill a run at ``kills`` in turn and start it again each time: it must equal ``unbroken``.

    Plans, the Assistant after every update, trained pairs in order, losses to the last bit, log
    lines digit for digit and every checkpoint are those of the run that was never stopped. Nothing
    is missing, and every start goes on from the last checkpoint, which was written every
    ``interval`` updates.

    Returns:
        How often it was killed: a `Moment` may come after the end.
    """
    whole, parts = trace(unbroken), list[Trace]()
    start, surely, killed = 0, True, 0
    for kill in [*kills, None]:
        runs = setup.launch(server, save_dir, kill=kill.probe if kill else None)
        statuses = {run.status for run in runs}
        ended = kill is None or (isinstance(kill, Moment) and statuses == {0})
        assert statuses == {0 if ended else KILLED}, runs[0].output
        parts.append(part := trace(runs))
        if part.batches:
            first = whole.updates.index(part.updates[0])
            assert first == start if surely else first >= start
        assert not differences(part, whole)[:3]
        if ended:
            break
        killed += 1
        surely = isinstance(kill, Kill)
        if isinstance(kill, Kill):
            start = last_save(whole, interval, kill.place)
        else:
            start = max([start, *told_saves(whole, runs[0].output)])
    assert not missing(parts, whole)[:3]
    assert not unlike(unbroken[0].save_dir, save_dir)
    return killed
