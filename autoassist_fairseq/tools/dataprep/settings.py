"""Everything that a preparation depends on, checked once before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import Paths, not_files
from autoassist_fairseq.tools.dataprep.cleaning import Cleaning, CleaningRules
from autoassist_fairseq.tools.dataprep.language_id import language_problems
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.dataprep.steps import strange
from autoassist_fairseq.tools.dataprep.subwords import LEAST_PIECES
from autoassist_fairseq.tools.dataprep.tokens import MosesTokeniser

#: ``raw``: sentencepiece on text as it is; ``moses``: Moses' tokens, cut by subword-nmt.
TRACKS = ("raw", "moses")
_LANGUAGE = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
#: Folder of the training text before wrong pairs are dropped from it, and of these.
CLEANED = "cleaned"
#: All folders that hold what a preparation makes.
FOLDERS = ("text", "tokens", "pieces", "subwords", CLEANED, "bin")
#: All that there are, in the order in which fairseq gets them.
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class PrepSettings:
    """How to make a binarised corpus.

    Attributes:
        languages: source and target, as fairseq names them.
        sources: for train, valid and test, pairs of files; those of a split are joined.
        out: the folder to fill.
        rules: limits for training pairs; validation and test lose nothing.
        skip_undecodable: leave out (and count) training pairs that are not UTF-8.
        valid_every: take every so manieth clean training pair for validation; 0: none.
        drop_wrong_pairs: leave out training pairs that are no translations.
        sure: how likely that must be, in [0, 1).
        track: one of `TRACKS`.
        lowercase: fold case; Moses track.
        split_hyphens: cut words at hyphens; Moses track.
        subwords: kind of sentencepiece model, one of `subwords.KINDS`; raw track.
        normalisation: sentencepiece's rule for characters, one of its `NORMALISATIONS`; raw track.
        vocab_size: pieces of the joint model (raw track), or its merges (Moses track).
        split_digits: make every digit a piece of its own; raw track.
        character_coverage: share of all characters that the model can spell; raw track.
        workers: processes and threads; changes nothing in the result.
    """

    languages: tuple[str, str]
    sources: Mapping[str, tuple[Source, ...]]
    out: Path
    rules: CleaningRules = field(default_factory=CleaningRules)
    skip_undecodable: bool = False
    valid_every: int = 0
    drop_wrong_pairs: bool = False
    sure: float = 0.5
    track: str = "raw"
    lowercase: bool = False
    split_hyphens: bool = False
    subwords: str = "bpe"
    normalisation: str = "identity"
    vocab_size: int = 8_000
    split_digits: bool = False
    character_coverage: float = 1.0
    workers: int = 1

    @property
    def moses(self) -> bool:
        """Whether words are cut as Moses does."""
        return self.track == "moses"

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the result."""
        made = {*self.sources, *(["valid"] if self.valid_every else [])}
        return tuple(split for split in SPLITS if split in made)

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read."""
        return tuple(file for split in self.sources.values() for one in split for file in one.files)

    @property
    def binarised(self) -> Path:
        """The folder to give to ``fairseq-train``."""
        return self.out / "bin"

    @property
    def model(self) -> Path:
        """The sentencepiece model, or the codes of subword-nmt."""
        return self.out / "subwords" / ("joint.codes" if self.moses else "joint.model")

    @property
    def dictionary(self) -> Path:
        """The joined dictionary, in fairseq's format."""
        return self.out / "subwords" / "dict.txt"

    @property
    def tokeniser(self) -> MosesTokeniser | None:
        """What cuts words, if they are cut."""
        if not self.moses:
            return None
        return MosesTokeniser(self.languages, self.lowercase, self.split_hyphens)

    @property
    def cleaning(self) -> Cleaning:
        """How text is cleaned."""
        return Cleaning(
            self.rules,
            self.tokeniser,
            self.normalisation,
            self.skip_undecodable,
            self.valid_every,
            self.workers,
        )

    def columns(self, split: str) -> tuple[Path, ...]:
        """All that the text step of a split writes; see `columns_of`."""
        text = self._pair("text", split)
        return (*text, *self._pair("tokens", split)) if self.moses else text

    @property
    def cleaned(self) -> tuple[Path, ...]:
        """The columns of the training split before wrong pairs are dropped, if they are."""
        if not self.drop_wrong_pairs:
            return self.columns("train")
        text, tokens = (self._pair(f"{CLEANED}/{kind}", "train") for kind in ("text", "tokens"))
        return (*text, *tokens) if self.moses else text

    @property
    def dropped(self) -> Path:
        """The list of the wrong pairs."""
        return self.out / CLEANED / "dropped.tsv"

    def words(self, split: str) -> Paths:
        """The files of a split that are cut into subwords."""
        return self._pair("tokens" if self.moses else "text", split)

    def pieces(self, split: str) -> Paths:
        """The subwords of a split."""
        return self._pair("pieces", split)

    def _pair(self, folder: str, split: str) -> Paths:
        source, target = (self.out / folder / f"{split}.{name}" for name in self.languages)
        return source, target


def check(settings: PrepSettings, more: Sequence[str] = ()) -> None:
    """Check all settings at once, but not whether the files are there.

    Raises:
        UserError: one sentence that lists every problem, and ``more`` of them.
    """
    problems = [
        *_range_problems(settings),
        *_choice_problems(settings),
        *_split_problems(settings),
        *_out_problems(settings.out),
        *_input_problems(settings),
        *more,
    ]
    if problems:
        raise UserError("; ".join(problems) + ".")


def missing_files(settings: PrepSettings) -> list[str]:
    """What to say of files that are not there, if any."""
    told = not_files(settings.files)
    return [f"Input must be files that can be read more than once, but {told}"] * bool(told)


def _range_problems(settings: PrepSettings) -> list[str]:
    rules = settings.rules
    limits = (
        ("--vocab-size", settings.vocab_size, 1 if settings.moses else LEAST_PIECES),
        ("--max-words", rules.max_words, 1),
        ("--max-ratio", rules.max_ratio, 1),
        ("--workers", settings.workers, 1),
        ("--valid-every", settings.valid_every or 2, 2),
    )
    problems = [
        f"`{option}` must be at least {least}, but is {value}"
        for option, value, least in limits
        if not value >= least
    ]
    if not 0.98 <= settings.character_coverage <= 1:
        share = settings.character_coverage
        problems.append(f"`--character-coverage` must be in [0.98, 1], but is {share}")
    if not 0 <= settings.sure < 1:
        problems.append(f"`--sure` must be in [0, 1), but is {settings.sure}")
    return problems


def _choice_problems(settings: PrepSettings) -> list[str]:
    problems = []
    for option, asked in (
        ("--lowercase", settings.lowercase),
        ("--split-hyphens", settings.split_hyphens),
    ):
        if asked and not settings.moses:
            problems.append(f"`{option}` needs `--track moses`, but the track is {settings.track}")
    if settings.moses and settings.normalisation != "identity":
        problems.append("`--normalisation` needs `--track raw`, but the track is moses")
    rules = settings.rules
    if rules.drop_near_duplicates and not rules.drop_duplicates:
        problems.append("`--near-duplicates` drops duplicates too, but `--keep-duplicates` is set")
    source, target = settings.languages
    if source == target:
        problems.append(f"Source and target language must differ, but both are {source!r}")
    problems += [
        f"A language must be of letters, digits, `-` and `_` (it names files), but is {name!r}"
        for name in settings.languages
        if not _LANGUAGE.fullmatch(name)
    ]
    return problems + language_problems(rules.languages or ())


def _split_problems(settings: PrepSettings) -> list[str]:
    if settings.valid_every and "valid" in settings.sources:
        return ["Validation text must come from files or by `--valid-every`, but both are given"]
    if "valid" not in settings.splits:
        return ["fairseq-train needs validation text: give files of it or `--valid-every`"]
    return []


def _out_problems(out: Path) -> list[str]:
    if set(",:") & set(str(out)):
        return [
            f"`--out` must be without `,` and `:`, at which fairseq splits names, but is {out}; "
            "choose another folder"
        ]
    if out.exists() and not out.is_dir():
        return [f"`--out` must be a folder, but {out} is a file"]
    return strange(out)


def _input_problems(settings: PrepSettings) -> list[str]:
    filled = {(settings.out / name).resolve() for name in FOLDERS}
    inside = [str(file) for file in settings.files if filled & {*file.resolve().parents}]
    return [
        f"Input must not lie in a folder that `--out` fills, but {file} does; move it"
        for file in inside
    ]
