"""Random streams: none is used for two purposes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpora import alone, make_planner, run_pass

from autoassist_fairseq.schedule import streams
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.rebase import rebase


def test_no_stream_of_a_run_is_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy fills seeds up with zeros, so that [3, 1] and [3, 1, 0] make one stream."""
    planner, again = (make_planner(900, Budget(60, 0), alone(seed=3)) for _ in range(2))
    made: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    original = np.random.default_rng

    def recorded(seed: Any) -> np.random.Generator:
        made.setdefault(tuple(np.trim_zeros(np.array(seed), "b").tolist()), set()).add(tuple(seed))
        return original(seed)

    monkeypatch.setattr(np.random, "default_rng", recorded)
    run_pass(planner, 1, 2)
    run_pass(planner, 2, 2)
    planner.begin_pass(3, 2)
    planner.plan_next()
    again.load_state_dict(planner.state_dict())
    rebase(again, 4)
    assert all(len(seeds) == 1 for seeds in made.values()), "one purpose and one place for each"
    assert len([seed for seed in made if seed[0] == streams.ORDER]) == 3
    assert {seed[0] for seed in made} == {1, 2, 3, 4}
    assert all(seed[1:3] in {(3, 1), (3, 2), (3, 3)} for seed in made)
