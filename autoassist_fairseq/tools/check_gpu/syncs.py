"""``syncs``: how often an update waits for the GPU, beside ``--task translation``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from autoassist_fairseq.tools.check_gpu.checks import Check, Outcome
from autoassist_fairseq.tools.check_gpu.flags import alone, passes_of, precision_flags, small_run
from autoassist_fairseq.tools.check_gpu.runner import Runner

PART = "syncs"
ROWS = (
    *(("shrink", "fp16"), ("loss-table", "fp16"), ("hopeless weight", "fp16")),
    *(("hopeless cut", "fp16"), ("shrink", "bf16")),
)
# The event that ends our copy of the losses is asked an update later, when it is long over: told,
# but no wait.
WAITS = (
    *("synchronizing operations", "cudaStreamSynchronize"),
    *("cudaDeviceSynchronize", "cudaMemcpy"),
)
STAND_INS = ("aten._local_scalar_dense",)
# The end of a pass logs and waits more.
BEGIN, UPDATES, MORE = 2, 4, 0.2


class Stock:
    """What fairseq's own task waits for, once for each precision."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._known: dict[str, Mapping[str, float]] = {}

    def of(self, precision: str, runner: Runner) -> Mapping[str, float]:
        """Return counts per update."""
        if precision not in self._known:
            self._known[precision] = count(self.data, "stock", precision, runner)
        return self._known[precision]


def checks(stock: Stock, cuda: bool) -> list[Check[Runner]]:
    """Return every check of this part, the most telling first."""
    return [
        Check(PART, f"{arm}, {precision}", 20.0 if cuda else 8.0, partial(run, stock, *row), True)
        for row in ROWS
        for arm, precision in [row]
    ]


def count(data: Path, arm: str, precision: str, runner: Runner) -> Mapping[str, float]:
    """Return how often an update of ``arm`` waits or copies, late in a run."""
    name = f"syncs-{arm.replace(' ', '-')}-{precision}"
    args = [*small_run(data, runner.folder / name / "save", arm), *alone(runner.cuda), "--no-save"]
    args += ["--num-workers", 1]  # else collating, which is not ours, would count on a CPU
    args += precision_flags(precision, runner.cuda)
    window = {"within": passes_of(arm), "begin": BEGIN, "updates": UPDATES}
    probe = {"record": {"feed": True, "batches": False}, "count": window}
    (counted,) = runner.train(name, args, probe)[0].ended().of("counted")
    return {key: value for key, value in counted.items() if key not in ("event", "updates")}


def run(stock: Stock, arm: str, precision: str, runner: Runner) -> Outcome:
    """Compare an arm with fairseq's own task."""
    theirs = stock.of(precision, runner)
    ours = count(stock.data, arm, precision, runner)
    names = WAITS if runner.cuda else STAND_INS
    added = {name: ours.get(name, 0) - theirs.get(name, 0) for name in names}
    every = sorted({*ours, *theirs})
    parts = [f"{one} {ours.get(one, 0):g} ({theirs.get(one, 0):g})" for one in every]
    found = f"per update, fairseq's own in brackets: {', '.join(parts)}"
    if not runner.cuda:
        found += "; stand-ins for what would wait for a GPU"
    ok = bool(every) and max(added.values()) <= MORE
    return Outcome(ok, found, {"ours": dict(ours), "stock": dict(theirs)})
