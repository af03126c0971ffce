"""Cleaning: each rule with worked-out pairs, duplicates against a plain set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep import corpus_text
from autoassist_fairseq.tools.dataprep.cleaning import (
    RULES,
    CleaningRules,
    broken_rule,
    clean_block,
    normalise,
)
from autoassist_fairseq.tools.dataprep.duplicates import DuplicateFinder, pair_hash
from autoassist_fairseq.tools.dataprep.reading import RawPair

LIMITS = CleaningRules(max_words=4, max_ratio=2.0)


@pytest.mark.parametrize(
    ("source", "target", "broken"),
    [
        ("a b c d", "e f", None),  # exactly at both limits
        ("", "e", "empty"),
        ("a", "", "empty"),
        ("", "", "empty"),
        ("a b c d e", "e f g", "length"),
        ("a b c", "e f g h i", "length"),
        ("a b c", "e", "ratio"),
        ("a", "e f g", "ratio"),
        ("a b c d e", "e", "length"),  # the first rule counts
    ],
)
def test_rules(source: str, target: str, broken: str | None) -> None:
    assert broken_rule(source, target, LIMITS) == broken


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two\twords \n", "two words"),
        ("no\u00a0break", "no break"),
        ("line\u2028separator\x85here", "line separator here"),
        ("carriage\rreturn\r\n", "carriage return"),
        ("\ufeffmark\u200b", "mark"),
        ("\u200b \ufeff", ""),
        ("", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


def test_a_block_counts_every_rule_and_keeps_the_rest() -> None:
    rows = [
        RawPair(1, " a  b ", "c"),
        RawPair(2, None, "c"),
        RawPair(3, "\u200b", "c"),
        RawPair(4, "a b c d e", "c d e"),
        RawPair(5, "a b c", "d"),
        RawPair(6, "a b", "c"),
    ]
    cleaned = clean_block(rows, LIMITS)
    assert cleaned.pairs == [("a b", "c"), ("a b", "c")]
    assert cleaned.removed == Counter(undecodable=1, empty=1, length=1, ratio=1)
    assert cleaned.hashes[0] == cleaned.hashes[1] == pair_hash("a b", "c")


def test_the_hash_knows_where_a_side_ends() -> None:
    assert pair_hash("a b", "c") != pair_hash("a", "b c")
    assert pair_hash("a", "b") != pair_hash("b", "a")
    assert 0 <= pair_hash("a", "b") < 2**64


@settings(max_examples=20, deadline=None)
@given(blocks=st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=6))
def test_repeated_pairs_are_those_that_a_set_finds(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[int]]
) -> None:
    # Spread the numbers over all bits, so that they reach many buckets.
    hashes = [[number * 0x9E3779B97F4A7C15 % 2**64 for number in block] for block in blocks]
    with DuplicateFinder(tmp_path_factory.mktemp("buckets")) as finder:
        for block in hashes:
            finder.add(block)
        found = [bool(mark) for marks in finder.repeated() for mark in marks]
    flat = [number for block in hashes for number in block]
    assert found == [number in flat[:place] for place, number in enumerate(flat)]


def test_many_pairs_in_blocks_of_the_reader(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 2**63, 70_000).tolist()
    with DuplicateFinder(tmp_path) as finder:
        finder.add(numbers)
        finder.add(numbers[:1])
        marks = np.concatenate(list(finder.repeated()))
    assert marks.shape == (70_001,)
    assert np.flatnonzero(marks).tolist() == [70_000]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def clean(
    tmp_path: Path, source: list[str], target: list[str], workers: int = 1
) -> tuple[dict[str, int], list[list[str]]]:
    raw = write(tmp_path / "raw.en", source), write(tmp_path / "raw.de", target)
    out = tmp_path / "text" / "train.en", tmp_path / "text" / "train.de"
    counts = corpus_text.clean_training_text(
        raw, out, LIMITS, skip_undecodable=False, workers=workers
    )
    assert sorted(out[0].parent.iterdir()) == [out[1], out[0]]  # nothing temporary is left
    return counts, [path.read_text("utf-8").splitlines() for path in out]


def test_training_text_loses_bad_pairs_only(tmp_path: Path) -> None:
    source = ["a b", "a", "a  b", "a b c d e", "x", "x"]
    target = ["c", "", "c", "d e f", "y", "z"]
    counts, texts = clean(tmp_path, source, target)
    expected = dict.fromkeys(RULES, 0) | {"empty": 1, "duplicate": 1, "length": 1}
    assert counts == {"in": 6, **expected, "out": 3}
    assert texts == [["a b", "x", "x"], ["c", "y", "z"]]


def test_workers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_text, "blocks", lambda pairs: iter([[p] for p in pairs]))
    rows = [f"{number} {'w ' * (number % 7)}" for number in range(40)]
    alone = clean(tmp_path, rows, rows)
    assert clean(tmp_path, rows, rows, workers=2) == alone


def test_nothing_left_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"all were removed: empty 1, length 1; check"):
        clean(tmp_path, ["", "a b c d e"], ["x", "y"])
    assert list((tmp_path / "text").iterdir()) == []


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="all were removed: no pairs"):
        clean(tmp_path, [], [])


def test_held_out_text_keeps_every_line(tmp_path: Path) -> None:
    rows = ["same  line", "same line", "a b c d e f g h i j"]
    raw = write(tmp_path / "raw.en", rows), write(tmp_path / "raw.de", ["x", "x", "y"])
    out = tmp_path / "valid.en", tmp_path / "valid.de"
    assert corpus_text.copy_held_out_text(raw, out) == {"in": 3, "out": 3}
    assert out[0].read_text("utf-8") == "same line\nsame line\na b c d e f g h i j\n"


@pytest.mark.parametrize(("side", "name"), [(0, "raw.en"), (1, "raw.de")])
def test_an_empty_side_of_held_out_text_is_an_error(tmp_path: Path, side: int, name: str) -> None:
    rows = [["a", "b"], ["c", "d"]]
    rows[side][1] = " "
    raw = write(tmp_path / "raw.en", rows[0]), write(tmp_path / "raw.de", rows[1])
    out = tmp_path / "valid.en", tmp_path / "valid.de"
    with pytest.raises(UserError, match=f"line 2 of .*{name} has; mend"):
        corpus_text.copy_held_out_text(raw, out)
    assert not out[0].exists()


def test_empty_held_out_text_is_an_error(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw.en", []), write(tmp_path / "raw.de", [])
    with pytest.raises(UserError, match=r"raw\.en is empty"):
        corpus_text.copy_held_out_text(raw, (tmp_path / "a", tmp_path / "b"))
