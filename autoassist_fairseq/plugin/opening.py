"""What fairseq runs into when it opens ``DATA``, told in one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

from fairseq.data import data_utils

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.border import program


@contextlib.contextmanager
def opening_folder(data: str) -> Iterator[None]:
    """Raise `UserError` where ``data`` lacks dictionaries, or does not tell the languages."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            "`DATA` must be a folder made by fairseq-preprocess, with a dictionary for each "
            f"language, but {error.filename or error} was not found; give another folder."
        ) from error
    except OSError as error:
        raise _unreadable(error) from error
    except Exception as error:
        if "infer language pair" not in str(error):
            raise
        raise UserError(
            "`--source-lang` and `--target-lang` must be given where no file tells them (such "
            f"as train.de-en.de.idx), and there is none in {data}; give both, or another "
            "`DATA`."
        ) from error


@contextlib.contextmanager
def hyphens_in_tags() -> Iterator[None]:
    """Let fairseq, which cuts names at hyphens, tell languages such as zh-Hans by their files."""
    infer = data_utils.infer_language_pair
    data_utils.infer_language_pair = lambda folder: languages_of(Path(folder)) or infer(folder)
    try:
        yield
    finally:
        data_utils.infer_language_pair = infer


def languages_of(folder: Path) -> tuple[str, str] | None:
    """Return source and target of the splits in ``folder``; None if they are not of one pair."""
    tags = [file.name[len("dict.") : -len(".txt")] for file in folder.glob("dict.*.txt")]
    pairs = [(a, b) for a, b in permutations(tags, 2) if any(folder.glob(f"*.{a}-{b}.*"))]
    return pairs[0] if len(pairs) == 1 else None


@contextlib.contextmanager
def opening_split(split: str, languages: Sequence[str]) -> Iterator[None]:
    """Raise `UserError` where ``split`` is missing, cannot be read, or has uneven sides."""
    try:
        yield
    except FileNotFoundError as error:
        generates = program() == "generate"
        options = "`--gen-subset`" if generates else "`--train-subset` or `--valid-subset`"
        raise UserError(
            f"`DATA` must hold a {split} split for {'-'.join(languages)}, but there is none "
            f"({error}); run fairseq-preprocess for it, or name another with {options}."
        ) from error
    except OSError as error:
        raise _unreadable(error) from error
    except AssertionError as error:
        if "same number of examples" not in str(error):
            raise
        raise UserError(
            f"`DATA` must hold as many source as target sentences, but those of its {split} "
            "split differ; run fairseq-preprocess again on two files with as many lines, and "
            "without carriage returns within them, which it takes for ends of lines as well."
        ) from error


@contextlib.contextmanager
def batching(dataset: Any, max_tokens: int | None) -> Iterator[None]:
    """Raise `UserError` where a pair of ``dataset`` is longer than ``max_tokens``."""
    try:
        yield
    except AssertionError as error:
        if "should not exceed max_tokens" not in str(error):
            raise
        raise UserError(
            "`--max-tokens` (and `--max-tokens-valid`) must be at least as long as the longest "
            f"pair of every split that is used, which has {int(max(dataset.sizes.ravel()))} "
            f"tokens, but is {max_tokens}; raise it."
        ) from error


def _unreadable(error: OSError) -> UserError:
    """Return what to say of a file of ``DATA`` that is there, but cannot be read."""
    return UserError(
        f"`DATA` must be readable, but {error.filename or 'a file of it'} cannot be read "
        f"({error.strerror or error}); see to its rights and its disk, or give another folder."
    )
