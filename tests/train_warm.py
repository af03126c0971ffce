"""What `train_server` does once instead of in every run: Hydra's reading of flags, and the plug-in.

Hydra's reading of fairseq's 280 settings is a quarter of what a run of one epoch takes; nearly all
of them are the same in every run.
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Callable
from typing import IO, Any

import fairseq.dataclass.utils as conversion
import fairseq.options
import torch
from fairseq.utils import import_user_module
from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ValueNode

# Every common choice of groups: Hydra reads those of others as ever.
COMMON = ("--arch", "transformer_tiny", "--optimizer", "adam", "--lr", "0.1")
slow_getattr = DictConfig.__getattr__
_read: dict[Any, tuple[list[str], Any]] = {}


def quick_compose(name: str, overrides: list[str], **more: Any) -> Any:
    """Do as Hydra's ``compose`` does; what it read before, with all but the values that changed."""
    flags = [word.partition("=")[0] for word in overrides]
    asked = zip(flags, overrides, strict=True)
    key = name, tuple(flag if "." in flag else word for flag, word in asked)  # groups, and settings
    if key not in _read:
        _read[key] = overrides, compose(name, overrides, **more)
    before, config = _read[key][0], copy.deepcopy(_read[key][1])
    changed = [now for now, then in zip(overrides, before, strict=True) if now != then]
    try:
        parsed = OverridesParser.create().parse_overrides(changed)
        ConfigLoaderImpl._apply_overrides_to_config(parsed, config)
    except Exception:
        return compose(name, overrides, **more)  # in its own words
    return config


def quick_getattr(config: DictConfig, key: str) -> Any:
    """Look a setting up as OmegaConf does, a number at once: an update asks for sixty."""
    content = config.__dict__["_content"]
    node = content.get(key) if isinstance(content, dict) else None
    value = node.__dict__["_val"] if isinstance(node, ValueNode) else None
    return value if isinstance(value, bool | int | float) else slow_getattr(config, key)


def warm_up(*task: str) -> None:
    """Read the common flags, with ``task``, and have them read quickly from now on."""
    conversion.compose = quick_compose
    DictConfig.__getattr__ = quick_getattr
    # No GPU will be seen, and each seed would be kept for three kinds, with where it was set.
    torch.manual_seed = lambda seed: torch.default_generator.manual_seed(int(seed))
    for loss in ("cross_entropy", "label_smoothed_cross_entropy"):
        flags = ["none", *COMMON, "--criterion", loss, *task]
        parser = fairseq.options.get_training_parser()
        namespace = fairseq.options.parse_args_and_arch(parser, flags)
        conversion.convert_namespace_to_omegaconf(namespace)


class PlugIn:
    """A fork of the server that has the plug-in imported, made for the first job that needs it."""

    def __init__(self, serve: Callable[[], None]) -> None:
        self._serve = serve
        self._ends: tuple[IO[str], IO[str]] | None = None

    def do(self, job: str, user_dir: str) -> str:
        """Have it do a ``job``, a line; returns its reply."""
        jobs, replies = self._ends = self._ends or self._fork(user_dir)
        jobs.write(job)
        jobs.flush()
        return replies.readline().strip()

    def _fork(self, user_dir: str) -> tuple[IO[str], IO[str]]:
        (jobs, for_us), (for_it, replies) = os.pipe(), os.pipe()
        if os.fork() == 0:
            os.close(for_us)  # else its jobs would never end
            os.dup2(jobs, 0)
            os.dup2(replies, 1)
            import_user_module(argparse.Namespace(user_dir=user_dir))
            warm_up("--task", "autoassist_translation")
            self._serve()
            os._exit(0)
        os.close(jobs)
        os.close(replies)
        return os.fdopen(for_us, "w"), os.fdopen(for_it)
