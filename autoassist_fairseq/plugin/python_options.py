"""Checks of the options whose text fairseq reads as Python, and looks at no further."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig

#: Where fairseq's configuration keeps them.
GROUPS = ("optimizer", "lr_scheduler", "checkpoint", "model", "common_eval")
_EPOCHS = re.compile(r"\d+(-\d+|(,\d+)*)")


@dataclass(frozen=True)
class Kind:
    """What an option holds.

    Attributes:
        rule: what it must be, with an example.
        read: how fairseq makes a value of its text.
        fits: whether that value will do.
    """

    rule: str
    read: Callable[[str], Any]
    fits: Callable[[Any], bool]


def _are(number: Callable[[Any], bool], value: Any, count: int | None = None) -> bool:
    listed = isinstance(value, list | tuple) and count in (None, len(value))
    return listed and all(isinstance(one, int | float) and number(one) for one in value)


def _are_betas(value: Any) -> bool:
    return _are(lambda beta: 0 <= beta < 1, value, 2)


def _are_overrides(value: Any) -> bool:
    """Names of an optimizer's settings, which are numbers, several, or nothing."""
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and (_are_betas(one) if name == "betas" else one is None or _are_numbers(one))
        for name, one in value.items()
    )


def _are_numbers(value: Any) -> bool:
    return isinstance(value, int | float) or _are(lambda _: True, value)


def _are_rates(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(when, str) and _EPOCHS.fullmatch(when) and isinstance(rate, int | float)
        for when, rate in value.items()
    )


def _are_convolutions(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, tuple) and len(one) in (2, 3) and _are(lambda n: n > 0, one[:2])
        for one in value
    )


def _is_any(value: Any) -> bool:
    return True


_BETAS = Kind("two numbers from 0 to below 1, say '(0.9, 0.98)'", eval, _are_betas)
_EPS = Kind(
    "two numbers, say '(1e-30, 1e-3)'", eval, lambda value: _are(lambda n: n >= 0, value, 2)
)
_RATES = Kind(
    'a dict of learning rates, say \'{"1": 0.1, "2-5": 0.01}\'', ast.literal_eval, _are_rates
)
_CONVOLUTIONS = Kind(
    "convolutions (channels, width) with this `--arch`, say '[(512, 3)] * 4'",
    eval,
    _are_convolutions,
)
_PYTHON = Kind("Python, say 'True'", eval, _is_any)
KINDS = {
    **dict.fromkeys(("adam_betas", "adamax_betas", "lamb_betas"), _BETAS),
    "adafactor_eps": _EPS,
    **dict.fromkeys(("epoch2lr", "update2lr"), _RATES),
    "optimizer_overrides": Kind(
        "a dict of numbers, say '{\"lr\": 0.1}'", ast.literal_eval, _are_overrides
    ),
    "model_overrides": Kind(
        "a dict, say '{\"dropout\": 0.1}'",
        ast.literal_eval,
        lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value),
    ),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), _CONVOLUTIONS),
    "adaptive_softmax_cutoff": Kind(
        "whole numbers, say '1000,5000'",
        eval,
        lambda value: isinstance(value, int) or _are(lambda n: n == int(n), value),
    ),
    **dict.fromkeys(("encoder_xformers_att_config", "decoder_xformers_att_config"), _PYTHON),
    **dict.fromkeys(("encoder_attention", "decoder_attention", "self_attention"), _PYTHON),
    **dict.fromkeys(("project_input", "gated_attention", "downsample", "pretrained"), _PYTHON),
}


def problems_of_python(cfg: Any) -> list[str]:
    """Return a sentence for each such option, of any group, that fairseq would break at.

    Args:
        cfg: a task's options, in the whole configuration; where they stand alone, none is known.
    """
    whole = cfg._get_root() if isinstance(cfg, DictConfig) else None
    groups = (getattr(whole, group, None) for group in GROUPS)
    found = {name: why for group in groups for name, why in problems_in(group)}
    return [f"`--{name.replace('_', '-')}` must be {why}" for name, why in found.items()]


def problems_in(group: Any) -> list[tuple[str, str]]:
    """Return (name, what is wrong with it) for those in a ``group`` of options; it may be none."""
    given = {name: getattr(group, name, None) for name in KINDS}
    return [
        (name, f"{KINDS[name].rule}, but is {value!r}{why}; give such a value")
        for name, value in given.items()
        if isinstance(value, str | float | ListConfig)
        and (why := _problem(KINDS[name], value)) is not None
    ]


def _problem(kind: Kind, value: Any) -> str | None:
    """Return why ``value`` will not do, in brackets or without a word; None: it will."""
    try:
        found = kind.read(value) if isinstance(value, str) else value
        found = list(found) if isinstance(found, ListConfig) else found
    except Exception as error:  # the text may be anything
        return f" ({' '.join(str(error).split())})"
    return None if kind.fits(found) else ""
