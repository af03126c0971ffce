"""What the demo trains, and what a smoke test of it trains instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.demo_corpus.build import SIZES

#: Names of the arms, and the only flag in which they differ.
ARMS = {"SGD": "off", "AutoAssist": "shrink"}


@dataclass(frozen=True)
class Model:
    """A Transformer's size (layers per side, units) and its learning-rate peak."""

    layers: int
    width: int
    inner: int
    heads: int = 4
    lr: float = 3e-3
    warmup_updates: int = 300


@dataclass(frozen=True)
class DemoSettings:
    """One demo; the defaults take about five minutes on two cores.

    Attributes:
        out: folder for everything that the demo makes.
        seed: of the corpus and of the training.
        epochs: passes of each arm.
        pairs: pairs of each split.
        vocab_size: joint subwords.
        max_tokens: per batch, as fairseq counts them.
        model: the Boss.
        threads: of each training.
    """

    out: Path
    seed: int = 1
    epochs: int = 6
    pairs: Mapping[str, int] = field(default_factory=lambda: dict(SIZES))
    vocab_size: int = 2_000
    max_tokens: int = 2_048
    model: Model = Model(layers=2, width=128, inner=512)
    threads: int = 1

    def arm(self, name: str) -> Path:
        """The folder of an arm."""
        return self.out / name.lower()

    @property
    def corpus(self) -> Path:
        """The folder of the raw text."""
        return self.out / "corpus"

    @property
    def data(self) -> Path:
        """The folder of the prepared data."""
        return self.out / "data"


def demo_settings(out: Path, seed: int, epochs: int | None, *, fast: bool) -> DemoSettings:
    """The settings for the command line's options.

    Raises:
        UserError: an option is out of range.
    """
    problems = [
        f"`{option}` must be at least {least}, but is {value}"
        for option, value, least in (("--epochs", epochs, 2), ("--seed", seed, 0))
        if value is not None and value < least
    ]
    if problems:
        raise UserError("; ".join(problems) + ".")
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    full = DemoSettings(out, threads=threads or 1)
    if not fast:
        return DemoSettings(out, seed, epochs or full.epochs, threads=full.threads)
    return DemoSettings(
        out,
        seed,
        epochs or 3,
        pairs={"train": 2_000, "valid": 50, "test": 50},
        vocab_size=600,
        model=Model(layers=1, width=32, inner=64, warmup_updates=20),
        # More threads than work to share only wait for each other.
        threads=1,
    )


def train_flags(settings: DemoSettings, policy: str) -> list[str]:
    """The flags of ``fairseq-train``, the same for every arm but for ``policy``."""
    model = settings.model
    size = [
        flag
        for side in ("encoder", "decoder")
        for flag in (
            *(f"--{side}-layers", str(model.layers)),
            *(f"--{side}-embed-dim", str(model.width)),
            *(f"--{side}-ffn-embed-dim", str(model.inner)),
            *(f"--{side}-attention-heads", str(model.heads)),
        )
    ]
    return [
        *("--task", "autoassist_translation", "--autoassist-policy", policy),
        *("--source-lang", "en", "--target-lang", "de"),
        *("--arch", "transformer", *size, "--share-all-embeddings", "--dropout", "0.1"),
        *("--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"),
        *("--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0"),
        *("--lr", str(model.lr), "--lr-scheduler", "inverse_sqrt"),
        *("--warmup-updates", str(model.warmup_updates), "--warmup-init-lr", "1e-7"),
        *("--max-tokens", str(settings.max_tokens), "--seed", str(settings.seed)),
        *("--max-epoch", str(settings.epochs), "--keep-last-epochs", "1"),
        *("--num-workers", "0", "--cpu", "--log-format", "json", "--log-interval", "5"),
    ]
