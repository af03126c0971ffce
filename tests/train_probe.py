"""Looks at the Assistant inside a run that a test started, and disturbs the run when asked to."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
from typing import Any

import numpy as np
import torch
import train_faults
from numpy.typing import NDArray
from train_recorder import Recorder


def install(job: dict[str, Any]) -> None:
    """Do what ``job["probe"]`` asks for, in the process that is about to run ``job``.

    Keys: ``boss`` = "fixed" replaces what the Assistant is told of the Boss's losses by a function
    of the pair; ``kill`` = {rank, pass, update, micro} ends the process after that micro-batch,
    {rank, steps} after so many of them; ``rows`` is for `train_recorder.record`, ``faults`` for
    `train_faults.plant`.
    """
    probe = job["probe"]
    recorder = Recorder(job["events"])
    _record_assistant(recorder)
    if probe.get("boss") == "fixed":
        _fix_losses()
    kill = probe.get("kill") or {}
    if kill.get("rank") == job["rank"] and "seconds" not in kill:
        _kill_at(kill)
    train_faults.plant(recorder, job["rank"], probe.get("faults", {}))


def digest(value: Any) -> str:
    """Return a short name of nested plain values and arrays, to the last bit."""
    found = hashlib.blake2b(digest_size=8)
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, dict):
        for name in sorted(value):
            found.update(name.encode())
            _feed(found, value[name])
    elif isinstance(value, np.ndarray):
        found.update(np.ascontiguousarray(value).data)
    elif isinstance(value, list | tuple):
        for item in value:
            _feed(found, item)
    else:
        found.update(repr(value).encode())


def _record_assistant(recorder: Recorder) -> None:
    """Record the Assistant after every update, and every plan with the state it rests on."""
    from autoassist_fairseq.schedule.planner import Planner

    learn, plan_next = Planner.learn, Planner.plan_next

    def recorded_learn(planner: Planner, feedback: Any) -> None:
        learn(planner, feedback)
        state = digest(planner.assistant.state_dict())
        place = {"pass": feedback.pass_index, "update": feedback.update}
        recorder.write("learned", **place, state=state)

    def recorded_plan(planner: Planner) -> Any:
        assert planner.current is not None
        state = digest(planner.assistant.state_dict())
        pairs = planner.current.pairs_of(planner.next_window).tolist()
        plan = plan_next(planner)
        place = {"pass": plan.pass_index, "window": plan.window, "first": plan.first_update}
        now = digest([plan.batches.state_dict(), planner.leftover.state_dict(), plan.stats])
        about = {"updates": plan.updates, "pairs": pairs, "kept": plan.stats.kept}
        recorder.write("planned", **place, **about, state=state, plan=now)
        return plan

    Planner.learn = recorded_learn  # type: ignore[method-assign, assignment]
    Planner.plan_next = recorded_plan  # type: ignore[method-assign, assignment]


def fixed_losses(pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return losses [P] that are a function of the pair, and that an Assistant can learn in part.

    In our corpora every other target sentence repeats one word: those are easy. Half of all pairs
    lose 1.4 nats more than the others, for no reason that is to be seen.
    """
    more, within = pairs * 2_654_435_761 % 1000, pairs * 40_503 % 500
    scatter = more // 500 * 1.4 + (more % 500 + within) / 1000 * 0.6
    return np.where(pairs % 2 == 0, 3.0 + scatter, 1.0 + scatter).astype(np.float32)


def _fix_losses() -> None:
    from autoassist_fairseq.plugin.loss_tap import LossTap

    tapped = LossTap._tapped

    def fixed(tap: LossTap, model: Any, net_output: Any, sample: Any, reduce: bool = True) -> Any:
        result = tapped(tap, model, net_output, sample, reduce)
        if tap.listening:
            tap._losses = torch.from_numpy(fixed_losses(sample["id"].numpy()))
        return result

    LossTap._tapped = fixed  # type: ignore[method-assign, assignment]


def _kill_at(kill: dict[str, Any]) -> None:
    """End this process with SIGKILL right after the micro-batch that ``kill`` names or counts."""
    from autoassist_fairseq.plugin.task import AutoAssistTranslationTask as Task

    train_step = Task.train_step
    place, steps = tuple(map(kill.get, ("pass", "update", "micro"))), itertools.count(1)

    def step_or_die(task: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        result = train_step(task, sample, *args, **kwargs)
        ticket = vars(sample.get("autoassist", object)) if "pass" in kill else {}
        here = tuple(map(ticket.get, ("pass_index", "update", "micro")))
        if (here == place) if ticket else next(steps) == kill.get("steps"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Task.train_step = step_or_die  # type: ignore[method-assign, assignment]
