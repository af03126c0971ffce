"""From fairseq-generate's output and file names back to plain text in the data's order."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import sentencepiece

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.scoring.generated import (
    Track,
    check_flags,
    find_model,
    load_sentencepiece,
    plain_text,
    read_generated,
    words,
)
from autoassist_fairseq.tools.scoring.split import Split, find_split

# Pair 1 comes first and with two hypotheses, as --nbest 2 prints them
OUTPUT = """\
2026-11-21 03:05:33 | INFO | fairseq_cli.generate | loading model(s)
S-1\t▁zwei
T-1\t▁two\t▁tabs
H-1\t-0.5\t▁two ▁cat s
D-1\t-0.5\t▁two ▁cat s
P-1\t-0.1 -0.2
H-1\t-0.9\t▁wrong
S-0\t▁eins
T-0\t▁one
H-0\t-0.25\t▁one ▁H-7
D-0\t-0.25\t▁one
P-0\t-0.1
Generate test with beam=4: BLEU4 = 1.0
"""


def test_best_hypotheses_in_the_order_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "out").write_text(OUTPUT, encoding="utf-8")
    generated = read_generated(tmp_path / "out")
    assert generated.hypotheses == ["▁one ▁H-7", "▁two ▁cat s"]
    assert generated.targets == ["▁one", "▁two\t▁tabs"]


def test_an_empty_hypothesis_is_one(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("S-0\ta\nT-0\tb\nH-0\t-1.5\t\n", encoding="utf-8")
    assert read_generated(tmp_path / "out").hypotheses == [""]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing here\n", "must hold `H-` lines"),
        (
            "T-0\ta\nH-0\t-1\tb\nT-1\ta\nT-2\ta\nH-2\t-1\tb\n",
            "each of 3 pairs, but lacks 1; generate",
        ),
    ],
)
def test_output_with_gaps(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "out").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_generated(tmp_path / "out")


@pytest.mark.parametrize(
    ("track", "line", "expected"),
    [
        ("moses", "Ein Klein@@ betrieb , &quot; ja &quot; .", 'Ein Kleinbetrieb, "ja".'),
        ("moses", "end@@", "end"),
        ("none", "Ein Hund , ja", "Ein Hund , ja"),
    ],
)
def test_plain_text(track: Track, line: str, expected: str) -> None:
    assert plain_text([line, ""], track, "de", None) == [expected, ""]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--beam 5 --remove-bpe=sentencepiece", "leave --remove-bpe out, since .* decoded twice"),
        ("--post-process sentencepiece", "has --post-process; `--detokenise` says"),
        ("--gen-subset valid", "leave --gen-subset out, so that this tool"),
        ("-t de", "leave -t out"),
        ("-tde", "leave -tde out"),
        ("--cpu --path=other.pt", "leave --path out"),
        ("--results-path here", "leave --results-path out"),
        ("--model-overrides [4]", r"have --model-overrides that are a dict, .* has '\[4\]'; mend"),
        ("--model-overrides={'a':", "have --model-overrides that are a dict"),
    ],
)
def test_flags_that_change_what_the_output_is(flags: str, said: str) -> None:
    check_flags(["--cpu", "--nbest", "2", "--beam=5"], "--")
    with pytest.raises(
        UserError, match=f"^`--generate` must {'' if said[:5] in 'leave have ' else '.*'}{said}"
    ):
        check_flags(flags.split(), "--generate")


def test_tokens_of_the_moses_track_keep_their_escapes() -> None:
    assert words(["Klein@@ be@@ trieb &quot; ."], "moses") == ["Kleinbetrieb &quot; ."]


def test_sentencepiece_decodes_what_it_encoded(tmp_path: Path) -> None:
    lines = ["Zwei Kinder spielen, im Haus.", "Ein  roter Ball (4,5 km)."]
    corpus = tmp_path / "corpus"
    corpus.write_text("\n".join(lines * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / "m"), vocab_size=30, minloglevel=2
    )
    processor = load_sentencepiece(tmp_path / "m.model")
    pieces = [" ".join(processor.encode(line, out_type=str)) for line in lines]
    plain = [line.replace("  ", " ") for line in lines]
    assert plain_text(pieces, "sentencepiece", "de", tmp_path / "m.model") == plain
    unknown = plain_text(["▁Ball <unk>"], "sentencepiece", "de", tmp_path / "m.model")
    assert "<unk>" not in unknown[0]

    def found(symbols: str, track: Track = "sentencepiece") -> Path | None:
        text = "".join(f"{symbol} 9\n" for symbol in symbols.split())
        (tmp_path / "dict.de.txt").write_text(text, encoding="utf-8")
        return find_model(tmp_path, "de", tmp_path / "m.model", track)

    assert found("▁ a b madeupword0000") == tmp_path / "m.model"
    assert found("i e n r t") == tmp_path / "m.model"  # single words may have no mark
    assert found("Ein Hund kl@@ ein", "moses") is None
    assert found("Ein Hund klein", "none") is None
    with pytest.raises(UserError, match=r"needs a corpus of the pieces of .*holds few of them"):
        found("Ein Hund klein a")
    with pytest.raises(UserError, match=r"1 of 4 symbols are marked @@; give `--detokenise moses`"):
        found("Ein Hund kl@@ ein")
    for track in ("moses", "none"):
        with pytest.raises(UserError, match="marked ▁; give `--detokenise sentencepiece`"):
            found("▁Ein ▁Hund klein", track)  # type: ignore[arg-type]


def test_a_model_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("no model")
    for path in (tmp_path / "bad", tmp_path / "missing"):
        with pytest.raises(UserError, match=f"`--spm` {path} must be a sentencepiece model"):
            load_sentencepiece(path)


def split_files(folder: Path, *names: str) -> Path:
    for name in names:
        header = struct.pack("<9sQBQ", b"MMIDIDX\x00\x00", 1, 4, 1000)
        (folder / name).write_bytes(header + bytes(16))
    return folder


@pytest.mark.parametrize(
    ("pair", "source", "target", "expected"),
    [
        ("en-de", None, None, ("en", "de")),
        ("de-en", None, None, ("de", "en")),
        ("en-de", "en", None, ("en", "de")),
        ("en-de", "de", None, ("de", "en")),
        ("en-de", None, "en", ("de", "en")),
        ("en-de", "de", "en", ("de", "en")),
    ],
)
def test_languages_come_from_the_file_names(
    tmp_path: Path, pair: str, source: str | None, target: str | None, expected: tuple[str, str]
) -> None:
    split_files(tmp_path, *(f"test.{pair}.{language}.idx" for language in pair.split("-")))
    assert find_split(tmp_path, "test", source, target) == Split(*expected, 1000)


@pytest.mark.parametrize("pair", [("en", "zh-Hans"), ("zh-Hans", "en"), ("sr-Latn", "sr-Cyrl")])
def test_a_tag_may_hold_a_hyphen(tmp_path: Path, pair: tuple[str, str]) -> None:
    split_files(tmp_path, *(f"test.{'-'.join(pair)}.{language}.idx" for language in pair))
    assert find_split(tmp_path, "test") == Split(*pair, 1000)
    assert find_split(tmp_path, "test", target=pair[0]) == Split(*pair[::-1], 1000)


@pytest.mark.parametrize(("name", "target"), [("test", "fr"), ("test1", None), ("tes", None)])
def test_no_such_split(tmp_path: Path, name: str, target: str | None) -> None:
    split_files(tmp_path, "test.en-de.en.idx", "test.en-de.de.idx")
    with pytest.raises(UserError, match=f"must hold a binarised `{name}` split"):
        find_split(tmp_path, name, target=target)


def test_several_language_pairs_must_be_told_apart(tmp_path: Path) -> None:
    names = [f"test.{pair}.{side}.idx" for pair in ("en-de", "en-fr") for side in pair.split("-")]
    split_files(tmp_path, *names)
    with pytest.raises(UserError, match=r"`test` split is of en-de and en-fr; name yours"):
        find_split(tmp_path, "test")
    assert find_split(tmp_path, "test", target="fr") == Split("en", "fr", 1000)
    assert find_split(tmp_path, "test", source="de") == Split("de", "en", 1000)


def test_an_index_of_another_kind_has_an_unknown_number_of_pairs(tmp_path: Path) -> None:
    (tmp_path / "test.en-de.de.idx").write_bytes(b"TNTIDX")
    assert find_split(tmp_path, "test") == Split("en", "de", None)
