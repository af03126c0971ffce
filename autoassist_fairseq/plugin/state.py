"""The Assistant's state in a checkpoint: what it fits, how it is stored, what may change.

Only plain types and tensors, so that torch loads it with ``weights_only=True``. Size: 8 bytes per
dictionary word, at most two windows of pairs at 4 bytes each (8 with weights), 4 bytes per pair for
policies that remember losses or, by worth, how hard pairs are, and 6 where hopeless pairs are
looked for: of all folders of DATA.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from autoassist_fairseq import __version__
from autoassist_fairseq.errors import ANEW, StateError
from autoassist_fairseq.schedule.folder import CORPUS
from autoassist_fairseq.schedule.identity import FORMAT
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.planner_state import convert
from autoassist_fairseq.settings import OPENING, Settings

logger = logging.getLogger(__name__)

# That of states which do not say their version.
FIRST_VERSION = "0.1.0"
# How long training is, which few policies go by; changing it is nothing special.
END = {"passes": "--max-epoch", "updates": "--max-update", "folders": "the folders of `DATA`"}
# What another version may have another default of, and what goes with some policies only.
METHOD = ("policy", "hopeless", "pace", "difficulty")
PACED = {"pace": OPENING, "difficulty": ("competence",)}


def checksum(state: Any) -> str:
    """Return a short name of nested plain values and tensors, to the last bit."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, state)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, dict):
        _feed(digest, list(value.items()))
    elif isinstance(value, list):
        digest.update(b"%d:" % len(value))
        for item in value:
            _feed(digest, list(item) if isinstance(item, tuple) else item)
    elif isinstance(value, torch.Tensor):
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.contiguous().numpy().data)
    else:
        digest.update(f"{value!r};".encode())


def save(planner: Planner, fits: dict[str, str], settings: Settings) -> dict[str, Any]:
    """Return the state of a ``planner`` at rest."""
    told = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()}
    state = convert(planner.state_dict(), np.ndarray, torch.from_numpy)
    whole = {"format": FORMAT, "version": __version__, "fits": fits, "settings": told, **state}
    return {**whole, "checksum": checksum(whole)}


def restore(
    planner: Planner, state: dict[str, Any], fits: dict[str, str], settings: Settings, sharded: bool
) -> None:
    """Bring ``planner`` to the ``state`` that `save` returned.

    With several data directories (``sharded``) the next pass is over another one, so that between
    passes only the dictionaries must be the same.

    Raises:
        StateError: the state is of another format, belongs to another corpus, or is damaged.
    """
    if state.get("format") != FORMAT:
        raise StateError(
            f"`--restore-file` must hold an Assistant of format {FORMAT} (autoassist_fairseq "
            f"{__version__}), but holds one of format {state.get('format')!r} "
            f"({state.get('version', FIRST_VERSION)}); go on with the version that wrote it, or "
            f"take only what the Boss has learned, with {ANEW}."
        )
    try:
        _check_whole(state)
        _check(state["fits"], fits, skip=CORPUS if sharded and state["pass"] is None else "")
        _tell_changes(state["settings"], settings)
        planner.load_state_dict(convert(state, torch.Tensor, lambda tensor: tensor.numpy()))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise StateError(
            f"`--restore-file` must hold a whole Assistant, but its state is damaged "
            f"({type(error).__name__}: {error}); take another checkpoint, or go on without it with "
            "`--reset-dataloader`."
        ) from error
    if planner.failed:
        logger.warning(
            f"autoassist: the Assistant failed earlier in this run ({planner.failed}), so every "
            "pair is kept; start it anew with `--reset-dataloader`"
        )


def begin_afresh(stock: Any) -> None:
    """Have fairseq's own iterator begin an epoch at its first batch that was planned when saved."""
    load = stock.load_state_dict

    def loaded(saved: dict[str, Any]) -> None:
        if planned := saved.get("autoassist"):
            before = options_of(planned.get("settings", {}))
            logger.warning(
                "autoassist: the Assistant of this checkpoint is left behind, and epoch "
                f"{saved['epoch']} begins with fairseq's first batch; to go on as before, give "
                f"`{before}`"
            )
            saved = {**saved, "iterations_in_epoch": 0}
        load(saved)

    stock.load_state_dict = loaded


def _check_whole(state: dict[str, Any]) -> None:
    rest = {name: value for name, value in state.items() if name != "checksum"}
    if checksum(rest) != state["checksum"]:
        raise ValueError("its checksum does not fit")


def _check(saved: dict[str, str], here: dict[str, str], skip: str) -> None:
    differ = [name for name in here if name != skip and saved[name] != here[name]]
    if differ:
        raise StateError(
            f"`--restore-file` must belong to this data, but its {' and '.join(differ)} "
            f"{'differ' if len(differ) > 1 else 'differs'} from `DATA` (or the length limits "
            f"do); give the data that it was trained on, or begin on this one with {ANEW}."
        )


def _tell_changes(saved: dict[str, Any], settings: Settings) -> None:
    """Log what changed; a setting that the version which saved did not have was its default."""
    saved = asdict(Settings()) | saved
    idle = [name for name, policies in PACED.items() if settings.policy not in policies]
    for name, now in asdict(settings).items():
        if name in idle:
            continue
        before = tuple(saved[name]) if isinstance(now, tuple) else saved[name]
        option = {"seed": "--seed", **END}.get(name, f"--autoassist-{name.replace('_', '-')}")
        if before != now and (name not in END or settings.paced):
            logger.info(f"autoassist: {option} changed from {before} to {now} on resume")
    method = [name for name in METHOD if name not in idle or saved["policy"] in PACED[name]]
    if any(saved[name] != getattr(settings, name) for name in method):
        logger.info(f"autoassist: to go on as before, give `{options_of(saved, method)}`")


def options_of(saved: dict[str, Any], names: Iterable[str] = METHOD) -> str:
    """Return the options of a run whose settings were ``saved`` in its state."""
    return " ".join(f"--autoassist-{name} {saved[name]}" for name in names if name in saved)
