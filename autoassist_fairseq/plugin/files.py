"""Checks of the data before fairseq opens it, or before the first update."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairseq.data import LanguagePairDataset

from autoassist_fairseq.errors import UserError


def check_folders(folders: Sequence[str]) -> None:
    """Raise `UserError` for a folder that is not there: fairseq's own checks look at the first."""
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(
                "`DATA` must be a folder made by fairseq-preprocess (several with `:` between "
                f"them), but {folder} is none; give another folder."
            )


def check_train_files(folders: Sequence[str], split: str, source: str, target: str) -> None:
    """Check that every folder holds both sides of the train split, and that none is empty.

    All folders are checked at once: fairseq would open the second one when the first epoch is over.

    Raises:
        UserError: names the folder and what it lacks.
    """
    for folder in folders:
        for language in (source, target):
            files = _files(Path(folder), split, source, target, language)
            if not files:
                raise UserError(
                    f"`DATA` must hold a {split} split for {source}-{target} with both sides, but "
                    f"{folder} has no {split}.{source}-{target}.{language}; run "
                    "fairseq-preprocess with `--trainpref`, or name another with `--train-subset`."
                )
            empty = [file for file in files if not file.stat().st_size]
            if empty:
                raise UserError(
                    f"`DATA` must hold a {split} split with at least one pair, but {empty[0]} is "
                    "empty; run fairseq-preprocess again on files with text."
                )


def check_kind(
    folders: Sequence[str], split: str, source: str, target: str, impl: str | None
) -> None:
    """Raise `UserError` where a split is there, but as text for a reader of others, or not."""
    for folder in folders:
        files = _files(Path(folder), split, source, target, source)
        if files and all((file.suffix == ".bin") == (impl == "raw") for file in files):
            raise UserError(
                "`--dataset-impl` must be raw for files of text, and for no others, but is "
                f"{impl or 'left out'} for {files[0]}; give the one that made it."
            )


def _files(folder: Path, split: str, source: str, target: str, language: str) -> list[Path]:
    """Return the files of one side, whatever ``--dataset-impl`` made them."""
    names = (f"{split}.{one}-{two}.{language}" for one, two in ((source, target), (target, source)))
    paths = [path for name in names for path in (folder / name, folder / f"{name}.bin")]
    return [path for path in paths if path.is_file()]


def check_lengths(
    split: str,
    dataset: LanguagePairDataset,
    positions: tuple[int, int] | None,
    max_tokens: int | None,
) -> None:
    """Check that validation can take every pair of ``split``.

    Raises:
        UserError: names the option that is too small.
    """
    longest = [int(max(sizes, default=0)) for sizes in (dataset.src_sizes, dataset.tgt_sizes)]
    way_out = "raise it, or leave such pairs out with `--skip-invalid-size-inputs-valid-test`."
    if max_tokens and max(longest) > max_tokens:
        raise UserError(
            "`--max-tokens-valid` must be at least as long as the longest pair of every validation "
            f"split, which in {split} has {max(longest)} tokens, but is {max_tokens}; {way_out}"
        )
    for side, length, limit in zip(("source", "target"), longest, positions or (), strict=False):
        if length > limit:
            raise UserError(
                f"`--max-{side}-positions` must admit every validation pair, the longest of which "
                f"in {split} has {length} {side} tokens, but is {limit}; {way_out}"
            )
