"""A run that ends before anything can be skipped is told so when it starts."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from corpora import alone, make_planner

from autoassist_fairseq.assistant.policies.rules import End
from autoassist_fairseq.schedule.packing import Budget

pytestmark = pytest.mark.slow  # importing torch and fairseq takes seconds


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"updates": 20}, r"`--max-update` .* 1 pass \([\d,]+ updates\) .* is 20;"),
        ({"passes": 1}, "`--max-epoch` .* 1 pass .* is 1; .*warmup-passes"),
        ({"passes": 3, "warmup_passes": 3}, "first 3 passes"),
        ({"policy": "random", "rate": (0.0, 0.0, 0.5), "passes": 2}, "first 2 passes"),
        ({"passes": 2}, ""),
        ({}, ""),
        ({"updates": 100_000}, ""),
        ({"policy": "competence", "difficulty": "length", "passes": 1}, ""),
        ({"policy": "uniform", "passes": 1}, ""),
        ({"passes": 1, "warmup_passes": 0}, ""),
        ({"passes": 1, "warmup_passes": 0.25}, ""),
        ({"updates": 20, "warmup_passes": 0.25}, "first 0.4 pass .* is 20;"),
        ({"updates": 90, "warmup_passes": 0.25}, ""),
        ({"passes": 1, "warmup_passes": 0.25, "policy": "loss-table"}, "first 1 pass"),
        ({"updates": 30, "warmup_updates": 25}, "updates.* is 30; .*warmup-updates"),
        ({"updates": 90, "warmup_updates": 25}, ""),
        ({"passes": 1, "hopeless": "cut"}, "keep every pair that is not hopeless"),
    ],
)
def test_what_is_told(options: dict[str, Any], says: str) -> None:
    from autoassist_fairseq.plugin.announcing import ends_before_skipping

    settings = alone(**options)
    now = make_planner(800, Budget(60, 0), settings).begin_pass(1, 1)
    told = ends_before_skipping(settings, now, End(settings.updates, settings.passes))
    assert bool(told) == bool(says)
    assert re.search(says, told), told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, ""),
        ({"passes": 9}, r"`--max-epoch` .* `--autoassist-pace` 8 takes 19 epochs, and it is 9;"),
        ({"passes": 18}, "it is 18"),
        ({"passes": 19}, ""),
        ({"updates": 300}, "`--max-update` ends this run before all pairs are open.* it is 300;"),
        ({"updates": 100_000}, ""),
        ({"policy": "self-paced", "passes": 5}, ""),
        ({"pace": 0.0, "passes": 9}, ""),
        ({"pace": 0.0, "passes": 1}, "curriculum is over: the last pass has 1% of the pairs"),
        ({"pace": 0.0, "updates": 60}, "curriculum is over"),
        ({"pace": 0.0, "updates": 900}, ""),
        ({"pace": 0.0}, ""),
    ],
)
def test_what_is_told_where_a_curriculum_is_too_long(options: dict[str, Any], says: str) -> None:
    from autoassist_fairseq.plugin.announcing import ends_before_opening

    settings = alone(**{"policy": "competence", "difficulty": "length", "pace": 8.0, **options})
    planner = make_planner(800, Budget(60, 0), settings)
    now = planner.begin_pass(1, 1)
    told = ends_before_opening(planner, now, End(settings.updates, settings.passes))
    assert bool(told) == bool(says)
    assert re.search(says, told), told
    if (
        "takes" in told and "updates" in options
    ):  # those of eight passes of all pairs, not of the first
        needed = int(re.search(r"takes ([\d,]+)", told)[1].replace(",", ""))  # type: ignore[index]
        every = make_planner(800, Budget(60, 0), alone(policy="uniform")).begin_pass(1, 1)
        assert needed == pytest.approx(8 * every.updates, rel=0.1)
        assert needed > 20 * now.updates


@pytest.mark.parametrize(
    ("budget", "end", "says"),
    [
        (("passes", 2.0), End(), "the last pass has 79%"),
        (("passes", 9.0), End(), ""),
        (("passes", 9.0), End(passes=2), "curriculum is over"),
        (("tokens", 1_000.0), End(), "curriculum is over"),
        (("tokens", 1e6), End(), ""),
        (("tokens", 1e6), End(60), "curriculum is over"),
    ],
)
def test_a_budget_counts_and_so_does_what_ends_training_before(
    budget: tuple[str, float], end: End, says: str
) -> None:
    from autoassist_fairseq.plugin.announcing import ends_before_opening

    planner = make_planner(800, Budget(60, 0), alone(policy="competence", difficulty="length"))
    told = ends_before_opening(planner, planner.begin_pass(1, 1), end, budget)
    assert bool(told) == bool(says) and re.search(says, told), told


def test_what_ends_training_is_not_what_the_assistant_is_told() -> None:
    from autoassist_fairseq.plugin.announcing import ends_before_skipping

    settings = alone(updates=30)  # --autoassist-updates
    now = make_planner(800, Budget(60, 0), settings).begin_pass(1, 1)
    assert not ends_before_skipping(settings, now, End(90_000))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"passes": 2}, r"`--max-epoch` .* text tells none here.* pass 3 on .* but it is 2;"),
        ({"updates": 9}, "`--max-update` .* but it is 9;"),
        ({"passes": 3}, ""),
        ({"passes": 2, "hopeless": "off"}, ""),
    ],
)
def test_what_is_told_where_text_is_too_short_to_tell(options: dict[str, Any], says: str) -> None:
    from autoassist_fairseq.plugin.announcing import ends_before_finding

    settings = alone(**{"policy": "uniform", "hopeless": "cut", **options})
    planner = make_planner(800, Budget(60, 0), settings)
    told = ends_before_finding(
        planner, planner.begin_pass(1, 1), End(settings.updates, settings.passes)
    )
    assert bool(told) == bool(says)
    assert re.search(says, told), told


def test_fairseq_may_count_from_0_again() -> None:
    from autoassist_fairseq.plugin.iterator import AutoAssistIterator

    planner = SimpleNamespace(started=-1)
    run: Any = SimpleNamespace(planner=planner, _begun=0)
    AutoAssistIterator.count_from(run, 40)
    assert planner.started == 40, "an Assistant that begins late"
    run._begun = 100
    for update in (0, 1):  # --reset-optimizer, but not --reset-dataloader
        AutoAssistIterator.count_from(run, update)
    assert planner.started == -100
