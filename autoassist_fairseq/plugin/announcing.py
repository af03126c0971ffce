"""What is said when a pass begins: what it promises, what it leaves out, what comes to nothing."""

from __future__ import annotations

import logging
import math
from collections import Counter

from autoassist_fairseq.assistant.policies.rules import End, last_competence, passes_until_open
from autoassist_fairseq.assistant.wrong.hopeless import AT_ONCE, Hopeless
from autoassist_fairseq.assistant.wrong.opinion import FIRST_PASS
from autoassist_fairseq.schedule.order import Order
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.promise import batches_of_all
from autoassist_fairseq.settings import Settings

logger = logging.getLogger(__name__)

VERBS = {
    "shrink": "shrinking",
    "random": "dropping at random",
    "uniform": "keeping every pair that is not hopeless",
}


# Of a curriculum that leaves out so few pairs to the end nothing is said.
MOST = 0.9
TOO_SHORT = (
    "autoassist: `--max-update`, `--max-epoch` or `--autoassist-budget` ends this run before its "
    "curriculum is over: the last pass has {:.0%} of the pairs; raise it, or use another "
    "`--autoassist-policy`"
)


def announce(now: Pass, pairs: int, done: int) -> None:
    """Log what a pass promises."""
    logger.info(
        f"autoassist: pass {now.index}: {pairs:,} pairs in {now.windows} windows of "
        f"{now.window_pairs:,}, {now.updates:,} updates of {now.group} batches, "
        f"{_manner(now)}" + (f"; going on after update {done:,}" if done else "")
    )


def _manner(now: Pass) -> str:
    """Return whom the pass keeps, in words."""
    if now.keep_all or now.warm == now.windows:
        return "keeping every pair"
    warm = f"{now.warm} of the windows keeping every pair, then " if now.warm else ""
    return warm + VERBS.get(now.policy, now.policy)


def ends_before_skipping(settings: Settings, now: Pass, end: End) -> str:
    """Return one sentence if the run, up to its ``end``, is over before a pair can be skipped.

    ``now`` is its first pass, by whose length those after it are reckoned.
    """
    if settings.policy in ("uniform", "importance", "competence") or now.index > 1:
        return ""
    updates = _warm_updates(settings, now)
    for given, through, option in _ends(end, now):
        if 0 < through <= updates:
            passes = round(updates / now.updates, 2)
            warmup = "updates" if settings.warmup_updates else "passes"
            every = "every pair" + " that is not hopeless" * (settings.hopeless == "cut")
            return (
                f"autoassist: `--{option}` ends this run before any pair is skipped: the first "
                f"{passes:g} pass{'es' * (passes > 1)} ({updates:,} updates) keep {every}, and it "
                f"is {given:,}; raise it, or lower `--autoassist-warmup-{warmup}`"
            )
    return ""


def ends_before_finding(planner: Planner, now: Pass, end: End) -> str:
    """Return one sentence if the run ends before a hopeless pair can be found, else ""."""
    policy = planner.policy
    if planner.failed or not isinstance(policy, Hopeless) or policy.opinion.believed > 0:
        return ""
    needed = (FIRST_PASS - 1) * now.updates
    for given, through, option in _ends(end, now):
        if now.index == 1 and 0 < through <= needed:
            return (
                f"autoassist: `--{option}` ends this run before a hopeless pair can be found: text "
                f"tells none here, and losses do from pass {FIRST_PASS} on (after {needed:,} "
                f"updates), but it is {given:,.0f}; raise it, or give `--autoassist-hopeless off`"
            )
    return ""


def ends_before_opening(
    planner: Planner, now: Pass, end: End, budget: tuple[str, float] | None = None
) -> str:
    """Return one sentence if the run ends before a curriculum has opened all pairs, else "".

    ``budget`` is the scheduler's, by which a curriculum goes rather than by the settings.
    """
    settings, folder = planner.settings, planner.folder
    if settings.policy != "competence" or now.index > 1:
        return ""
    order = Order(folder.ids, settings.seed, now.index)
    whole = batches_of_all(order, folder, planner.budget) / now.group
    told = End(settings.updates, settings.passes)
    if budget:
        kind, total = budget
        tokens = max(folder.target_tokens, 1)
        told = End(passes=total) if kind == "passes" else End(total / tokens * whole)
        end = End(*(min(a or b, b or a) for a, b in zip(end, told, strict=True)))
    if settings.pace:
        return _paced_too_long(settings.pace, whole, end)
    share = last_competence(whole, end, told, settings.folders) if any(end) else 1.0
    return TOO_SHORT.format(share) if share < MOST else ""


def _paced_too_long(pace: float, whole: float, end: End) -> str:
    """Return one sentence if not all pairs are open after ``pace`` passes of ``whole`` updates."""
    needs = ((end.passes, passes_until_open(pace), "epoch"), (end.updates, pace * whole, "update"))
    for given, needed, what in needs:
        if 0 < given < round(needed):
            return (
                f"autoassist: `--max-{what}` ends this run before all pairs are open: "
                f"`--autoassist-pace` {pace:g} takes {needed:,.0f} {what}s, and it is "
                f"{given:,.0f}; raise it, or lower the pace"
            )
    return ""


def _ends(end: End, now: Pass) -> list[tuple[float, float, str]]:
    """Return what may end the run: the value given, the updates that it allows, and its option."""
    return [
        (end.passes, end.passes * now.updates, "max-epoch"),
        (end.updates, end.updates, "max-update"),
    ]


def _warm_updates(settings: Settings, now: Pass) -> int:
    """Return for how many updates every pair is kept, from the first pass on."""
    rates = settings.rate
    if settings.policy == "random" and len(rates) > 1:
        return now.updates * next((index for index, rate in enumerate(rates) if rate), len(rates))
    if now.warm < now.windows:
        return now.updates_through(now.warm - 1)
    passes = settings.warmup_passes
    if settings.warmup_updates:
        passes = settings.warmup_updates / now.updates
    if settings.policy in ("self-paced", "loss-table"):
        passes = math.ceil(passes)
    return round(passes * now.updates)


def announce_hopeless(planner: Planner) -> None:
    """Log how many pairs are hopeless in the pass that begins, by kind.

    In the first pass over many pairs, of those that were judged so far: the first of the pass.
    Nothing of a pass that had begun when nobody looked for them, and goes on.
    """
    policy, now = planner.policy, planner.current
    if planner.failed or not isinstance(policy, Hopeless) or not policy.frozen["pass"]:
        return
    assert now is not None
    if seconds := policy.opinion.seconds:
        logger.info(f"autoassist: text was read for wrong pairs in {seconds:.1f} s")
        policy.opinion.seconds = 0.0
    pairs = planner.folder.ids
    first = policy.frozen["pass"] == 1 and len(pairs) > AT_ONCE
    counts: Counter[str] = Counter()
    for some in [now.order[:AT_ONCE]] if first else pairs.blocks():
        counts.update(policy.counts(some))
    found, looked = counts.total(), AT_ONCE if first else len(pairs)
    kinds = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    logger.info(
        f"autoassist: {found:,} of {looked:,} pairs ({found / looked:.1%}) are hopeless"
        + (f": {kinds}" if found else "")
    )
