"""``--average N``: the mean of a run's last checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path

from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.compare.budget import Budget
from autoassist_fairseq.tools.compare.jobs import LAST, Job

#: Checkpoints that are averaged lie evenly over this share of the budget, its last.
SPAN = 0.1
MEAN = "checkpoint_mean.pt"


def points(budget: Budget, count: int) -> list[Budget]:
    """Return where training halts for a checkpoint: ``count`` places, the last one at the end.

    Passes have a checkpoint each anyway, and no halt between.
    """
    if budget.kind == "passes":
        return [budget]
    return [
        Budget(budget.kind, budget.amount * (1 - SPAN * behind / count))
        for behind in reversed(range(count))
    ]


def kept(job: Job, number: int) -> Path:
    """The checkpoint of halt ``number``, from 0."""
    return job.folder / f"checkpoint_point{number}.pt"


def keep(job: Job, number: int) -> None:
    """Keep the last checkpoint as that of halt ``number``."""
    with staged(kept(job, number)) as part:
        shutil.copyfile(job.folder / LAST, part)


def inputs(job: Job) -> list[Path]:
    """Return the checkpoints to average, the last one first."""
    if job.budget.kind == "passes":
        last = int(job.budget.amount)
        return [job.folder / f"checkpoint{last - back}.pt" for back in range(job.average)]
    return [kept(job, number) for number in reversed(range(job.average))]


def to_translate(job: Job) -> Path:
    """Return the checkpoint that is translated with; averages, once, where that is asked for."""
    if job.average == 1:
        return job.folder / LAST
    mean = job.folder / MEAN
    if not mean.exists():
        from autoassist_fairseq.tools.averaging.command import average  # torch takes seconds
        from autoassist_fairseq.tools.common.checkpoints import write_checkpoint

        paths = inputs(job)
        write_checkpoint(average(paths), mean, "--out")
        for path in paths:
            path.unlink()
    return mean
