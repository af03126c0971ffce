"""Faults that a test plants in a run; `train_probe` plants them in the process that trains.

Each takes the recorder of the run, and values that came as JSON. ``at`` = [pass, update, micro]
names a micro-batch in the way that plans count.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from train_recorder import Recorder

Fault = Callable[..., None]
Step = Callable[..., Any]


def plant(recorder: Recorder, rank: int, faults: dict[str, dict[str, Any]]) -> None:
    """Plant ``faults`` {name of a function below: its values}, those of other ranks left out."""
    for name, values in faults.items():
        if values.pop("rank", rank) == rank:
            globals()[name](recorder, **values)


def watch(recorder: Recorder) -> None:
    """Record all that the planner, and within it the Assistant's model, is told of losses."""
    from autoassist_fairseq.assistant.trivial.model import Model
    from autoassist_fairseq.schedule.planner import Planner

    learn, learn_pairs = Planner.learn, Model.learn

    def told(planner: Planner, feedback: Any) -> None:
        place, losses = [feedback.pass_index, feedback.update], feedback.losses.tolist()
        batches = [batch.tolist() for batch in planner.live[0].update(feedback.update)]
        recorder.write("told", place=place, batches=batches, losses=losses)
        learn(planner, feedback)

    def learned(model: Model, pairs: Any, labels: Any, extra: Any = None) -> Any:
        recorder.write("model", pairs=pairs.tolist())
        return learn_pairs(model, pairs, labels, extra)

    Planner.learn = told  # type: ignore[method-assign, assignment]
    Model.learn = learned  # type: ignore[method-assign, assignment]


def spoil(recorder: Recorder, pairs: list[int], loss: str) -> None:
    """Make the training loss of ``pairs`` nan (with its gradients) or inf (without)."""
    from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

    compute = LabelSmoothedCrossEntropyCriterion.compute_loss

    def spoilt(criterion: Any, model: Any, output: Any, sample: Any, reduce: bool = True) -> Any:
        hit = torch.isin(sample["id"], torch.tensor(pairs))[:, None, None]
        if criterion.training and hit.any():
            words = torch.nn.functional.one_hot(sample["target"], output[0].size(-1)).bool()
            logits = {
                "nan": lambda: output[0] * torch.ones_like(output[0]).masked_fill(hit, torch.nan),
                "inf": lambda: output[0].masked_fill(hit & words, -torch.inf),
            }[loss]()
            output = (logits, *output[1:])
        return compute(criterion, model, output, sample, reduce=reduce)

    LabelSmoothedCrossEntropyCriterion.compute_loss = spoilt


def endless_norms(recorder: Recorder, calls: list[int]) -> None:
    """Make the gradient's norm infinite in the given calls (from 0)."""
    from fairseq.trainer import Trainer

    clip, count = Trainer.clip_grad_norm, iter(range(10**9))

    def endless(trainer: Any, limit: float) -> Any:
        norm = clip(trainer, limit)
        return norm * float("inf") if next(count) in calls else norm

    Trainer.clip_grad_norm = endless


def out_of_memory(recorder: Recorder, at: list[int], backward: bool = False) -> None:
    """Run out of memory in the forward (or backward) pass of one micro-batch."""
    from fairseq.models.transformer import TransformerModelBase
    from fairseq.optim import FairseqOptimizer

    now: list[Any] = []
    fails = FairseqOptimizer if backward else TransformerModelBase
    name = "backward" if backward else "forward"
    sound = getattr(fails, name)

    def failing(*args: Any, **kwargs: Any) -> Any:
        if now == at:
            now.clear()
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB (injected)")
        return sound(*args, **kwargs)

    setattr(fails, name, failing)
    before_step(lambda place: now.__setitem__(slice(None), place))


def dummy_steps(recorder: Recorder, every: int, forged: bool) -> None:
    """Train on an extra empty sample, which fairseq replaces by its dummy batch.

    A ``forged`` one claims to be a batch of the next update.
    """
    from fairseq.trainer import Trainer

    train_step, count = Trainer.train_step, iter(range(1, 10**9))

    def with_dummies(trainer: Any, samples: Any, raise_oom: bool = False) -> Any:
        result = train_step(trainer, samples, raise_oom)
        if next(count) % every == 0:
            if forged:
                ticket = samples[0]["autoassist"]
                later = dataclasses.replace(ticket, update=ticket.update + 1)
                trainer._dummy_batch = {**samples[0], "autoassist": later}
            train_step(trainer, [{}], raise_oom)
        return result

    Trainer.train_step = with_dummies


def assistant_fails(recorder: Recorder, where: str, after: int) -> None:
    """Raise in a method of the Assistant from its call number ``after`` (from 0) on."""
    from autoassist_fairseq.assistant.assistant import Assistant

    sound, count = getattr(Assistant, where), iter(range(10**9))

    def failing(*args: Any) -> Any:
        if next(count) >= after:
            recorder.write("failed", time=time.time())
            raise ZeroDivisionError("by nought, as planted")
        return sound(*args)

    setattr(Assistant, where, failing)


def slow_plans(recorder: Recorder, after: int, seconds: float) -> None:
    """Let every plan after the first ``after`` take so long."""
    from autoassist_fairseq.schedule.planner import Planner

    plan_next, count = Planner.plan_next, iter(range(10**9))

    def slow(planner: Planner) -> Any:
        if next(count) >= after:
            time.sleep(seconds)
        return plan_next(planner)

    Planner.plan_next = slow  # type: ignore[method-assign, assignment]


def remove_file(recorder: Recorder, at: list[int], path: str) -> None:
    """Remove a file before a micro-batch."""
    once(at, Path(path).unlink)


def no_room(recorder: Recorder, at: list[int], size: int) -> None:
    """From a micro-batch on, let no file grow beyond ``size`` bytes."""
    limits = (size, resource.RLIM_INFINITY)
    once(at, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))


def signalled(recorder: Recorder, at: list[int], number: int) -> None:
    """Record this process's children and threads, and send it a signal."""

    def send() -> None:
        threads = [thread.name for thread in threading.enumerate()]
        recorder.write("signalled", children=children(), threads=threads)
        os.kill(os.getpid(), number)

    once(at, send)


def children() -> list[int]:
    """Return the processes that this one has started and that run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            pid, _, rest = status.read_text().partition(" ")
            if int(rest.rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(pid))
    return found


def once(at: list[int], act: Callable[[], None]) -> None:
    """Act before the micro-batch ``at``."""
    before_step(lambda place: act() if place == at else None)


def before_step(act: Callable[[list[int]], None]) -> None:
    """Act before every planned micro-batch that is trained on."""
    from autoassist_fairseq.plugin.task import AutoAssistTranslationTask as Task

    train_step: Step = Task.train_step

    def step(task: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        ticket = sample.get("autoassist")
        if ticket is not None and task.planned:
            act([ticket.pass_index, ticket.update, ticket.micro])
        return train_step(task, sample, *args, **kwargs)

    Task.train_step = step  # type: ignore[method-assign, assignment]
