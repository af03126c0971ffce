"""From raw files to clean text: the training split loses bad pairs, the others lose nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.cleaning import (
    RULES,
    Cleaned,
    CleaningRules,
    CleanPair,
    clean_block,
    normalise,
)
from autoassist_fairseq.tools.dataprep.duplicates import DuplicateFinder
from autoassist_fairseq.tools.dataprep.files import staged
from autoassist_fairseq.tools.dataprep.parallel import blocks, ordered_map
from autoassist_fairseq.tools.dataprep.progress import progress
from autoassist_fairseq.tools.dataprep.reading import RawPair, read_pairs

Paths = tuple[Path, Path]
Pairs = Iterable[tuple[str, str]]


def clean_training_text(
    raw: Paths, clean: Paths, rules: CleaningRules, *, skip_undecodable: bool, workers: int
) -> dict[str, int]:
    """Write the pairs of ``raw`` that keep ``rules`` to ``clean``; returns all counts.

    Raises:
        UserError: see `read_pairs`; or no pair is left.
    """
    removed: Counter[str] = Counter(dict.fromkeys(RULES, 0))
    with tempfile.TemporaryDirectory(dir=_made(clean[0].parent), prefix="clean-") as folder:
        unique = Path(folder)
        draft = (unique / "source", unique / "target")
        with DuplicateFinder(unique / "hashes") as finder:
            cleaned = _cleaned(raw, rules, skip_undecodable, workers)
            kept = _write(_registered(cleaned, finder, removed), draft)
            if not kept:
                raise UserError(
                    f"{raw[0]} and {raw[1]} must hold a usable pair, but all were removed: "
                    f"{_listed(removed)}; check the files and the limits."
                )
            drop = rules.drop_duplicates
            pairs = _without_repeats(draft, finder, removed) if drop else _read(draft)
            kept = _write(pairs, clean)
    return {"in": kept + removed.total(), **{rule: removed[rule] for rule in RULES}, "out": kept}


def copy_held_out_text(raw: Paths, clean: Paths) -> dict[str, int]:
    """Write validation or test text with white space normalised, and nothing else changed.

    Raises:
        UserError: see `read_pairs`; or a side is empty: to leave it out would change the task.
    """
    count = _write(_whole(raw), clean)
    if not count:
        raise UserError(f"A split must hold a pair, but {raw[0]} is empty; give a filled file.")
    return {"in": count, "out": count}


def _whole(raw: Paths) -> Iterator[CleanPair]:
    for line, source, target in read_pairs(*raw, skip_undecodable=False):
        pair = CleanPair(normalise(source or ""), normalise(target or ""))
        if not all(pair):
            raise UserError(
                "Validation and test text must have no empty side, but line "
                f"{line:,} of {raw[0] if pair.target else raw[1]} has; mend it or remove the pair."
            )
        yield pair


def _cleaned(
    raw: Paths, rules: CleaningRules, skip_undecodable: bool, workers: int
) -> Iterator[Cleaned]:
    pairs: Iterator[RawPair] = read_pairs(*raw, skip_undecodable=skip_undecodable)
    return ordered_map(partial(clean_block, rules=rules), blocks(pairs), workers)


def _registered(
    cleaned: Iterable[Cleaned], finder: DuplicateFinder, removed: Counter[str]
) -> Iterator[CleanPair]:
    for block in cleaned:
        finder.add(block.hashes)
        removed.update(block.removed)
        yield from block.pairs


def _without_repeats(
    draft: Paths, finder: DuplicateFinder, removed: Counter[str]
) -> Iterator[tuple[str, str]]:
    repeated = (bool(mark) for block in finder.repeated() for mark in block)
    for pair, again in zip(_read(draft), repeated, strict=True):
        removed["duplicate"] += again
        if not again:
            yield pair


def _read(paths: Paths) -> Iterator[tuple[str, str]]:
    with ExitStack() as stack:
        source, target = (
            stack.enter_context(path.open(encoding="utf-8", newline="\n")) for path in paths
        )
        for source_line, target_line in zip(source, target, strict=True):
            yield source_line.rstrip("\n"), target_line.rstrip("\n")


def _write(pairs: Pairs, paths: Paths) -> int:
    count = 0
    with _pair_files(paths) as (source, target):
        for pair in progress(pairs, paths[0].stem):
            source.write(f"{pair[0]}\n")
            target.write(f"{pair[1]}\n")
            count += 1
    return count


@contextmanager
def _pair_files(paths: Paths) -> Iterator[tuple[TextIO, TextIO]]:
    with ExitStack() as stack:
        parts = [stack.enter_context(staged(path)) for path in paths]
        source, target = (
            stack.enter_context(part.open("w", encoding="utf-8", newline="\n")) for part in parts
        )
        yield source, target


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _listed(removed: Counter[str]) -> str:
    return ", ".join(f"{rule} {count:,}" for rule, count in removed.items() if count) or "no pairs"
