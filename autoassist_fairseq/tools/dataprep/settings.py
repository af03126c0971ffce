"""Everything that a preparation depends on, checked once before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.cleaning import CleaningRules
from autoassist_fairseq.tools.dataprep.steps import STAMPS
from autoassist_fairseq.tools.dataprep.subwords import KINDS, LEAST_PIECES


@dataclass(frozen=True)
class PrepSettings:
    """How to make a binarised corpus.

    Attributes:
        languages: source and target, as fairseq names them.
        splits: for each of train, valid and test, the files of source and target.
        out: the folder to fill.
        rules: limits for training pairs; validation and test lose nothing.
        skip_undecodable: leave out (and count) training pairs that are not UTF-8.
        subwords: kind of sentencepiece model, one of `KINDS`.
        vocab_size: pieces of the joint model.
        split_digits: make every digit a piece of its own.
        subword_sample: most lines per language from which the model is learned.
        seed: chooses that sample.
        workers: processes and threads; changes nothing in the result.
    """

    languages: tuple[str, str]
    splits: Mapping[str, tuple[Path, Path]]
    out: Path
    rules: CleaningRules = field(default_factory=CleaningRules)
    skip_undecodable: bool = False
    subwords: str = "bpe"
    vocab_size: int = 8_000
    split_digits: bool = False
    subword_sample: int = 2_000_000
    seed: int = 1
    workers: int = 1

    @property
    def binarised(self) -> Path:
        """The folder to give to ``fairseq-train``."""
        return self.out / "bin"

    @property
    def model(self) -> Path:
        """The sentencepiece model."""
        return self.out / "subwords" / "joint.model"

    @property
    def dictionary(self) -> Path:
        """The joined dictionary, in fairseq's format."""
        return self.out / "subwords" / "dict.txt"

    def text(self, split: str) -> tuple[Path, Path]:
        """The clean text of a split."""
        return self._pair("text", split)

    def pieces(self, split: str) -> tuple[Path, Path]:
        """The subwords of a split."""
        return self._pair("pieces", split)

    def _pair(self, folder: str, split: str) -> tuple[Path, Path]:
        source, target = (self.out / folder / f"{split}.{name}" for name in self.languages)
        return source, target


def check(settings: PrepSettings) -> None:
    """Check all settings at once.

    Raises:
        UserError: one sentence that lists every problem.
    """
    problems = [*_option_problems(settings), *_file_problems(settings)]
    if problems:
        raise UserError("; ".join(problems) + ".")


def _option_problems(settings: PrepSettings) -> list[str]:
    rules = settings.rules
    limits = (
        ("--vocab-size", settings.vocab_size, LEAST_PIECES),
        ("--max-words", rules.max_words, 1),
        ("--max-ratio", rules.max_ratio, 1),
        ("--workers", settings.workers, 1),
        ("--seed", settings.seed, 0),
        ("--subword-sample", settings.subword_sample, 1),
    )
    problems = [
        f"`{option}` must be at least {least}, but is {value}"
        for option, value, least in limits
        if not value >= least
    ]
    if settings.subwords not in KINDS:
        names = " or ".join(KINDS)
        problems.append(f"`--subwords` must be {names}, but is {settings.subwords!r}")
    return problems


def _file_problems(settings: PrepSettings) -> list[str]:
    files = [file for pair in settings.splits.values() for file in pair]
    missing = [str(file) for file in files if not file.is_file()]
    problems = [f"Input files must exist, but there is no {', no '.join(missing)}"] * bool(missing)
    out = settings.out
    if out.exists() and not out.is_dir():
        problems.append(f"`--out` must be a folder, but {out} is a file")
    elif out.is_dir() and not (out / STAMPS).is_dir() and any(out.iterdir()):
        problems.append(
            f"`--out` must be new, empty or an earlier result, but {out} holds other files; choose "
            "another folder"
        )
    return problems
