"""The server that the tests of the plug-in train with reads flags as fairseq and Hydra do."""

from __future__ import annotations

from typing import Any

import fairseq.dataclass.utils as conversion
import fairseq.options
import hydra
import pytest
import torch
import train_warm
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError
from training import MODEL, SHRINK, SMOOTHED, TASK

import autoassist_fairseq.plugin  # noqa: F401  (registers the task)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo `train_warm.warm_up` in the process of the tests."""
    for owner, name in ((conversion, "compose"), (DictConfig, "__getattr__")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(torch, "manual_seed", torch.manual_seed)


def settings(flags: list[str]) -> DictConfig:
    parser = fairseq.options.get_training_parser()
    namespace = fairseq.options.parse_args_and_arch(parser, flags)
    return conversion.convert_namespace_to_omegaconf(namespace)


@pytest.mark.parametrize(
    "flags",
    [
        [*MODEL, *SMOOTHED, *TASK, *SHRINK, "--update-freq", "2,1", "--adam-betas", "(0.9, 0.98)"],
        [*MODEL, *SMOOTHED, "--lr-scheduler", "inverse_sqrt", "--curriculum", "3"],
        [*MODEL, "--fp16", "--keep-interval-updates", "2", "--patience", "4", "--cpu"],
    ],
)  # fmt: skip
def test_flags_are_read_as_hydra_reads_them(
    flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "compose", hydra.compose)
    expected = settings(["data", *flags])
    train_warm.warm_up(*TASK)
    for _ in range(2):  # what is read is not what is kept
        found = settings(["data", *flags])
        assert OmegaConf.to_container(found) == OmegaConf.to_container(expected)
        found.common.seed = 99


def test_a_setting_is_looked_up_as_omegaconf_does() -> None:
    given = {"n": 1, "x": 0.5, "on": True, "no": None, "word": "w", "as": "${n}", "group": {"n": 2}}
    config = OmegaConf.create(given)
    for name in given:
        found = train_warm.quick_getattr(config, name)
        assert found == getattr(config, name) and type(found) is type(getattr(config, name))
    assert (config["as"], config.group.n) == (1, 2)
    OmegaConf.set_struct(config, True)
    with pytest.raises(ConfigAttributeError, match="gone"):
        train_warm.quick_getattr(config, "gone")


def test_what_hydra_refuses_is_refused_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setattr(conversion, "compose", hydra.compose)
    train_warm.warm_up()
    for compose in (hydra.compose, train_warm.quick_compose):

        def spoilt(name: str, overrides: list[str], compose: Any = compose, **more: Any) -> Any:
            return compose(name, [word.replace("seed=1", "seed=x") for word in overrides], **more)

        monkeypatch.setattr(conversion, "compose", spoilt)
        with pytest.raises(hydra.errors.HydraException) as error:
            settings(["data", *MODEL])
        said.append(str(error.value))
    assert "common.seed" in said[0] and said[1] == said[0]
