"""``ranks``: two ranks on one GPU through gloo, on two through NCCL; and one of them dies."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.check_gpu.checks import Check, NotRun, Outcome
from autoassist_fairseq.tools.check_gpu.flags import alone, precision_flags, small_run
from autoassist_fairseq.tools.check_gpu.runner import Runner
from autoassist_fairseq.tools.check_gpu.seen import Seen

PART = "ranks"
ARM, RANKS = "shrink", 2
NEAR = {"fp32": 1e-3, "fp16": 2e-2}
KILL_AFTER = 14


def checks(data: Path, gpus: int) -> list[Check[Runner]]:
    """Return every check of this part, the most telling first.

    Args:
        data: the corpus.
        gpus: how many there are; 0 = all on the CPU.
    """
    seconds = 25.0 if gpus else 12.0
    found = [
        Check(PART, f"{name}, {precision}", seconds, partial(run, data, how, precision), True)
        for how, name in HOW.items()
        for precision in (("fp16", "fp32") if how in ("gloo", "nccl") else ("fp32",))
    ]
    for how in ("gloo", "nccl"):
        dies = partial(one_dies, data, how)
        found.append(Check(PART, f"{HOW[how]}: one dies", seconds + 5, dies, True))
    return found


HOW = {
    "gloo": "gloo on one device",
    "c10d": "gloo, --ddp-backend c10d",
    "nodes": "gloo, a launcher for each",
    "nccl": "NCCL on two GPUs",
}


def flags_of(how: str, runner: Runner) -> list[object]:
    """Return the flags of a rank.

    Raises:
        NotRun: not on this machine.
    """
    if how == "nccl":  # a rank takes the device of its number
        if runner.gpus < RANKS:
            raise NotRun(f"needs {RANKS} GPUs, but there is {'one' if runner.gpus else 'none'}")
        return ["--distributed-backend", "nccl", "--ddp-backend", "legacy_ddp"]
    # Ranks on one GPU: each takes the device of its number, unless told.
    place = ["--device-id", 0] if runner.cuda else ["--cpu"]
    backend = "c10d" if how == "c10d" else "legacy_ddp"
    return ["--distributed-backend", "gloo", "--ddp-backend", backend, *place]


def run(data: Path, how: str, precision: str, runner: Runner) -> Outcome:
    """Compare two ranks with one that takes two batches for each update."""
    spread = flags_of(how, runner)
    name = f"ranks-{how}-{precision}"
    folder = runner.fresh(name)
    common = precision_flags(precision, runner.cuda)
    probe = {"record": {"feed": True}}

    def small(part: str) -> list[object]:
        return [*small_run(data, folder / part, ARM), *common]

    single = [*small("1"), *alone(runner.cuda), "--update-freq", 2]
    (one,) = runner.train(f"{name}/one", single, probe)
    both = [*small("2"), *spread]
    # Of forked ranks each would take the first GPU: fairseq looks for its number when imported.
    nodes = {"nodes": 2, "nccl": 1}.get(how, 0)
    two = runner.train(f"{name}/two", both, probe, RANKS, nodes=nodes)
    first, second, whole = (told(seen.ended()) for seen in (*two, one))
    # Of its last update a rank that saves nothing is told no more.
    shared = [at for at in whole if at in first and at in second]
    if len(shared) < max(map(len, (first, second, whole))) - 1 or any(
        not first[at]["pairs"] == second[at]["pairs"] == whole[at]["pairs"] for at in shared
    ):
        return Outcome(False, "the plans differ")
    problems = []
    if any(first[at]["nll"] != second[at]["nll"] for at in shared):
        problems.append("the ranks were told different losses")
    worst = max(abs(first[at]["nll"] / whole[at]["nll"] - 1) for at in shared)
    if not worst < NEAR[precision]:
        problems.append("losses differ from those of one rank")
    found = [
        *problems,
        f"{len(shared)} updates, plans equal, losses within {worst:.1e} of one rank",
    ]
    return Outcome(not problems, "; ".join(found))


def told(seen: Seen) -> dict[tuple[int, ...], Any]:
    """Return what the Assistant of a rank was told, by (pass, update)."""
    return {tuple(one["place"]): one for one in seen.of("told")}


def one_dies(data: Path, how: str, runner: Runner) -> Outcome:
    """Kill the second rank of two that torchrun started: the first must end, too."""
    name = f"ranks-{how}-dies"
    args = [*small_run(data, runner.folder / name / "save", ARM), *flags_of(how, runner)]
    probe = {"record": {"feed": True, "kill_after": KILL_AFTER, "kill_rank": 1}}
    first, second = runner.train(name, args, probe, RANKS, nodes=1)
    died = max((runner.folder / name / "events.1").stat().st_mtime, 0)
    seconds = time.time() - died
    done = [len(seen.of("batch")) for seen in (first, second)]
    problems = []
    if first.status == 0 or "done training" in first.output:
        problems.append("the first rank ended as if nothing had happened")
    if done[1] != KILL_AFTER or not done[0] <= KILL_AFTER + 1:
        problems.append(f"batches trained: {done[0]} and {done[1]}")
    return Outcome(not problems, "; ".join([*problems, f"all had ended {seconds:.0f} s later"]))
