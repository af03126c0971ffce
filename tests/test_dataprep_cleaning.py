"""Cleaning: each rule with worked-out pairs, duplicates against a plain set."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common import languages
from autoassist_fairseq.tools.dataprep import corpus_text, language_id
from autoassist_fairseq.tools.dataprep.cleaning import (
    RULES,
    Cleaning,
    CleaningRules,
    broken_rule,
    clean_block,
    is_empty,
    normalise,
)
from autoassist_fairseq.tools.dataprep.duplicates import near_hash, pair_hash, repeated
from autoassist_fairseq.tools.dataprep.reading import RawBlock, Source, read_blocks
from autoassist_fairseq.tools.dataprep.tokens import MosesTokeniser

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
        ("a b c d", "a b c d", "copy"),
        ("a b c", "a b c", None),  # a name, perhaps
        ("a b c d", "a b c D", None),
        ("\ufffd \ufffd", "e", "empty"),  # what could not be decoded is no text
        ("a", "\u2063\ufffd", "empty"),
        ("a b c d", "我们都很好", "length"),  # five words: such scripts have no spaces
        ("a b", "我们都很", None),
        ("a", "ไทย", "ratio"),
        ("我们都很", "我们都很", "copy"),
        ("Bach GmbH", "Bach GmbH", None),  # a name in Chinese text is in Latin letters
    ],
)
def test_rules(source: str, target: str, broken: str | None) -> None:
    assert broken_rule(source, target, LIMITS) == broken
    if broken == "copy":
        assert broken_rule(source, target, replace(LIMITS, drop_copies=False)) is None


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two\twords \n", "two words"),
        ("no\u00a0break", "no break"),
        ("line\u2028separator\x85here", "line separator here"),
        ("carriage\rreturn\r\n", "carriage return"),
        ("\ufeffmark\u200b", "mark"),
        ("\u200b \ufeff", ""),
        ("\u200b \u200b \u200b", ""),
        ("", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


def test_a_block_counts_every_rule_and_keeps_the_rest() -> None:
    rows = [
        (" a  b ", "c"),
        ("\xff", "c"),
        ("\u200b", "c"),
        ("a b c d e", "c d e"),
        ("a b c", "d"),
        ("a b", "c"),
    ]
    origin = Source("web", (Path("web.en"), Path("web.de")))
    sides = [[row[side].encode().replace(b"\xc3\xbf", b"\xff") for row in rows] for side in (0, 1)]
    block = RawBlock(origin, 1, *sides)
    cleaned = clean_block(block, Cleaning(LIMITS, skip_undecodable=True))
    assert cleaned.origin == "web"
    assert cleaned.rows == [("a b", "c"), ("a b", "c")]
    assert cleaned.removed == Counter(undecodable=1, empty=1, length=1, ratio=1)
    assert cleaned.hashes == {"duplicate": [pair_hash("a b", "c")] * 2}


def test_the_hash_knows_where_a_side_ends() -> None:
    assert pair_hash("a b", "c") != pair_hash("a", "b c")
    assert pair_hash("a", "b") != pair_hash("b", "a")
    assert 0 <= pair_hash("a", "b") < 2**64


@given(numbers=st.lists(st.integers(0, 40), max_size=150))
def test_repeated_pairs_are_those_that_a_set_finds(numbers: list[int]) -> None:
    hashes = [number * 0x9E3779B97F4A7C15 % 2**64 for number in numbers]
    expected = [number in numbers[:place] for place, number in enumerate(numbers)]
    assert repeated(array("Q", hashes)).tolist() == expected


@pytest.mark.parametrize(
    ("pair", "other", "near"),
    [
        (("Page 3.", "Seite 3"), ("page 12", "SEITE: 12!"), True),
        (("e-mail", "E-Mail"), ("e mail", "Email"), True),
        (("a bc", "d"), ("a b", "cd"), False),  # letters keep to their side
        (("one", "eins"), ("ones", "eins"), False),
        (("Größe", "size"), ("GRÖSSE", "size"), True),
        (("की", "of"), ("का", "of"), False),  # they differ in a vowel sign
        (("12 %", "12 %"), ("13 %", "13 %"), False),  # no letters: numbers stay
        (("3", "drei"), ("4", "drei"), True),
    ],
)
def test_near_duplicates_have_the_same_letters(
    pair: tuple[str, str], other: tuple[str, str], near: bool
) -> None:
    assert (near_hash(*pair) == near_hash(*other)) is near


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def raw_source(tmp_path: Path, name: str, source: list[str], target: list[str]) -> Source:
    files = write(tmp_path / f"{name}.en", source), write(tmp_path / f"{name}.de", target)
    return Source(name, files)


def clean(
    tmp_path: Path, source: list[str], target: list[str], workers: int = 1
) -> tuple[dict[str, Any], list[list[str]]]:
    raw = raw_source(tmp_path, "raw", source, target)
    out = tmp_path / "text" / "train.en", tmp_path / "text" / "train.de"
    how = Cleaning(LIMITS, workers=workers)
    counts = corpus_text.clean_training_text([raw], out, how)
    assert counts.pop("sources") == {"raw": counts}
    assert sorted(out[0].parent.iterdir()) == [out[1], out[0]]  # nothing temporary is left
    return counts, [path.read_text("utf-8").splitlines() for path in out]


def test_training_text_loses_bad_pairs_only(tmp_path: Path) -> None:
    source = ["a b", "a", "a  b", "a b c d e", "x", "x"]
    target = ["c", "", "c", "d e f", "y", "z"]
    counts, texts = clean(tmp_path, source, target)
    expected = dict.fromkeys(RULES, 0) | {"empty": 1, "duplicate": 1, "length": 1}
    assert counts == {"in": 6, **expected, "out": 3}
    assert texts == [["a b", "x", "x"], ["c", "y", "z"]]


@pytest.mark.slow
def test_workers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_text, "read_blocks", partial(read_blocks, size=3))
    rows = [f"{number} {'w ' * (number % 7)}" for number in range(40)]
    alone = clean(tmp_path, rows, rows)
    assert clean(tmp_path, rows, rows, workers=2) == alone


def test_nothing_left_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"all were removed: empty 1, length 1; check"):
        clean(tmp_path, ["", "a b c d e"], ["x", "y"])
    assert not (tmp_path / "text").exists()


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="all were removed: no pairs"):
        clean(tmp_path, [], [])


def test_held_out_text_keeps_every_line(tmp_path: Path) -> None:
    rows = ["same  line", "same line", "a b c d e f g h i j"]
    raw = raw_source(tmp_path, "raw", rows, ["x", "x", "y"])
    out = tmp_path / "valid.en", tmp_path / "valid.de"
    assert corpus_text.copy_held_out_text([raw], out, Cleaning(LIMITS)) == {"in": 3, "out": 3}
    assert out[0].read_text("utf-8") == "same line\nsame line\na b c d e f g h i j\n"


def test_all_empty_sides_of_held_out_text_are_told(tmp_path: Path) -> None:
    rows = ["a", " ", "b", "\u200b \u200b \u200b", "c", "\ufffd"]
    raw = raw_source(tmp_path, "raw", rows, list("uvwxyz"))
    more = raw_source(tmp_path, "more", ["a"] * 12, [""] * 12)
    out = tmp_path / "valid.en", tmp_path / "valid.de"
    told = (
        r"empty in lines 2, 4, 6 of .*raw\.en and "
        r"lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more of .*more\.de; mend"
    )
    with pytest.raises(UserError, match=told):
        corpus_text.copy_held_out_text([raw, more], out, Cleaning(LIMITS))
    assert not out[0].exists()


@pytest.mark.parametrize("rule", ["identity", "nfkc", "nmt_nfkc"])
def test_what_the_pieces_cannot_show_is_empty(rule: str) -> None:
    pieces = [is_empty(text, rule) for text in ("m²", "?", "…", "的", "\u200b", "\ufffd", "\x01 ")]
    assert pieces == [False, False, False, False, True, True, True]


def test_chinese_pairs_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 12 words against 20 characters: 300 different pairs
    source = [f"{number} " + "word " * 11 for number in range(300)]
    target = ["我们今天在城里的商店买了一些新鲜的水果吃"] * 300
    raw = raw_source(tmp_path, "raw", source, target)
    out = tmp_path / "train.en", tmp_path / "train.zh"
    counts = corpus_text.clean_training_text([raw], out, Cleaning(CleaningRules()))
    assert counts["out"] == 300
    assert "warning" not in capsys.readouterr().err


def test_a_rule_that_takes_most_pairs_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = raw_source(tmp_path, "good", ["a", "b", "c"], ["x", "y", ""])
    bad = raw_source(tmp_path, "bad", ["a b c", "b c d", "c"], ["x", "y", "z"])
    out = tmp_path / "train.en", tmp_path / "train.de"
    corpus_text.clean_training_text([good, bad], out, Cleaning(LIMITS))
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert said.startswith("warning: the rule 'ratio' removed 2 of 3 pairs of ")
    assert said.endswith("bad.de; look at the files and `--max-ratio`")


def test_empty_held_out_text_is_an_error(tmp_path: Path) -> None:
    raw = raw_source(tmp_path, "raw", [], [])
    with pytest.raises(UserError, match=r"raw\.en is empty"):
        corpus_text.copy_held_out_text([raw], (tmp_path / "a", tmp_path / "b"), Cleaning(LIMITS))


def test_sources_are_joined_and_counted_apart(tmp_path: Path) -> None:
    sources = [
        raw_source(tmp_path, "talks", ["a", "b", ""], ["x", "y", "z"]),
        raw_source(tmp_path, "web", ["b", "c", "a b c d e", "c"], ["y", "z", "x x x", "z"]),
    ]
    out = tmp_path / "train.en", tmp_path / "train.de"
    counts = corpus_text.clean_training_text(sources, out, Cleaning(LIMITS))
    nothing = dict.fromkeys(RULES, 0)
    talks = {"in": 3, **nothing, "empty": 1, "out": 2}
    # The web repeats a pair of the talks, and one of its own.
    web = {"in": 4, **nothing, "length": 1, "duplicate": 2, "out": 1}
    assert counts.pop("sources") == {"talks": talks, "web": web}
    assert counts == {"in": 7, **nothing, "empty": 1, "length": 1, "duplicate": 2, "out": 3}
    assert out[0].read_text() == "a\nb\nc\n"
    assert out[1].read_text() == "x\ny\nz\n"


def test_duplicates_may_stay(tmp_path: Path) -> None:
    raw = raw_source(tmp_path, "raw", ["a", "a"], ["x", "x"])
    out = tmp_path / "train.en", tmp_path / "train.de"
    how = Cleaning(CleaningRules(drop_duplicates=False))
    assert corpus_text.clean_training_text([raw], out, how)["out"] == 2
    assert out[1].read_text() == "x\nx\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_near_duplicates_go_if_asked_and_have_their_own_count(tmp_path: Path, workers: int) -> None:
    source = ["Page 3", "page 12", "Page 3", "Leaf 3", "PAGE 12!", "8", "9"]
    target = ["Seite 3", "Seite 12", "Seite 3", "Seite 3", "Blatt 12", "8", "9"]
    raw = raw_source(tmp_path, "raw", source, target)
    out = tmp_path / "train.en", tmp_path / "train.de"
    how = Cleaning(CleaningRules(drop_near_duplicates=True), workers=workers)
    counts = corpus_text.clean_training_text([raw], out, how)
    assert (counts["duplicate"], counts["near-duplicate"], counts["out"]) == (1, 1, 5)
    assert out[0].read_text() == "Page 3\nLeaf 3\nPAGE 12!\n8\n9\n"


class Guesses:
    """Stands for py3langid: believes what the table says."""

    labels = ("de", "en", "fr", "no", "zxx")
    beliefs: ClassVar = {
        "Voici du texte": {"fr": 0.9, "de": 0.01, "en": 0.05},
        "Voici": {"fr": 0.45, "de": 0.01, "en": 0.01},  # short: no confidence
        "Dette er norsk": {"no": 0.6, "de": 0.2, "en": 0.01},  # kindred to one, not to the other
        "=A1": {"zxx": 0.99, "de": 0.0, "en": 0.0},
        "hello": {"en": 0.9, "de": 0.01},
        "hallo": {"de": 0.9, "en": 0.01},
    }

    def classify(self, text: str) -> tuple[str, float]:
        return self.rank(text)[0]

    def rank(self, text: str) -> list[tuple[str, float]]:
        return sorted(self.beliefs[text].items(), key=lambda item: -item[1])


@pytest.fixture
def guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_id, "_identifier", Guesses)


@pytest.mark.usefixtures("guesses")
def test_a_side_in_another_language_is_counted_for_each_file(tmp_path: Path) -> None:
    source = ["hello", "hello", "hello", "Dette er norsk", "hallo", "=A1"]
    target = ["hallo", "Voici du texte", "Voici", "hallo", "hallo", "Dette er norsk"]
    raw = raw_source(tmp_path, "raw", source, target)
    out = tmp_path / "train.en", tmp_path / "train.de"
    how = Cleaning(CleaningRules(languages=("en_GB", "deu_Latn")))
    counts = corpus_text.clean_training_text([raw], out, how)
    assert counts["sources"]["raw"]["language"] == counts["language"] == 3
    assert out[1].read_text() == "hallo\nVoici\nDette er norsk\n"


def test_what_language_id_cannot_do_is_told(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    language_id._identifier.cache_clear()
    assert language_id.language_problems(()) == []
    (told,) = language_id.language_problems(("en", "de"))
    assert told.startswith("`--language-id` needs py3langid 0.4: give `pip install '.[")
    request.getfixturevalue("guesses")
    assert language_id.language_problems(("nb_NO", "de")) == []
    (told,) = language_id.language_problems(("en", "tlh"))
    assert told == "`--language-id` knows 5 codes such as de, but not 'tlh'"


@pytest.mark.slow
def test_py3langid_tells_french_from_german_and_leaves_short_lines() -> None:
    pytest.importorskip("py3langid", reason="py3langid is not installed ('.[language-id]')")
    french = "Ce menu contient des commandes qui modifient l'affichage du document."
    german = "Dieses Menü enthält Befehle, die die Anzeige des Dokuments verändern."
    for text, tag, other in (
        (french, "de_DE", True),
        (french, "fra_Latn", False),
        (german, "en", True),
        (german, "de", False),
        ("de plus", "de", False),
        ("=SUMME(A1:B2)", "de", False),
    ):
        assert language_id.is_other_language(text, tag) is other, text


@pytest.mark.slow
def test_every_language_of_py3langid_goes_by_its_own_name() -> None:
    """Cantonese is cut like Chinese, but py3langid tells the two apart."""
    pytest.importorskip("py3langid", reason="py3langid is not installed ('.[language-id]')")
    for tag, other in (("yue", False), ("yue_Hant", False), ("zh", True), ("de", True)):
        assert language_id.is_other_language("佢哋琴日去咗邊度食飯呀？我都唔知。", tag) is other
    labels = language_id._identifier().labels
    assert {label: language_id._label(f"{label}_Xxxx") for label in labels} == {
        label: label for label in labels
    }
    assert {language_id._label(code) for code in languages._SHORT} <= {*labels}


def test_every_third_clean_pair_validates(tmp_path: Path) -> None:
    rows = ["a", "", "b", "a", "c", "d", "e", "f", "g"]  # the second is empty, the fourth repeated
    raw = raw_source(tmp_path, "raw", rows, rows)
    out, valid = ((tmp_path / f"{name}.en", tmp_path / f"{name}.de") for name in ("train", "valid"))
    how = Cleaning(LIMITS, valid_every=3)
    counts = corpus_text.clean_training_text([raw], out, how, valid)
    assert (counts["in"], counts["out"], counts["valid"]) == (9, 5, 2)
    assert out[0].read_text() == "a\nb\nd\ne\ng\n"
    assert valid[1].read_text() == "c\nf\n"


def test_too_few_pairs_to_hold_one_back_is_an_error(tmp_path: Path) -> None:
    raw = raw_source(tmp_path, "raw", ["a", "b"], ["c", "d"])
    out, valid = ((tmp_path / f"{name}.en", tmp_path / f"{name}.de") for name in ("train", "valid"))
    with pytest.raises(UserError, match="`--valid-every` must be at most .* 2, but is 3"):
        corpus_text.clean_training_text([raw], out, Cleaning(LIMITS, valid_every=3), valid)
    assert not any(path.exists() for path in (*out, *valid))


def test_held_out_sources_are_joined(tmp_path: Path) -> None:
    sources = [
        raw_source(tmp_path, name, [name], [name.upper()]) for name in ("tst2010", "tst2011")
    ]
    out = tmp_path / "test.en", tmp_path / "test.de"
    assert corpus_text.copy_held_out_text(sources, out, Cleaning(LIMITS)) == {"in": 2, "out": 2}
    assert out[1].read_text() == "TST2010\nTST2011\n"


def test_rules_count_tokens_where_words_are_cut(tmp_path: Path) -> None:
    raw = raw_source(tmp_path, "raw", ["a b", "(a) b."], ["c d", "c d"])
    out = [tmp_path / f"{folder}.{name}" for folder in ("text", "tokens") for name in ("en", "de")]
    how = Cleaning(LIMITS, tokenise=MosesTokeniser(("en", "de")))
    counts = corpus_text.clean_training_text([raw], out, how)
    assert (counts["length"], counts["out"]) == (1, 1)  # ( a ) b . are five


def test_moses_tokens_are_those_of_the_perl_scripts() -> None:
    # Worked out by hand from the rules of normalize-punctuation.perl and tokenizer.perl
    cut = MosesTokeniser(("en", "de"))
    assert cut("It's “5” o’clock, Mr. X & Zoe.", "Das ist z. B. „gut“, 5\u00a0000 % teuer…") == (
        "It &apos;s &quot; 5 &quot; o &apos;clock , Mr. X &amp; Zoe .",
        "Das ist z. B. &quot; gut &quot; , 5,000 % teuer ...",
    )
    split = MosesTokeniser(("en", "de"), lowercase=True, split_hyphens=True)
    assert split("An E-Mail", "Eine E-Mail") == ("an e @-@ mail", "eine e @-@ mail")
    assert cut("a\x01b", "\u200bc") == ("a b", "c")


@pytest.mark.parametrize("between", "\t\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
def test_separators_keep_words_apart_as_in_moses(between: str) -> None:
    cut = MosesTokeniser(("en", "de"))
    assert cut(f"Hello{between}world\n", f"Hallo{between}Welt\n") == ("Hello world", "Hallo Welt")


def test_moses_knows_a_language_by_any_tag() -> None:
    short = MosesTokeniser(("de", "en"))("Das ist z. B. „gut“, 5\u00a0000.", "It's")
    for tags in (("de_DE", "en-GB"), ("deu_Latn", "eng"), ("DE", "EN")):
        assert MosesTokeniser(tags)("Das ist z. B. „gut“, 5\u00a0000.", "It's") == short
