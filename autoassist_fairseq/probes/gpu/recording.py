"""Writes down what a run trains on and tells the Assistant; tells it other losses; kills it.

What it records of batches waits for the device, so it is for runs that are not timed.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import numpy as np
from fairseq.tasks.fairseq_task import FairseqTask
from numpy.typing import NDArray

from autoassist_fairseq.probes.gpu.events import Events
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.planner import Planner


def record(events: Events, feed: bool, kill_after: int, batches: bool = True) -> None:
    """Record batches and feedback.

    Args:
        events: where to.
        feed: whether the Assistant is told `fed_losses` instead of the Boss's.
        kill_after: end this process with SIGKILL right after so many batches; 0 = do not.
        batches: whether batches are recorded at all; that waits for the device, feedback does not.
    """
    if batches:
        _record_batches(events, kill_after)
    _record_feedback(events, feed)


def _record_batches(events: Events, kill_after: int) -> None:
    train_step, done = FairseqTask.train_step, 0

    def recorded(task: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal done
        loss, size, log = train_step(task, sample, *args, **kwargs)
        ticket = getattr(sample.get("autoassist"), "__dict__", {})
        events.write(
            "batch",
            ids=sample["id"].tolist(),
            place=[ticket.get(name) for name in ("pass_index", "update")],
            nll=float(log["nll_loss"]) / float(log["ntokens"]),
        )
        done += 1
        if done == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss, size, log

    FairseqTask.train_step = recorded


def _record_feedback(events: Events, feed: bool) -> None:
    learn = Planner.learn

    def recorded(planner: Planner, feedback: Feedback) -> None:
        pairs = np.concatenate(planner.live[0].update(feedback.update))
        lengths = planner.folder.target_sizes[pairs].astype(np.int64)
        there = feedback.losses >= 0
        whole = float((feedback.losses * lengths)[there].sum() / max(lengths[there].sum(), 1))
        events.write(
            "told",
            place=[feedback.pass_index, feedback.update],
            pairs=pairs.tolist(),
            missing=int((~there).sum()),
            nll=whole,
        )
        if feed:
            fed = np.where(there, fed_losses(pairs, lengths), feedback.losses)
            feedback = replace(feedback, losses=fed.astype(np.float32))
        learn(planner, feedback)

    Planner.learn = recorded  # type: ignore[method-assign, assignment]


def fed_losses(pairs: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.float32]:
    """Return losses [P] that are a function of the pair, for targets of ``lengths`` [P].

    Long targets lose more, which an Assistant can learn; two fifths of all pairs lose much more
    than the others for no reason that is to be seen, as wrong translations do; and all scatter.
    """
    scatter = pairs.astype(np.int64) * 2_654_435_761 % 10_007 / 10_007
    wrong = pairs.astype(np.int64) * 40_503 % 5 < 2
    return (1 + (lengths > 12) + 2.0 * wrong + 0.6 * scatter).astype(np.float32)
