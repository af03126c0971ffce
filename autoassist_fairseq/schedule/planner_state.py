"""What a planner must remember to go on as if it had never been stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np

from autoassist_fairseq.assistant.assistant import Lesson
from autoassist_fairseq.schedule.batches import Batches
from autoassist_fairseq.schedule.order import Order
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.plan import Plan

if TYPE_CHECKING:
    from autoassist_fairseq.schedule.planner import Planner

PASS_KEYS = (
    "index",
    "window_pairs",
    "group",
    "keep_all",
    "seed",
    "policy",
    "cut",
    "warm",
    "offset",
)


def state_of(planner: Planner) -> dict[str, Any]:
    """Return the state in plain types and arrays; only while the Assistant is settled."""
    failed, now = planner.failed, planner.current
    state: dict[str, Any] = {
        # Of one that has failed nothing is asked any more, and nothing is loaded again.
        "assistant": {} if failed else planner.assistant.state_dict(),
        "policy": {} if failed else planner.policy.state_dict(),
        "lesson": list(planner.lesson.sums),
        "failed": failed,
        "folder": planner.folder.name,
        "memories": {} if failed else planner.memories,
        "trained": planner.trained,
        "updates_before": planner.updates_before,
        "started": planner.started,
        "pass": None,
    }
    if now is not None and planner.learned == now.updates:
        state["updates_before"] += now.updates
    elif now is not None:
        state["pass"] = _pass_of(planner, now)
    return state


def _pass_of(planner: Planner, now: Pass) -> dict[str, Any]:
    return {
        **{name: getattr(now, name) for name in PASS_KEYS},
        "quotas": now.quotas.copy(),
        "budget": list(astuple(planner.budget)),
        "next_window": planner.next_window,
        "learned": planner.learned,
        "skipped": planner.skipped,
        "leftover": planner.leftover.state_dict(),
        "live": [plan.state_dict() for plan in planner.live],
    }


def restore(planner: Planner, state: dict[str, Any]) -> None:
    """Take over what `state_of` returned; if it was in the middle of a pass, go on there."""
    planner.lesson, planner.selection.failed = Lesson(*state["lesson"]), state["failed"]
    if not planner.failed:
        planner.assistant.load_state_dict(state["assistant"])
        planner.memories = {**state["memories"], state["folder"]: state["policy"]}
        if planner.folder.name in planner.memories:
            planner.policy.load_state_dict(planner.memories.pop(planner.folder.name))
    planner.trained = float(state["trained"])
    planner.updates_before = state["updates_before"]
    planner.started = state.get("started", 0)
    if state["pass"] is None:
        planner.current = None
    else:
        _restore_pass(planner, state["pass"])


def _restore_pass(planner: Planner, saved: dict[str, Any]) -> None:
    order = Order(planner.folder.ids, saved["seed"], saved["index"])
    whole = saved["keep_all"] * len(saved["quotas"])  # for versions without parts of a pass
    plain = {"warm": whole, **{name: saved[name] for name in PASS_KEYS if name in saved}}
    planner.resume(Pass(order=order, quotas=np.array(saved["quotas"], np.int64), **plain))
    planner.next_window, planner.learned = saved["next_window"], saved["learned"]
    planner.skipped = saved["skipped"]
    planner.leftover = Batches.from_state(saved["leftover"])
    planner.live.extend(Plan.from_state(plan) for plan in saved["live"])
    planner.saved_budget = Budget(*saved["budget"])


def convert(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """Return a state whose values of a ``kind`` (arrays, tensors) have been through ``change``."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, dict):
        return {key: convert(item, kind, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [convert(item, kind, change) for item in value]
    return value
