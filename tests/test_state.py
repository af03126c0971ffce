"""What a saved state may lack, and what a state of another version is told."""

from __future__ import annotations

import logging
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

import autoassist_fairseq
from autoassist_fairseq.errors import StateError
from autoassist_fairseq.settings import Settings

pytestmark = pytest.mark.slow  # importing torch and fairseq takes seconds

FITS = {"training set": "a", "source dictionary": "b", "target dictionary": "c"}


class Planner(SimpleNamespace):
    """Stands for a planner that takes any state."""

    failed = ""
    loaded: Any = None

    def state_dict(self) -> dict[str, Any]:
        return {"pass": None, "policy": {}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loaded = state


def saved(**changes: Any) -> dict[str, Any]:
    """Return a sound state with other entries."""
    from autoassist_fairseq.plugin import state

    whole = {**state.save(Planner(), FITS, Settings()), **changes}  # type: ignore[arg-type]
    rest = {name: value for name, value in whole.items() if name != "checksum"}
    return {**rest, "checksum": state.checksum(rest)}


def restore(whole: dict[str, Any]) -> Planner:
    from autoassist_fairseq.plugin import state

    state.restore(planner := Planner(), whole, FITS, Settings(), sharded=False)  # type: ignore[arg-type]
    return planner


def test_a_setting_that_is_unknown_or_missing_had_its_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = {**asdict(Settings()), "of_tomorrow": 7, "base_prob": 0.25}
    for name in ("presample", "rate", "hopeless"):
        del settings[name]
    caplog.set_level(logging.INFO)
    assert restore(saved(settings=settings)).loaded is not None
    told = [record.message for record in caplog.records]
    assert told == ["autoassist: --autoassist-base-prob changed from 0.25 to 0.5 on resume"]


@pytest.mark.parametrize(
    ("format", "version"), [(3, None), (99, "9.9.9"), (None, None)], ids=["before", "after", "none"]
)
def test_another_format_names_both_versions_and_the_ways_out(format: Any, version: Any) -> None:
    whole = saved(format=format, version=version)
    if version is None:
        del whole["version"]
    here, there = autoassist_fairseq.__version__, version or "0.1.0"
    ways = r"`--finetune-from-model` .*`--reset-dataloader --reset-meters`\."
    says = rf"^`--restore-file` .* format 4 \(autoassist_fairseq {here}\), .* {format} \({there}\);"
    with pytest.raises(StateError, match=f"{says} .*{ways}"):
        restore(whole)


def test_another_corpus_is_told_how_to_begin_on_it() -> None:
    with pytest.raises(StateError, match="training set differs .*`--reset-dataloader --reset-m"):
        restore(saved(fits={**FITS, "training set": "z"}))
