"""``runs``: fairseq-train in every precision and with every policy, killed and gone on with.

The Assistant is told losses that are a function of the pair, so that a run on any device in any
precision must train on the same pairs as one on the CPU in fp32, update by update.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

from autoassist_fairseq.tools.check_gpu.checks import Check, NotRun, Outcome
from autoassist_fairseq.tools.check_gpu.flags import (
    ALL,
    ARMS,
    CORPORA,
    PRECISIONS,
    alone,
    corpus_of,
    passes_of,
    precision_flags,
    small_run,
)
from autoassist_fairseq.tools.check_gpu.runner import KILLED, Runner
from autoassist_fairseq.tools.check_gpu.seen import Seen

PART = "runs"
Losses = list[float]
# Of the mean losses of a pass in another precision, and of what the tap saw beside the log.
NEAR = 0.03
OVERFLOW = "gradient overflow detected"
SCALED = ("fp16", "amp", "memory-efficient-fp16")


class References:
    """What every arm trains on on the CPU in fp32; made once each.

    Args:
        folder: of the corpora of `CORPORA`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Seen] = {}
        self._locks = {arm: threading.Lock() for arm in ARMS}

    def data(self, arm: str) -> Path:
        """Return the corpus of ``arm``."""
        return self._folder / corpus_of(arm)

    def of(self, arm: str, runner: Runner) -> Seen:
        """Return the reference of ``arm``."""
        with self._locks[arm]:
            if arm not in self._known:
                name = f"reference-{arm.replace(' ', '-')}"
                args = [
                    *small_run(self.data(arm), runner.folder / name / "save", arm),
                    *alone(False),
                ]
                probe = {"record": {"feed": True}}
                self._known[arm] = runner.train(name, args, probe, cpu=True)[0].ended()
            return self._known[arm]


def checks(references: References, cuda: bool) -> list[Check[Runner]]:
    """Return every check of this part, the most telling first."""
    seconds = 13.0 if cuda else 7.0
    found: list[Check[Runner]] = []
    for precision in PRECISIONS:
        for arm in ARMS:
            run = partial(whole_run, references, arm, precision)
            found.append(Check(PART, f"{precision}, {arm}", seconds, run))
        if precision in SCALED:
            run = partial(overflow, references, precision)
            found.append(Check(PART, f"{precision}, overflow", seconds / 2, run))
        run = partial(off_is_stock, references.data("off"), precision)
        found.append(Check(PART, f"{precision}, off beside stock", seconds / 2, run))
    return found


def whole_run(references: References, arm: str, precision: str, runner: Runner) -> Outcome:
    """Train, kill, go on; compare with the reference."""
    reference = references.of(arm, runner)
    expected = trained(reference, arm)
    name = f"{precision}-{arm.replace(' ', '-')}"
    save = runner.fresh(name) / "save"
    args = [*small_run(references.data(arm), save, arm), *alone(runner.cuda)]
    args += precision_flags(precision, runner.cuda)
    kill = len(expected) * 2 // 3
    probe = {"record": {"feed": True, "kill_after": kill}}
    killed = runner.train(f"{name}/killed", args, probe)[0].ended(KILLED)
    resumed = runner.train(f"{name}/resumed", args, {"record": {"feed": True}})[0].ended()
    before, after = trained(killed, arm), trained(resumed, arm)
    problems = []
    # Of a chunk is told an update later, in another thread.
    least = kill - 3 if arm == "importance" else kill
    if len(before) < least or before != expected[: len(before)]:
        problems.append(f"other pairs than on the CPU: {_first_difference(before, expected)}")
    start = len(expected) - len(after)
    if not 0 < start <= kill or after != expected[start:]:
        problems.append("it did not go on with the pairs that follow the last checkpoint")
    whole = [*losses_of(killed)[:start], *losses_of(resumed)]
    problems += of_losses(whole, losses_of(reference), expected)
    problems += of_skipping(expected, arm) + of_tap((killed, resumed), arm)
    told = [*problems, f"loss {whole[0]:.2f} to {whole[-1]:.2f} (CPU, fp32: "
            f"{losses_of(reference)[-1]:.2f}), {kept(expected, arm):.0%} of the pairs in the last "
            f"pass, killed after {kill} of {len(expected)} updates, on after {start}"]  # fmt: skip
    return Outcome(not problems, "; ".join(told), {"losses": whole})


def trained(seen: Seen, arm: str) -> list[list[int]]:
    """Return the pairs of every update, or of its chunks where ``importance`` draws from them."""
    if arm == "importance":
        chunks = {tuple(one["place"]): sorted(one["pairs"]) for one in seen.of("told")}
        places = [tuple(one["place"]) for one in seen.of("batch")]
        return [chunks[place] for place in places if place in chunks]
    return [sorted(one["ids"]) for one in seen.of("batch")]


def losses_of(seen: Seen) -> Losses:
    """Return the loss of every update."""
    return [float(one["nll"]) for one in seen.of("batch")]


def kept(updates: Sequence[Sequence[int]], arm: str) -> float:
    """Return the share of all pairs that the last pass trained on."""
    return sum(map(len, updates[last_pass(updates) :])) / CORPORA[corpus_of(arm)].pairs


def last_pass(updates: Sequence[Sequence[int]]) -> int:
    """Return the first update of the last pass: where, from the end, no pair comes twice."""
    seen: set[int] = set()
    for at in range(len(updates) - 1, -1, -1):
        if seen & set(updates[at]):
            return at + 1
        seen |= set(updates[at])
    return 0


def of_losses(whole: Losses, reference: Losses, updates: Sequence[Sequence[int]]) -> list[str]:
    """Return what is wrong with losses: they must fall, as those of the reference do."""
    tail = last_pass(updates)
    first, last, there = fmean(whole[:5]), fmean(whole[tail:]), fmean(reference[tail:])
    problems = []
    if not last < first:
        problems.append(f"the loss does not fall: {first:.3f} to {last:.3f}")
    if not abs(last / there - 1) < NEAR:
        problems.append(f"the loss of the last pass is {last:.3f}, but {there:.3f} on the CPU")
    return problems


def of_skipping(updates: Sequence[Sequence[int]], arm: str) -> list[str]:
    """Return what is wrong with what the last pass left out."""
    share = kept(updates, arm)
    if arm == "competence":  # which has opened all pairs by then
        share = sum(map(len, updates)) / CORPORA[corpus_of(arm)].pairs / passes_of(arm)
    if arm in (*ALL, "importance", "hopeless weight"):
        return [] if share == 1 else [f"{share:.0%} of the pairs were kept, not all"]
    return [] if share < 0.97 else [f"nothing was skipped: {share:.0%} of the pairs were kept"]


def of_tap(runs: Sequence[Seen], arm: str) -> list[str]:
    """Return what is wrong with the losses that the tap took: beside what fairseq logs of them."""
    if arm in ("off", "importance"):  # which trains on a pair several times
        return []
    problems = []
    for seen in runs:
        logged = {tuple(one["place"]): one["nll"] for one in seen.of("batch")}
        for one in seen.of("told"):
            there = logged[tuple(one["place"])]
            if one["missing"] or not math.isclose(one["nll"], there, rel_tol=1e-3):
                problems.append(f"the tap saw {one['nll']:.5f} at {one['place']}, not {there:.5f}")
    return problems[:1]


def overflow(references: References, precision: str, runner: Runner) -> Outcome:
    """Begin with a scale at which gradients overflow; plan and losses must not mind."""
    if precision == "amp" and not runner.cuda:
        raise NotRun("a CPU scales no gradients with --amp")
    arm, name = "shrink", f"{precision}-overflow"
    expected = trained(references.of(arm, runner), arm)
    args = [
        *small_run(references.data(arm), runner.folder / name / "save", arm),
        *alone(runner.cuda),
    ]
    args += [*precision_flags(precision, runner.cuda), "--fp16-init-scale", 2**18]
    seen = runner.train(name, args, {"record": {"feed": True}})[0].ended()
    updates = int(float(seen.logged("train")[-1]["train_num_updates"]))
    overflows = seen.output.count(OVERFLOW)
    problems = of_tap([seen], arm) if precision != "amp" else []
    if precision == "amp":  # fairseq tries the same batch again, which counts once
        overflows = len(seen.of("batch")) - len(expected)
        unique = {tuple(one["place"]): sorted(one["ids"]) for one in seen.of("batch")}
        same = [*unique.values()] == expected
    else:
        same = trained(seen, arm) == expected and updates == len(expected) - overflows
    if not overflows:
        problems.append("no gradient overflowed")
    if not same or len(seen.of("told")) != len(expected):
        problems.append("other pairs than without overflow, or an update that counts twice")
    found = [*problems, f"{overflows} overflows, {updates} of {len(expected)} updates counted"]
    return Outcome(not problems, "; ".join(found))


def off_is_stock(data: Path, precision: str, runner: Runner) -> Outcome:
    """Compare what ``off`` logs with what ``--task translation`` does."""
    logs = []
    for arm in ("off", "stock"):
        name = f"{precision}-{arm}-logged"
        args = [*small_run(data, runner.folder / name / "save", arm), *alone(runner.cuda)]
        seen = runner.train(name, [*args, *precision_flags(precision, runner.cuda)], {})[0].ended()
        logs.append([float(line["loss"]) for line in seen.logged("train_inner")])
    ours, stock = logs
    if len(ours) != len(stock) or not ours:
        return Outcome(False, f"{len(ours)} updates, but {len(stock)} of --task translation")
    worst = max(abs(a / b - 1) for a, b in zip(ours, stock, strict=True))
    found = f"{len(ours)} updates, " + ("identical" if not worst else f"within {worst:.1e}")
    # A GPU's own sums may vary from run to run.
    return Outcome(worst <= (1e-2 if runner.cuda else 0), found)


def _first_difference(ours: Sequence[object], others: Sequence[object]) -> str:
    for at, (one, other) in enumerate(zip(ours, others, strict=False)):
        if one != other:
            return f"first in update {at}"
    return f"{len(ours)} updates, not {len(others)}"
