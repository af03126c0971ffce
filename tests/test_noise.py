"""Spoiled corpora: as many pairs as asked, spoiled as asked, all others untouched."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common import files
from autoassist_fairseq.tools.noise import command
from autoassist_fairseq.tools.noise.command import main, others_of, spoil
from autoassist_fairseq.tools.noise.kinds import KINDS, Text
from autoassist_fairseq.tools.scoring.text import read_lines

DATA = Path(__file__).parents[2] / "shared" / "data"
SOURCE = [f"quelle {number}" for number in range(40)]
TARGET = [f"a b c d e f {number}" for number in range(40)]
FOREIGN = [f"x {number}" for number in range(50)]


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_a_share_is_spoiled_and_the_rest_is_as_it_was(kind: str, share: float, seed: int) -> None:
    spoiled = spoil(Text(SOURCE, TARGET, FOREIGN), {kind: share}, seed)
    before = list(zip(SOURCE, TARGET, strict=True))
    after = list(zip(spoiled.source, spoiled.target, strict=True))
    alone = kind in ("shuffle", "matched") and round(share * 40) == 1  # nobody to deal with
    assert spoiled.flags.sum() == spoiled.kinds.count(kind) == round(share * 40) - alone
    changed = [old != new for old, new in zip(before, after, strict=True)]
    assert changed == spoiled.flags.tolist()
    if kind == "shuffle":
        assert sorted(spoiled.target) == sorted(TARGET), "only dealt out anew"
    if kind == "language":
        assert len({*spoiled.target}) == 40, "no line came twice"


@given(seed=st.integers(0, 99))
def test_several_kinds_never_meet(seed: int) -> None:
    shares = {"neighbour": 0.25, "language": 0.25, "half": 0.5}
    spoiled = spoil(Text(SOURCE, TARGET, dict(enumerate(FOREIGN))), shares, seed)
    assert [spoiled.kinds.count(kind) for kind in shares] == [10, 10, 20]
    for place, kind in enumerate(spoiled.kinds):
        near = [TARGET[at] for at in (place - 1, place + 1) if 0 <= at < 40]
        makes = {"neighbour": near, "language": [FOREIGN[place]], "half": ["a b c"]}
        assert spoiled.target[place] in makes[kind]


def targets(kind: str, *lines: str, others: dict[int, str] | None = None) -> list[str]:
    """All of ``lines`` spoiled that can be; their sources are `a b c d` without spaces."""
    text = Text(["abcd"] * len(lines), list(lines), others or {})
    able = [KINDS[kind].able(text, place) for place in range(len(lines))]
    return spoil(text, {kind: sum(able) / len(lines)}, 1).target


def test_kinds() -> None:
    assert targets("copy", "x", "y") == ["abcd", "abcd"]
    assert targets("truncate", "a b c d e f 0") == ["a b"]
    assert targets("truncate", "a  b  c") == ["a"]
    assert targets("truncate", "我们都很好。") == ["我们"]  # words need no spaces
    assert targets("half", "a b c d e", "a", "我们很好") == ["a b", "a", "我们"]
    assert targets("matched", "aa", "b", "cc", "d") in (
        ["cc", "d", "b", "aa"],
        ["b", "aa", "d", "cc"],
    )
    assert sorted(targets("matched", "aa", "aa", "b")) == ["aa", "b", "b"]
    assert targets("neighbour", "a", "a", "b") == ["a", "b", "a"]  # the first has no other beside
    assert targets("merge", "a", "b c", " ", "d") == ["a b c", "b c", "  d", "d"]
    assert targets("language", "a", "b", others={1: "ß", 7: "ö"}) == ["a", "ß"]
    words = [line.split() for line in targets("words", "a a a a a a", "b b")]
    assert [line.count("b") for line in words] == [2, 1] and "a" in words[1]
    halves = spoil(Text(["a b c", "d"], ["x", "y"]), {"split": 0.5}, 1)
    assert (halves.source, halves.target, halves.kinds) == (["a", "d"], ["x", "y"], ["split", ""])


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 99))
def test_nobody_is_spoiled_who_came_out_as_before(kind: str, seed: int) -> None:
    source = ["a", "a b c", "x y", "x"] * 3
    text = Text(source, ["a", "a b", "a b", "x y"] * 3, ["a", "x y"])
    able = [KINDS[kind].able(text, place) for place in range(12)]
    spoiled = spoil(text, {kind: sum(able) / 12}, seed)
    before = zip(source, text.target, strict=True)
    after = zip(spoiled.source, spoiled.target, strict=True)
    changed = [old != new for old, new in zip(before, after, strict=True)]
    assert changed == spoiled.flags.tolist() and any(changed)


@pytest.mark.skipif(not DATA.exists(), reason="no data in ../shared")
@pytest.mark.parametrize(
    ("corpus", "shares", "digest"),
    [
        ("multi30k", {"shuffle": 0.3}, "91cb6252cbc925f7"),
        (
            "libreoffice-help",
            {"neighbour": 0.15, "language": 0.07, "half": 0.08},
            "0a83715a440687a3",
        ),
    ],
)
def test_what_the_evidence_rests_on_is_spoiled_as_ever(
    corpus: str, shares: dict[str, float], digest: str
) -> None:
    source, target = (read_lines(DATA / corpus / f"train.{n}.gz", "") for n in ("en", "de"))
    foreign = DATA / "libreoffice-help" / "other-language.fr.tsv.gz"
    spoiled = spoil(Text(source, target, others_of(read_lines(foreign, ""))), shares, 1)
    lines = "\n".join([*spoiled.source, *spoiled.target, *spoiled.kinds])
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == digest


def test_a_kind_that_cannot_spoil_as_many() -> None:
    with pytest.raises(UserError, match="`--kind half` can spoil 1 more of 2 pairs, but .* is 2"):
        spoil(Text(["x", "y"], ["a", "a b"]), {"half": 1.0}, 1)
    with pytest.raises(UserError, match="`--kind copy` can spoil 1 more of 2 pairs, but .* is 2"):
        spoil(Text(["a", "y"], ["a", "a b"]), {"copy": 1.0}, 1)


def write(folder: Path, **files: list[str]) -> list[str]:
    for name, lines in files.items():
        (folder / name.replace("_", ".")).write_text("".join(f"{line}\n" for line in lines))
    return [f"{folder}/{name.replace('_', '.')}" for name in files]


@pytest.mark.parametrize("numbered", [False, True])
def test_several_kinds_by_the_script(
    numbered: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = [f"{n}\t{line}" for n, line in enumerate(FOREIGN, 1)] if numbered else FOREIGN
    source, target, lines = write(tmp_path, all_de=SOURCE, all_en=TARGET, fr_tsv=foreign)
    kinds = ["--kind", "half", "--share", "0.1", "--kind", "language=0.25", "--lines", lines]
    for out in ("one", "two"):
        main([source, target, *kinds, "--out", f"{tmp_path}/{out}", "--seed", "3"])
    assert "14 of 40 pairs are spoiled (half 4, language 10)" in capsys.readouterr().out
    names = ["train.de", "train.en", "spoiled.txt", "kind.txt"]
    files = [(tmp_path / "one" / name).read_text().splitlines() for name in names]
    assert files == [(tmp_path / "two" / name).read_text().splitlines() for name in names]
    for place, (_, line, flag, kind) in enumerate(zip(*files, strict=True)):
        expected = {"-": [TARGET[place]], "half": ["a b c"]}
        expected["language"] = [FOREIGN[place]] if numbered else FOREIGN
        assert line in expected[kind] and (flag == "1") == (kind != "-")


def test_an_empty_line_is_in_no_language(tmp_path: Path) -> None:
    lines = ["1\tun chat", "2\t", "4\tdeux chats"]
    assert others_of(["1\tun chat", "2", "4\tdeux chats"]) == {0: "un chat", 3: "deux chats"}
    assert others_of(["1999", "", "un chat"]) == ["1999", "un chat"]
    files = write(tmp_path, a_de=["a"] * 4, a_en=["b"] * 4, fr_tsv=lines)
    words = [*files[:2], "--lines", files[2], "--out", f"{tmp_path}/o"]
    main([*words, "--kind", "language=0.5"])
    assert (tmp_path / "o/train.en").read_text().splitlines() == ["un chat", "b", "b", "deux chats"]
    with pytest.raises(UserError, match="`--kind language` can spoil 2 more of 4 pairs"):
        main([*words, "--kind", "language=0.75"])


@pytest.mark.parametrize(
    ("line", "says"),
    [("deux", "before none, but line 2 has none"), ("1\tx", "line 2 is another one for pair 1;")],
)
def test_lines_of_which_not_all_say_whose_they_are(line: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        others_of(["1\tun", line, "3\ttrois"])


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


@pytest.mark.parametrize("name", ["clean.en", "train.de", "kind.txt"])
def test_files_of_others_are_not_written_over(name: str, tmp_path: Path) -> None:
    words = [*write(tmp_path, a_de=SOURCE, a_en=TARGET), "--out", f"{tmp_path}/out"]
    mine = tmp_path / "out" / name
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UserError, match=f"holds {name} and no spoiled.txt; choose another folder"):
        main(words)
    assert [*mine.parent.iterdir()] == [mine] and mine.read_text() == "mine"
    mine.unlink()
    for seed in ("1", "2"):  # what is its own is made anew
        assert main([*words, "--seed", seed]) == 0


def test_a_killed_run_leaves_no_truth_of_other_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*write(tmp_path, a_de=SOURCE, a_en=TARGET), "--out", f"{tmp_path}/out"]
    main(words)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(command, "write_lines", interrupted_at("train.en"))
        main([*words, "--seed", "2"])
    for name in ("spoiled.txt", "kind.txt"):
        assert not (tmp_path / "out" / name).read_text()
    assert main(words) == 0


def interrupted_at(last: str) -> Callable[[Path, Sequence[str]], None]:
    """As `write_lines`, but it ends the run before that file."""

    def write_lines(path: Path, lines: Sequence[str]) -> None:
        if path.name == last:
            raise KeyboardInterrupt
        files.write_lines(path, lines)

    return write_lines


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--seed=-1", "`--seed` must be 0 or more, but is -1"),
        ("--kind rot13", "`--kind` must be one of shuffle, .*, split, but is rot13"),
        ("--kind half=x", r"`--kind half` must be in \[0, 1\], but is x"),
        ("--kind half --kind half=0.1", "`--kind half` must be given once, but is given again"),
        ("--kind half=0.6 --kind copy=0.6", "shares of at most 1 in all, but they are 1.2"),
        ("--kind language", "`--kind language` and `--lines FILE` go together"),
        ("--lines x", "`--kind language` and `--lines FILE` go together"),
        ("--kind language --lines x.fr", "`--lines` x.fr must be a readable file"),
        ("--share 30", r"`--share` must be in \[0, 1\], but is 30"),
        ("", "as many lines, but have 3 and 2"),
    ],
)
def test_one_sentence(flags: str, says: str, tmp_path: Path) -> None:
    source, target = write(tmp_path, a_de=["1", "2", "3"], a_en=["1", "2"])
    if "x.fr" in flags:
        write(tmp_path, a_en=["1", "2", "3"])
    with pytest.raises(UserError, match=says):
        main([source, target, "--out", f"{tmp_path}/o", *flags.split()])
    assert not (tmp_path / "o").exists()
