"""Checks of the binarised files before fairseq opens them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError


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


def _files(folder: Path, split: str, source: str, target: str, language: str) -> list[Path]:
    """Return the files of one side, whatever ``--dataset-impl`` made them."""
    names = (f"{split}.{one}-{two}.{language}" for one, two in ((source, target), (target, source)))
    paths = [path for name in names for path in (folder / name, folder / f"{name}.bin")]
    return [path for path in paths if path.is_file()]
