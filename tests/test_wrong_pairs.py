"""Wrong pairs found in text files and in a binarised corpus, without any training."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from report_runs import write_data

from autoassist_fairseq.assistant.wrong.text_judge import KINDS
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.demo_corpus.build import build
from autoassist_fairseq.tools.noise.command import Spoiled, spoil
from autoassist_fairseq.tools.noise.kinds import Text
from autoassist_fairseq.tools.wrong_pairs.command import main
from autoassist_fairseq.tools.wrong_pairs.dropping import drop
from autoassist_fairseq.tools.wrong_pairs.text_files import TextFiles

PAIRS = 1_500


@pytest.fixture(scope="module")
def spoiled() -> Spoiled:
    """Made-up German and English, every fifth pair shuffled."""
    pairs = build(seed=5, sizes={"train": PAIRS})["train"]
    source, target = ([pair[side] for pair in pairs] for side in (0, 1))
    return spoil(Text(source, target), {"shuffle": 0.2}, 1)


def write(folder: Path, *sides: Sequence[str]) -> list[str]:
    """Two files, the second one gzipped."""
    paths = folder / "a.de", folder / "a.en.gz"
    text = ["".join(f"{line}\n" for line in side).encode() for side in sides]
    paths[0].write_bytes(text[0])
    paths[1].write_bytes(gzip.compress(text[1]))
    return list(map(str, paths))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def check(rows: list[dict[str, str]], spoiled: Spoiled, sure: float = 0.5) -> int:
    verdicts = np.array([row["verdict"] == "1" for row in rows])
    posteriors = np.array([float(row["posterior"]) for row in rows])
    assert [row["line"] for row in rows] == [str(line) for line in range(1, PAIRS + 1)]
    assert (
        verdicts == (posteriors > sure)
    ).all() and posteriors.max() <= 1 >= 0 <= posteriors.min()
    assert {row["kind"] for row in rows if row["verdict"] == "1"} <= {*KINDS}
    assert {row["kind"] for row in rows if row["verdict"] == "0"} == {"-"}
    right = (verdicts & spoiled.flags).sum()
    assert right > 0.8 * verdicts.sum() > 0 and (sure > 0.5 or right > 0.5 * spoiled.flags.sum())
    worths = np.array([float(row["worth"]) for row in rows])
    assert worths[spoiled.flags].mean() < worths[~spoiled.flags].mean() - 1
    return int(verdicts.sum())


def test_more_characters_than_pieces_are_common(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoassist_fairseq.tools.wrong_pairs.text_files.PIECES", 20)
    letters = [chr(one) for one in range(0x4E00, 0x4E00 + 40)]
    lines = ["".join(letters[at : at + 4]) for at in range(0, 40, 4)]
    files = map(Path, write(tmp_path, lines, ["a"] * len(lines)))
    source = TextFiles(next(files), next(files)).corpus().source
    found = {*source.gather(np.arange(len(lines))).tokens.tolist()}
    assert len(found) >= len(letters) and 3 not in found  # which is the unknown one's


@pytest.mark.slow
def test_text_files_and_a_binarised_corpus(
    spoiled: Spoiled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path, spoiled.source, spoiled.target)
    out, again = tmp_path / "scores.tsv", tmp_path / "again.tsv"
    assert main([*files, "--out", f"{out}", "--examples", "2"]) == 0
    rows, told = read(out), capsys.readouterr()
    wrong = check(rows, spoiled)
    calls = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
    for kind, count in calls.items():
        assert (f"{kind} {count:,}" in told.err) == (count > 0)
        assert (f"{kind}: {count:,} pairs" in told.out) == (count > 0)
    line = int(told.out.split("line ")[1].split(",")[0])
    assert rows[line - 1]["verdict"] == "1"
    assert f"    {spoiled.source[line - 1]}\n    {spoiled.target[line - 1]}\n" in told.out
    main([*files, "--out", f"{again}"])
    assert again.read_bytes() == out.read_bytes()
    again.unlink()
    main([*files, "--out", f"{again}", "--sure", "0.9"])
    assert check(read(again), spoiled, 0.9) < wrong
    data = write_data(tmp_path / "data", spoiled.source, spoiled.target)
    main(["--data", f"{data}", "--out", f"{tmp_path}/data.tsv", "--examples", "1"])
    check(read(tmp_path / "data.tsv"), spoiled)
    assert "posterior" in capsys.readouterr().out


def test_the_sides_of_a_binarised_corpus_may_be_named(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", ["a b"] * 9, ["x"] * 9)
    lengths = []
    for number, flags in enumerate(([], ["--source-lang", "de"])):
        main(["--data", f"{data}", "--out", f"{tmp_path}/{number}.tsv", *flags])
        row = read(tmp_path / f"{number}.tsv")[0]
        lengths.append((row["source_length"], row["target_length"]))
    assert lengths[0] == lengths[1][::-1] and lengths[0][0] != lengths[0][1]


@pytest.mark.slow
def test_where_text_takes_most_pairs_for_wrong_it_is_not_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in training: two files of which one lost a line say nothing of who is wrong."""
    pairs = build(seed=5, sizes={"train": PAIRS})["train"]
    source, target = [pair[0] for pair in pairs], ["", *[pair[1] for pair in pairs[:-1]]]
    files = write(tmp_path, source, target)
    main([*files, "--out", f"{tmp_path}/o.tsv"])
    rows, told = read(tmp_path / "o.tsv"), capsys.readouterr().err
    assert [row["line"] for row in rows if row["verdict"] == "1"] == ["1"]
    assert {row["posterior"] for row in rows[1:]} == {"0.0000"}
    assert re.search(r"warning: text takes (7[1-9]|[89]\d)% of the pairs for wrong, which", told)
    assert "source and target probably do not belong together line by line" in told
    assert f"1 of {PAIRS:,} pairs are wrong, 0.1% (empty 1)" in told
    texts, kept = (tmp_path / "a.de", tmp_path / "a.en"), (tmp_path / "k.de", tmp_path / "k.en")
    texts[1].write_text("".join(f"{line}\n" for line in target), "utf-8")
    counts = drop(texts, kept, tmp_path / "dropped.tsv", 0.5)
    assert (counts["in"], counts["out"]) == (PAIRS, PAIRS - 1)
    assert kept[1].read_text("utf-8").splitlines() == target[1:]
    assert "warning: text takes" in capsys.readouterr().err


def test_words_of_both_sides_share_ids(tmp_path: Path) -> None:
    write(tmp_path, ["Ab x ab", "x  AB", "", "ab"] * 9, ["x", "我x", "ab ab", "ü"] * 9)
    files = TextFiles(tmp_path / "a.de", tmp_path / "a.en.gz")
    corpus = files.corpus()
    first, second = (
        [side.gather(np.array([place])).tokens.tolist() for place in range(4)]
        for side in (corpus.source, corpus.target)
    )
    word, letter = first[3][0], second[0][0]  # case does not matter
    assert first == [[word, letter, word, 2], [letter, word, 2], [2], [word, 2]]
    assert second[0] == [letter, 2] and second[2] == [word, word, 2]
    assert min(word, letter) > 3 and len({*second[1], *second[3]}) > 3
    assert corpus.source.words == corpus.target.words > max(word, letter)
    assert files.texts([1, 2, 35]) == {1: ("x  AB", "我x"), 2: ("", "ab ab"), 35: ("ab", "ü")}


def test_few_pairs_are_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path, ["a b", "c"], ["x y", "z"])
    assert main([*files, "--out", f"{tmp_path}/o.tsv", "--examples", "3"]) == 0
    assert [row["verdict"] for row in read(tmp_path / "o.tsv")] == ["0", "0"]
    told = capsys.readouterr()
    assert "fewer than 1,000 pairs" in told.err and "0 of 2 pairs are wrong" in told.err
    main([*write(tmp_path, ["a b", "c"], ["x y", ""]), "--out", f"{tmp_path}/empty.tsv"])
    told = capsys.readouterr()
    assert "to learn from: only pairs with an empty side are called wrong" in told.err
    assert "1 of 2 pairs are wrong, 50.0% (empty 1)" in told.err


@pytest.mark.parametrize(
    ("lines", "flags", "says"),
    [
        ([b"a\n", b"x\ny\n"], "", r"a\.de ends after line 1 and .*a\.en\.gz has 2; line 2"),
        ([b"a\nb\n", b"x\n\xff\n"], "", r"must be UTF-8, but line 2 of .*a\.en\.gz is not"),
        ([b"", b""], "", r"must hold at least one pair, but .*a\.de is empty"),
        ([b" \n", b"\n"], "", "must hold words"),
        ([b"a\n"], "", r"must be files that can be .* but .*a\.en\.gz is not there"),
        ([b"a\n", b"b\n"], "--sure 1", r"`--sure` must be in \[0, 1\), but is 1"),
        ([b"a\n", b"b\n"], "--examples=-1", "`--examples` must be 0 or more, but is -1"),
        ([b"a\n", b"b\n"], "--data x", "or `--data DATA`, but is given 2 files and `--data`"),
        ([b"a\n", b"b\n"], "--source-lang de", "and `--target-lang` must go with `--data`"),
        ([b"a\n", b"b\n"], "--out a.de", r"`--out` must be new, but a\.de exists"),
    ],
)
def test_one_sentence(
    lines: list[bytes], flags: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a.de", "a.en.gz"]
    for name, content in zip(names, lines, strict=False):
        Path(name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        main([*names, "--out", "o.tsv", *flags.split()])
    assert sorted(path.name for path in tmp_path.iterdir()) == names[: len(lines)]
    with pytest.raises(UserError, match="but is given 1 files; give one"):
        main(["a.de", "--out", "o.tsv"])
