"""Writes down what fairseq really trains on, from inside its process and beneath the plug-in."""

from __future__ import annotations

import argparse
import inspect
import json
import threading
from pathlib import Path
from typing import Any

import torch
from fairseq.tasks.fairseq_task import FairseqTask
from fairseq.utils import import_user_module


class Recorder:
    """Appends one line of JSON per event to a file, from any thread."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()

    def write(self, event: str, **values: Any) -> None:
        """Write one event; nothing stays in a buffer that a forked process could write again."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")


def record(path: str, argv: list[str], rows: bool = False) -> None:
    """Record epochs, trained batches, validations, and the pairs of every window.

    With ``rows`` each batch with its rows' losses, as `row_losses` finds them once more.
    """
    recorder = Recorder(path)
    _record_fairseq(recorder, rows)
    if "--user-dir" in argv:
        import_user_module(argparse.Namespace(user_dir=argv[argv.index("--user-dir") + 1]))
        _record_planner(recorder)


def _record_fairseq(recorder: Recorder, rows: bool) -> None:
    train_step, begin_epoch = FairseqTask.train_step, FairseqTask.begin_epoch

    def recorded_step(task: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        given = inspect.signature(train_step).bind(task, sample, *args, **kwargs).arguments
        of_rows = row_losses(given["model"], sample) if rows else []
        loss, size, log = train_step(task, sample, *args, **kwargs)
        inputs = sample["net_input"]["src_tokens"]
        place = getattr(sample.get("autoassist"), "__dict__", {})
        recorder.write(
            "batch",
            ids=sample["id"].tolist(),
            source=list(inputs.shape),
            target=list(sample["target"].shape),
            loss=loss.item().hex(),
            rows=of_rows,
            dummy=given.get("ignore_grad", False),
            place=[place.get(name) for name in ("pass_index", "update", "micro")],
        )
        return loss, size, log

    def recorded_epoch(task: Any, epoch: int, model: Any) -> None:
        recorder.write("epoch", epoch=epoch)
        begin_epoch(task, epoch, model)

    def recorded_validation(task: Any, epoch: int, model: Any) -> None:
        recorder.write("validation", epoch=epoch)

    FairseqTask.train_step = recorded_step
    FairseqTask.begin_epoch = recorded_epoch
    FairseqTask.begin_valid_epoch = recorded_validation


def row_losses(model: Any, sample: Any) -> list[float]:
    """Return each row's loss per target word, from a forward pass of its own in float64.

    Without dropout, that pass sees what the one that is trained on sees.
    """
    with torch.no_grad():
        scores = torch.log_softmax(model(**sample["net_input"])[0].double(), -1)
    words = sample["target"] != 1  # fairseq's padding
    picked = scores.gather(-1, sample["target"].unsqueeze(-1)).squeeze(-1)
    return list((-(picked * words).sum(-1) / words.sum(-1)).tolist())


def _record_planner(recorder: Recorder) -> None:
    from autoassist_fairseq.assistant.assistant import Assistant
    from autoassist_fairseq.schedule.planner import Planner

    plan_next, learn = Planner.plan_next, Assistant.learn

    def recorded_plan(planner: Planner) -> Any:
        now, window = planner.current, planner.next_window
        assert now is not None
        plan = plan_next(planner)
        pairs = now.pairs_of(window).tolist()
        known = len(planner.assistant.model.corpus)
        recorder.write("window", epoch=now.index, pairs=pairs, kept=plan.stats.kept, known=known)
        return plan

    def recorded_learn(assistant: Assistant, pairs: Any, losses: Any, expected: Any = None) -> Any:
        recorder.write("lesson", pairs=pairs.tolist(), losses=losses.tolist())
        return learn(assistant, pairs, losses, expected)

    Assistant.learn = recorded_learn  # type: ignore[method-assign, assignment]
    Planner.plan_next = recorded_plan  # type: ignore[method-assign, assignment]
