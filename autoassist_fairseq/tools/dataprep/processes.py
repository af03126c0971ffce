"""What a process and all that it started cost, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """CPU time in seconds, of all cores together, and memory in MiB.

    Memory is the proportional set size: what processes share is counted once.
    """

    cpu: float = 0.0
    peak: float = 0.0


class _Process(NamedTuple):
    parent: int
    cpu: float  # seconds, of ended children too


def family_cost(root: int) -> Cost:
    """The cost of process ``root`` and its descendants so far, and their memory now."""
    known = {int(path.name): _read(path) for path in _PROC.glob("[0-9]*")}
    found = {number: process for number, process in known.items() if process is not None}
    family = {root}
    while True:
        more = {number for number, process in found.items() if process.parent in family} - family
        if not more:
            break
        family |= more
    alive = family & found.keys()
    return Cost(sum(found[number].cpu for number in alive), sum(map(_memory, alive)))


def _read(folder: Path) -> _Process | None:
    try:
        text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # it has ended
    fields = text.rpartition(")")[2].split()  # the name before may have spaces
    return _Process(int(fields[1]), sum(map(int, fields[11:15])) / _TICK)


def _memory(number: int) -> float:
    try:
        rollup = (_PROC / str(number) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    line = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) / 1024
