"""Spoiled corpora: as many pairs as asked, spoiled as asked, all others untouched."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.noise.command import KINDS, main, spoil

SOURCE = [f"quelle {number}" for number in range(40)]
TARGET = [f"a b c d e f {number}" for number in range(40)]


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_share_is_spoiled_and_the_rest_is_as_it_was(kind: str, share: float, seed: int) -> None:
    noisy, spoiled = spoil(SOURCE, TARGET, kind, share, seed)
    assert spoiled.sum() == round(share * 40)
    assert [noisy[i] for i in np.flatnonzero(~spoiled)] == [
        TARGET[i] for i in np.flatnonzero(~spoiled)
    ]
    if spoiled.sum() > 1:
        assert all(noisy[i] != TARGET[i] for i in np.flatnonzero(spoiled))
    if kind == "shuffle":
        assert sorted(noisy) == sorted(TARGET), "only dealt out anew"


def test_kinds() -> None:
    assert spoil(SOURCE, TARGET, "copy", 1, 1)[0] == SOURCE
    assert set(spoil(SOURCE, TARGET, "truncate", 1, 1)[0]) == {"a b"}
    assert spoil(["x"], ["a  b  c"], "truncate", 1, 1)[0] == ["a"]
    assert spoil(["x"], ["我们都很好。"], "truncate", 1, 1)[0] == ["我们"]  # words need no spaces


def test_the_script_writes_noisy_and_clean_text_and_the_truth(tmp_path: Path) -> None:
    (tmp_path / "all.de").write_text("".join(f"{line}\n" for line in SOURCE))
    with gzip.open(tmp_path / "all.en.gz", "wt") as file:
        file.writelines(f"{line}\n" for line in TARGET)
    out = tmp_path / "out"
    main([f"{tmp_path}/all.de", f"{tmp_path}/all.en.gz", "--out", f"{out}", "--share", "0.25"])
    truth = (out / "spoiled.txt").read_text().split()
    noisy = (out / "train.en").read_text().splitlines()
    assert truth.count("1") == 10 and len(noisy) == len(truth) == 40
    assert (out / "train.de").read_text().splitlines() == SOURCE
    assert (out / "clean.en").read_text().splitlines() == [
        line for line, flag in zip(TARGET, truth, strict=True) if flag == "0"
    ]


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.de.gz", gzip.compress(b"1\n2\n3\n" * 99)
    for damaged in (whole[:-9], whole[:12] + b"\xff" * 20):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="`SOURCE` .* must be a readable file"):
            main([str(path), f"{tmp_path}/a.en", "--out", f"{tmp_path}/o"])


def test_nothing_is_written_over(tmp_path: Path) -> None:
    for language, lines in (("de", SOURCE), ("en", TARGET)):
        (tmp_path / f"train.{language}").write_text("\n".join(lines))
    words = [f"{tmp_path}/train.de", f"{tmp_path}/train.en", "--out"]
    with pytest.raises(UserError, match="another folder than .* but train.de would be written"):
        main([*words, f"{tmp_path}/x/.."])
    (tmp_path / "other.de").write_text("\n".join(TARGET))
    with pytest.raises(UserError, match="both end with 'de'"):
        main([words[0], f"{tmp_path}/other.de", "--out", f"{tmp_path}/out"])
    assert (tmp_path / "train.en").read_text() == "\n".join(TARGET)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--seed=-1", "`--seed` must be 0 or more, but is -1"),
        ("--kind rot13", "`--kind` must be one of shuffle, copy, truncate, but is rot13"),
        ("--share 30", r"`--share` must be in \[0, 1\], but is 30"),
        ("", "as many lines, but have 3 and 2"),
    ],
)
def test_one_sentence(flags: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("1\n2\n3\n")
    (tmp_path / "a.en").write_text("1\n2\n")
    with pytest.raises(UserError, match=says):
        main([f"{tmp_path}/a.de", f"{tmp_path}/a.en", "--out", f"{tmp_path}/o", *flags.split()])
    assert not (tmp_path / "o").exists()
