"""Options whose text fairseq reads as Python: what it could not use is told before data is loaded.

Those of models are read when the model is built, which is early enough: see `border`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from fairseq.optim.lr_scheduler.manual_lr_scheduler import ManualSchedule
from omegaconf import DictConfig, ListConfig, OmegaConf

from autoassist_fairseq.plugin.border import program, why


def _two(value: Any, below: float = math.inf) -> None:
    """Raise unless ``value`` (or its text, as Python) is two numbers of at least 0, below that."""
    # What fairseq's optimizers have imported where they read it.
    found = eval(value, {"math": math}) if isinstance(value, str) else value
    first, second = found
    if not (0 <= first < below and 0 <= second < below):
        raise ValueError("out of range")


def _betas(value: Any) -> None:
    _two(value, below=1)


def _rates(text: str) -> None:
    ManualSchedule.parse_manuallr_args(None, text)


def _named(text: str) -> None:
    """Raise unless ``text`` is a dict of names; fairseq-validate reads it before and otherwise."""
    names = [] if program() == "validate" else ast.literal_eval(text).keys()
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names must be text")


_BETAS = "two numbers from 0 to below 1, say '(0.9, 0.98)'", _betas
_RATES = 'a dict of learning rates, say \'{"1": 0.1, "2-5": 0.01}\'', _rates
#: Group of fairseq's configuration -> option -> what it must be, and what raises if it is not.
OPTIONS: dict[str, dict[str, tuple[str, Callable[[Any], None]]]] = {
    "optimizer": {
        **dict.fromkeys(("adam_betas", "adamax_betas", "lamb_betas"), _BETAS),
        "adafactor_eps": ("two numbers of at least 0, say '(1e-30, 1e-3)'", _two),
    },
    "lr_scheduler": dict.fromkeys(("epoch2lr", "update2lr"), _RATES),
    "checkpoint": {"optimizer_overrides": ("a dict, say '{\"lr\": 0.1}'", _named)},
    "common_eval": {"model_overrides": ("a dict, say '{\"dropout\": 0.1}'", _named)},
}


def problems_of_python(cfg: Any) -> list[str]:
    """Return a sentence for each such option that fairseq would break at.

    Args:
        cfg: a task's options, in the whole configuration; where they stand alone, none is known.
    """
    whole = cfg._get_root() if isinstance(cfg, DictConfig) else None
    return [
        f"`--{name.replace('_', '-')}` must be {rule}, but is {value!r} ({told}); give such a value"
        for group, options in OPTIONS.items()
        for name, (rule, check) in options.items()
        if (value := _given(getattr(whole, group, None), name)) is not None
        and (told := _problem(check, value))
    ]


def _given(group: Any, name: str) -> Any:
    if isinstance(group, DictConfig) and OmegaConf.is_missing(group, name):
        return None
    value = getattr(group, name, None)
    return list(value) if isinstance(value, ListConfig) else value


def _problem(check: Callable[[Any], None], value: Any) -> str:
    """Return why ``value`` will not do; "": it will."""
    try:
        check(value)
    except Exception as error:  # the text may be anything
        return why(error)
    return ""
