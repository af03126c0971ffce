"""From raw files to clean text: the training split loses bad pairs, the others lose nothing.

The columns of the text are source and target, and in the Moses-tokenised track their tokens.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.progress import bar, progress, say
from autoassist_fairseq.tools.dataprep.cleaning import (
    RULES,
    Cleaned,
    Cleaning,
    clean_block,
    columns_of,
    is_empty,
)
from autoassist_fairseq.tools.dataprep.columns import (
    Columns,
    Row,
    column_files,
    read_columns,
    write_columns,
    write_row,
    write_rows,
)
from autoassist_fairseq.tools.dataprep.duplicates import repeated
from autoassist_fairseq.tools.dataprep.parallel import ordered_map
from autoassist_fairseq.tools.dataprep.reading import (
    RawBlock,
    Source,
    count_pairs,
    decoded,
    named_lines,
    read_blocks,
)


@dataclass
class _Account:
    """What became of the pairs of one source."""

    kept: int = 0
    removed: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        removed = {rule: self.removed[rule] for rule in RULES}
        return {"in": self.kept + self.removed.total(), **removed, "out": self.kept}


_Accounts = Mapping[str, _Account]


def clean_training_text(
    sources: Sequence[Source],
    clean: Columns,
    how: Cleaning,
    valid: Columns = (),
    scratch: Path | None = None,
) -> dict[str, Any]:
    """Write the good pairs of ``sources`` to ``clean``, and every so manieth to ``valid`` instead.

    A draft as large as the text lies in ``scratch`` meanwhile (None: the system's folder).

    Returns:
        Pairs in, removed by each rule, and out; of all sources, and of each under its name.

    Raises:
        UserError: see `read_blocks`; or no pair is left, to train or to validate on.
    """
    accounts = {source.name: _Account() for source in sources}
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        draft = [Path(name) / str(column) for column, _ in enumerate(clean)]
        hashes = {rule: array("Q") for rule in how.rules.hashes}
        with column_files(draft) as files:
            write_rows(_registered(_cleaned(sources, how), hashes, accounts), files)
        _check_rest(sources, accounts)
        again = {rule: repeated(of_rule) for rule, of_rule in hashes.items()}
        rows = _without_repeats(draft, again, accounts)
        with column_files(valid) as files:
            rows = _held_back(rows, how.valid_every, files)
            cleaned = sum(account.kept for account in accounts.values())
            kept = write_columns(rows, clean, "dropping duplicates", cleaned)
    _warn(sources, accounts)
    return _counts(accounts, kept)


def copy_held_out_text(sources: Sequence[Source], clean: Columns, how: Cleaning) -> dict[str, int]:
    """Write validation or test text with white space normalised, and nothing else changed.

    Raises:
        UserError: see `read_blocks`; or sides are empty: to leave them out would change the task.
    """
    empty: dict[Path, list[int]] = {}
    with column_files(clean) as files:
        rows = chain.from_iterable(_whole(source, how, empty) for source in sources)
        count = write_rows(progress(rows, clean[0].stem, total=count_pairs(sources)), files)
        if empty:
            raise UserError(
                "Validation and test text must have no empty side, but it is empty in "
                f"{named_lines(empty)}; mend them, or remove the pairs from both files."
            )
    if not count:
        raise UserError(
            f"A split must hold a pair, but {sources[0].files[0]} is empty; give a filled file."
        )
    return {"in": count, "out": count}


def _whole(source: Source, how: Cleaning, empty: dict[Path, list[int]]) -> Iterator[Row]:
    for block in read_blocks(source):
        for pair in decoded(block, skip_undecodable=False):
            row = columns_of(pair.source or "", pair.target or "", how.tokenise)
            for file, cell in zip(source.files, row[-2:], strict=True):
                if is_empty(cell, how.normalisation):
                    empty.setdefault(file, []).append(pair.line)
            yield row


def _warn(sources: Sequence[Source], accounts: _Accounts) -> None:
    """Say where one rule took most pairs: it may not fit the languages, or the files a mistake."""
    for source in sources:
        counts = accounts[source.name].counts()
        for rule, option in RULES.items():
            if 2 * counts[rule] > counts["in"]:
                change = f"look at the files and `{option}`" if option else "look at the files"
                say(
                    f"warning: the rule '{rule}' removed {counts[rule]:,} of {counts['in']:,} "
                    f"pairs of {' and '.join(map(str, source.files))}; {change}"
                )


def _cleaned(sources: Sequence[Source], how: Cleaning) -> Iterator[Cleaned]:
    return ordered_map(partial(clean_block, how=how), _shown(sources), how.workers)


def _shown(sources: Sequence[Source]) -> Iterator[RawBlock]:
    """Yield the blocks of ``sources``, showing how many of their pairs were read."""
    with bar(desc="cleaning", total=count_pairs(sources), unit="pair", unit_scale=True) as shown:
        for block in chain.from_iterable(map(read_blocks, sources)):
            yield block
            shown.update(len(block.source))


def _registered(
    cleaned: Iterable[Cleaned], hashes: Mapping[str, array[int]], accounts: _Accounts
) -> Iterator[Row]:
    for block in cleaned:
        for rule, of_rule in hashes.items():
            of_rule.extend(block.hashes[rule])
        accounts[block.origin].kept += len(block.rows)
        accounts[block.origin].removed.update(block.removed)
        yield from block.rows


def _check_rest(sources: Sequence[Source], accounts: _Accounts) -> None:
    if not any(account.kept for account in accounts.values()):
        removed = sum((account.removed for account in accounts.values()), Counter[str]())
        listed = ", ".join(f"{rule} {count:,}" for rule, count in removed.items()) or "no pairs"
        raise UserError(
            f"{' and '.join(map(str, sources[0].files))} must hold a usable pair, but all were "
            f"removed: {listed}; check the files and the limits."
        )


def _without_repeats(
    draft: Columns, again: Mapping[str, NDArray[np.bool_]], accounts: _Accounts
) -> Iterator[Row]:
    rows = enumerate(read_columns(draft))
    for account in accounts.values():  # the rows of a source lie together, in this order
        for _ in range(account.kept):
            number, row = next(rows)
            broken = next((rule for rule, marks in again.items() if marks[number]), None)
            if broken:
                account.kept -= 1
                account.removed[broken] += 1
            else:
                yield row


def _held_back(rows: Iterator[Row], every: int, files: Sequence[TextIO]) -> Iterator[Row]:
    number = 0
    for number, row in enumerate(rows, start=1):
        if every and number % every == 0:
            write_row(row, files)
        else:
            yield row
    if number < every:
        raise UserError(
            f"`--valid-every` must be at most the number of clean training pairs, {number:,}, but "
            f"is {every:,}, which leaves nothing to validate on; give a smaller one."
        )


def _counts(accounts: _Accounts, kept: int) -> dict[str, Any]:
    sources = {name: account.counts() for name, account in accounts.items()}
    total = {key: sum(counts[key] for counts in sources.values()) for key in ("in", *RULES, "out")}
    held_back = total["out"] - kept
    return {
        **total,
        "out": kept,
        **({"valid": held_back} if held_back else {}),
        "sources": sources,
    }
