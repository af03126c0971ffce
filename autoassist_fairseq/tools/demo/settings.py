"""What the demo trains, and what a smoke test of it trains instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.steps import strange
from autoassist_fairseq.tools.demo_corpus.build import SIZES

#: Names of the arms, and all in which they differ, as ``autoassist compare --arm`` takes them.
ARMS = {
    "SGD": "uniform",
    "AutoAssist": "uniform --autoassist-hopeless cut",
    "chance": "random --autoassist-rate {AutoAssist}",
}
#: The shares of the training pairs that are made wrong, by kind, as ``autoassist noise`` does.
NOISE = {"shuffle": 0.2, "half": 0.1}

#: The folder of the raw text, and the step that makes it, which is the first.
CORPUS = "corpus"


@dataclass(frozen=True)
class Model:
    """A Transformer's size (layers per side, units) and its learning-rate peak."""

    layers: int
    width: int
    inner: int
    lr: float = 3e-3
    warmup_updates: int = 300


@dataclass(frozen=True)
class DemoSettings:
    """One demo.

    Attributes:
        out: folder for everything that the demo makes.
        seed: of the corpus and of the training.
        passes: of each arm.
        pairs: pairs of each split.
        vocab_size: joint subwords.
        max_tokens: per batch, as fairseq counts them.
        model: the Boss.
        cores: of this machine.
    """

    out: Path
    seed: int = 1
    passes: int = 6
    pairs: Mapping[str, int] = field(default_factory=lambda: dict(SIZES))
    vocab_size: int = 2_000
    max_tokens: int = 2_048
    model: Model = Model(layers=2, width=128, inner=512)
    cores: int = 1

    @property
    def corpus(self) -> Path:
        """The folder of the raw text."""
        return self.out / CORPUS

    @property
    def noise(self) -> Path:
        """The folder of the training pairs after some were made wrong."""
        return self.out / "noise"

    @property
    def data(self) -> Path:
        """The folder of the prepared data."""
        return self.out / "data"

    @property
    def runs(self) -> Path:
        """The folder of the arms' runs and of the report."""
        return self.out / "runs"


def demo_settings(out: Path, seed: int, passes: int | None, *, fast: bool) -> DemoSettings:
    """The settings for the command line's options.

    Raises:
        UserError: an option is out of range, or ``out`` holds files of others.
    """
    problems = [
        f"`{option}` must be at least {least}, but is {value}"
        for option, value, least in (("--passes", passes, 2), ("--seed", seed, 0))
        if value is not None and value < least
    ]
    problems += strange(out, CORPUS)
    if problems:
        raise UserError("; ".join(problems) + ".")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    full = DemoSettings(out, seed, passes or DemoSettings.passes, cores=cores or 1)
    if not fast:
        return full
    return DemoSettings(
        out,
        seed,
        passes or 3,
        pairs={"train": 2_000, "valid": 50, "test": 50},
        vocab_size=600,
        model=Model(layers=1, width=32, inner=64, warmup_updates=20),
        cores=full.cores,
    )
