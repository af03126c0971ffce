"""Writes down what fairseq really trains on, from inside its process and beneath the plug-in."""

from __future__ import annotations

import argparse
import inspect
import json
import threading
from pathlib import Path
from typing import Any

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


def record(path: str, argv: list[str]) -> None:
    """Record epochs, trained batches, validations, and the pairs of every window."""
    recorder = Recorder(path)
    _record_fairseq(recorder)
    if "--user-dir" in argv:
        import_user_module(argparse.Namespace(user_dir=argv[argv.index("--user-dir") + 1]))
        _record_planner(recorder)


def _record_fairseq(recorder: Recorder) -> None:
    train_step, begin_epoch = FairseqTask.train_step, FairseqTask.begin_epoch

    def recorded_step(task: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        loss, size, log = train_step(task, sample, *args, **kwargs)
        given = inspect.signature(train_step).bind(task, sample, *args, **kwargs).arguments
        inputs = sample["net_input"]["src_tokens"]
        place = getattr(sample.get("autoassist"), "__dict__", {})
        recorder.write(
            "batch",
            ids=sample["id"].tolist(),
            source=list(inputs.shape),
            target=list(sample["target"].shape),
            loss=loss.item().hex(),
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


def _record_planner(recorder: Recorder) -> None:
    from autoassist_fairseq.schedule.planner import Planner

    plan_next = Planner.plan_next

    def recorded_plan(planner: Planner) -> Any:
        now, window = planner.current, planner.next_window
        assert now is not None
        plan = plan_next(planner)
        pairs = now.pairs_of(window).tolist()
        recorder.write("window", epoch=now.index, pairs=pairs, kept=plan.stats.kept)
        return plan

    Planner.plan_next = recorded_plan  # type: ignore[method-assign, assignment]
