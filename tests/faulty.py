"""Runs with planted faults, and what was told of losses in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from training import Run, Server, train_flags

Place = tuple[int, int]
GLOO = ("--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp")


def train(server: Server, data: Path, save_dir: Path, *args: object, **faults: Any) -> Run:
    """Run fairseq-train in one process with ``faults``, see `train_faults`."""
    return train_ranks(server, data, save_dir, 1, *args, **faults)[0]


def train_ranks(
    server: Server, data: Path, save_dir: Path, ranks: int, *args: object, **faults: Any
) -> list[Run]:
    """Run fairseq-train in several processes with ``faults``."""
    flags = train_flags(save_dir, "--cpu", *(GLOO if ranks > 1 else ()), *args)
    probe = {"faults": {"watch": {}, **faults}}
    return server.run_ranks(
        "fairseq-train", data, *flags, save_dir=save_dir, ranks=ranks, probe=probe
    )


class Told(NamedTuple):
    """What the planner was told of one update.

    Attributes:
        pairs: ids, batch after batch.
        losses: nats per token; negative = missing.
    """

    pairs: list[int]
    losses: list[float]

    @property
    def missing(self) -> list[int]:
        """Return the pairs without a loss."""
        return [pair for pair, loss in zip(self.pairs, self.losses, strict=True) if loss < 0]


def told(run: Run) -> dict[Place, Told]:
    """Return by (pass, update) what was told; fail if an update was told of twice or not at all."""
    found: dict[Place, Told] = {}
    for entry in run.of("told"):
        place = entry["place"][0], entry["place"][1]
        assert place not in found, f"{place} was told of twice"
        found[place] = Told(sum(entry["batches"], []), entry["losses"])
    planned = {(p["pass"], p["first"] + u) for p in run.of("planned") for u in range(p["updates"])}
    assert set(found) == planned
    return found


def check_learned(run: Run) -> None:
    """Check that the Assistant's model learned each loss that was told, once, and nothing else."""
    expected: Counter[int] = Counter()
    for update in told(run).values():
        assert len(update.pairs) == len(update.losses)
        assert not any(loss != loss or loss == float("inf") for loss in update.losses)
        expected += Counter(update.pairs) - Counter(update.missing)
    assert Counter(pair for entry in run.of("model") for pair in entry["pairs"]) == expected


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file in ``folder``."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*"))
        if path.is_file()
    }
