"""The engine end to end on raw text: idempotence, manifest, bad input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from prepared import use_fake_preprocess

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common import child
from autoassist_fairseq.tools.common.files import sha256
from autoassist_fairseq.tools.dataprep import corpus_text, language_id, subwords
from autoassist_fairseq.tools.dataprep.cleaning import CleaningRules
from autoassist_fairseq.tools.dataprep.command import main
from autoassist_fairseq.tools.dataprep.dictionary import respelled
from autoassist_fairseq.tools.demo_corpus.build import build

Corpus = Mapping[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build(seed=5, sizes={"train": 300, "valid": 20, "test": 20})  # type: ignore[return-value]


@pytest.fixture
def raw(tmp_path: Path, corpus: Corpus) -> Path:
    """A folder with a gzipped file per split and language."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for split, pairs in corpus.items():
        for side, language in enumerate(("en", "de")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"{split}.{language}.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def arguments(raw: Path, *more: str) -> list[str]:
    files = [
        word
        for split in ("train", "valid", "test")
        for word in (f"--{split}", *(str(raw / f"{split}.{name}.gz") for name in ("en", "de")))
    ]
    return [
        *("corpus", "--source-lang", "en", "--target-lang", "de", *files),
        *("--out", str(raw.parent / "out"), "--vocab-size", "300", "--workers", "1", *more),
    ]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fake_preprocess(monkeypatch)


def read_lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def joined(lines: Iterable[str]) -> Iterator[str]:
    """Text of pieces."""
    for line in lines:
        yield line.replace(" ", "").replace("▁", " ").strip()


@pytest.mark.usefixtures("quick")
def test_text_pieces_and_model_belong_together(
    raw: Path, corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(raw)) == 0
    out = raw.parent / "out"
    assert capsys.readouterr().out == f"{out / 'bin'}\n"
    assert read_lines(out / "text" / "test.de") == [pair[1] for pair in corpus["test"]]
    model = sentencepiece.SentencePieceProcessor(model_file=str(out / "subwords" / "joint.model"))
    assert model.get_piece_size() == 300
    pieces = read_lines(out / "pieces" / "test.de")
    assert [model.decode(line.split()) for line in pieces] == [pair[1] for pair in corpus["test"]]


@pytest.mark.usefixtures("quick")
def test_manifest_accounts_for_every_file(raw: Path) -> None:
    with (
        gzip.open(raw / "train.en.gz", "ab") as source,
        gzip.open(raw / "train.de.gz", "ab") as target,
    ):
        source.write(b"\nword\n")
        target.write(b"Wort\n" + b"w " * 10 + b"\n")
    main(arguments(raw))
    out = raw.parent / "out"
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    made = {
        str(path.relative_to(out)): sha256(path)
        for path in out.rglob("*")
        if path.is_file() and path.parts[-2] not in (".steps", "logs") and path.name != ".lock"
    }
    del made["manifest.json"]
    assert manifest["files"] == made
    steps = {step["name"]: step for step in manifest["steps"]}
    counts = steps["text-train"]["counts"]
    assert counts.pop("sources") == {"train-1": counts}
    assert counts == {
        "in": 302,
        "undecodable": 0,
        "empty": 1,
        "length": 0,
        "ratio": 1,
        "copy": 0,
        "language": 0,
        "duplicate": 0,
        "near-duplicate": 0,
        "out": 300,
    }
    assert steps["text-train"]["inputs"] == {
        str(raw / f"train.{name}.gz"): sha256(raw / f"train.{name}.gz") for name in ("en", "de")
    }
    words = sum(len(line.split()) for line in read_lines(out / "pieces" / "train.de"))
    assert steps["pieces-train"]["counts"]["de_tokens"] == words
    assert manifest["options"]["vocab_size"] == 300
    assert {"python", "fairseq", "sentencepiece"} <= manifest["versions"].keys()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("rule", "expected"),
    [("identity", "m² ½ № …"), ("nfkc", "m2 1⁄2 No ..."), ("nmt_nfkc", "m2 1⁄2 No ...")],
)
def test_targets_are_spelled_as_asked(raw: Path, rule: str, expected: str) -> None:
    for split in ("train", "test"):
        for name in ("en", "de"):
            with gzip.open(raw / f"{split}.{name}.gz", "ab") as text:
                text.write(b"some area\n" if name == "en" else "m² ½ № …\n".encode())
    more = [] if rule == "identity" else ["--normalisation", rule]
    main(arguments(raw, *more))
    out = raw.parent / "out"
    assert list(joined(read_lines(out / "pieces" / "test.de")))[-1] == expected
    assert read_lines(out / "text" / "test.de")[-1] == "m² ½ № …"
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["options"]["normalisation"] == rule


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_other_settings_leave_nothing_of_the_earlier_ones(raw: Path) -> None:
    small = ["--vocab-size", "100"]
    main(arguments(raw, *small, "--track", "moses", "--lowercase"))
    given = arguments(raw, *small)
    at = given.index("--test")
    main([*given[:at], *given[at + 3 :]])
    out = raw.parent / "out"
    folders = ("text", "tokens", "pieces", "subwords")
    made = {str(path.relative_to(out)) for name in folders for path in (out / name).glob("*")}
    files = json.loads((out / "manifest.json").read_text("utf-8"))["files"]
    assert made == {name for name in files if not name.startswith("bin/")}
    assert not any("test" in name or "tokens" in name for name in made)


@pytest.mark.usefixtures("quick")
def test_the_users_own_files_stay(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(raw))
    out = raw.parent / "out"
    own = [out / name for name in ("bin/test1.en-de.de.bin", "text/test1.de", "cleaned/notes/a")]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    for size in ("300", "280"):
        capsys.readouterr()
        main(arguments(raw, "--vocab-size", size))
        assert [path.read_text() for path in own] == ["mine"] * 3
        told = "not made here, left as it is: bin/test1.en-de.de.bin, cleaned/notes/a, text/test1.d"
        assert told in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_input_in_a_folder_that_is_filled_is_refused_and_stays(raw: Path) -> None:
    main(arguments(raw))
    out = raw.parent / "out"
    more = [out / "text" / "more.en", raw / "more.de"]
    more[1].symlink_to(out / "cleaned" / "more.de")
    for path in more:
        path.resolve().parent.mkdir(exist_ok=True)
        path.write_text("mine\n")
    told = r"must not lie in .* but .*text/more\.en does; move it; .*raw/more\.de does; move it\."
    with pytest.raises(UserError, match=told):
        main(arguments(raw, "--train", *map(str, more)))
    assert [path.read_text() for path in more] == ["mine\n"] * 2
    assert (out / "manifest.json").exists()


@pytest.mark.usefixtures("quick")
def test_no_draft_stays_of_a_run_that_was_killed(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = raw.parent / "out", list[Path]()
    check_rest = corpus_text._check_rest

    def noted(*given: Any) -> None:
        seen.extend(out.rglob("0"))  # the first column of the draft
        check_rest(*given)

    monkeypatch.setattr(corpus_text, "_check_rest", noted)
    main(arguments(raw))
    (draft,) = seen
    assert not draft.exists()
    draft.parent.mkdir(parents=True)
    draft.write_text("as a kill leaves it")
    main(arguments(raw))  # does no step
    assert not draft.exists() and len(seen) == 1


def steps_done(raw: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    main(arguments(raw, *more))
    lines = capsys.readouterr().err.splitlines()
    return [line.removesuffix(" ...") for line in lines if line.endswith(" ...")]


ALL_STEPS = [
    *("text-valid", "text-test", "text-train", "subwords"),
    *("pieces-train", "pieces-valid", "pieces-test", "binarise"),
]


@pytest.mark.usefixtures("quick")
def test_a_rerun_does_what_has_changed(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert steps_done(raw, capsys) == ALL_STEPS
    assert steps_done(raw, capsys) == []
    assert steps_done(raw, capsys, "--workers", "2") == []
    # The corpus has no such pair: the text is what it was, so that nothing else changes.
    assert steps_done(raw, capsys, "--max-words", "249") == ["text-train"]
    assert steps_done(raw, capsys, "--max-words", "249", "--vocab-size", "280") == ALL_STEPS[3:]
    assert (raw.parent / "out" / "manifest.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_settings_change_nothing_twice(raw: Path) -> None:
    folders = [raw.parent / name for name in ("one", "two")]
    for folder, workers in zip(folders, "12", strict=True):
        main(arguments(raw, "--out", str(folder), "--workers", workers))
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in folders]
    assert manifests[0]["files"] == manifests[1]["files"]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("▁an", ["▁an"]),
        ("▁and", ["▁an", "d"]),
        ("nand", ["n", "and"]),
        ("▁Ü", ["▁", "Ü"]),  # neither is allowed: nothing better can be done
    ],
)
def test_pieces_are_cut_into_the_longest_that_training_shows(
    piece: str, expected: list[str]
) -> None:
    allowed = frozenset(["▁an", "an", "and", "a", "n", "d"])
    assert list(respelled([piece], allowed)) == expected


@pytest.mark.usefixtures("quick")
def test_held_out_text_uses_what_training_shows(raw: Path) -> None:
    main(arguments(raw))
    out = raw.parent / "out"
    shown = Counter(
        piece for name in ("en", "de") for line in read_lines(out / f"pieces/train.{name}")
        for piece in line.split(" ")
    )  # fmt: skip
    entries = [line.rsplit(" ", 1) for line in read_lines(out / "subwords" / "dict.txt")]
    assert (len(entries) + 4) % 8 == 0
    counts = {piece: int(count) for piece, count in entries}
    assert {piece: count for piece, count in counts.items() if count} == shown
    # What training does not show: single characters, and what fairseq fills up with.
    unseen = [piece for piece, count in counts.items() if not count]
    assert all(len(piece) == 1 or piece.startswith("madeupword") for piece in unseen)
    model = sentencepiece.SentencePieceProcessor(model_file=str(out / "subwords" / "joint.model"))
    hidden = {model.id_to_piece(index) for index in range(3, 300)} - counts.keys()
    assert hidden  # pieces of the model that its own training text never shows
    for name in ("en", "de"):
        used = {piece for line in read_lines(out / f"pieces/test.{name}") for piece in line.split()}
        assert not used & hidden
        assert all(len(piece) == 1 for piece in used - counts.keys())


BAD_OPTIONS = [
    (["--vocab-size", "0"], "`--vocab-size` must be at least 4, but is 0"),
    (["--max-ratio", "0.5"], "`--max-ratio` must be at least 1, but is 0.5"),
    (["--workers", "0", "--valid-every", "1"], "`--workers` .* 0; `--valid-every` .* 1; Valid"),
    (["--character-coverage", "0.5"], r"`--character-coverage` must be in \[0.98, 1\], but is 0.5"),
    (["--normalisation", "nfkc", "--track", "moses"], "`--normalisation` needs `--track raw`"),
    (["--keep-duplicates", "--near-duplicates"], "`--near-duplicates` .* `--keep-duplicates` is"),
    (["--language-id"], "`--language-id` needs py3langid 0.4: give `pip install"),
    (["--lowercase"], "`--lowercase` needs `--track moses`, but the track is raw"),
    (["--target-lang", "../x"], "A language must be of letters, .* but is '../x'"),
    (["--target-lang", "en"], "languages? must differ, but both are 'en'"),
]


@pytest.mark.parametrize(("options", "sentence"), BAD_OPTIONS)
def test_bad_options_write_nothing(
    raw: Path, options: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    language_id._identifier.cache_clear()
    with pytest.raises(UserError, match=sentence):
        main(arguments(raw, *options))
    assert not (raw.parent / "out").exists()


@pytest.mark.parametrize(
    ("size", "sentence"),
    [("20000", r"must be at most [\d,]+ for this text, but is 20,000"), ("5", "must be at least")],
)
def test_vocabulary_that_the_data_does_not_allow(raw: Path, size: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"`--vocab-size` {sentence}"):
        main(arguments(raw, "--vocab-size", size))
    assert not (raw.parent / "out" / "subwords" / "joint.model").exists()


def test_the_size_that_the_message_names_is_allowed(tmp_path: Path) -> None:
    # 12 letters, 4 other symbols
    text = subwords.word_counts(["some words to learn from", "and some more words"] * 5)
    with pytest.raises(UserError) as error:
        subwords.learn(text, tmp_path / "m", kind="bpe", vocab_size=9999)
    allowed = int(str(error.value).split("at most ")[1].split(" ")[0].replace(",", ""))
    subwords.learn(text, tmp_path / "m", kind="bpe", vocab_size=allowed)
    with pytest.raises(UserError) as error:
        subwords.learn(text, tmp_path / "m", kind="bpe", vocab_size=5)
    least = int(str(error.value).split("at least ")[1].split(" ")[0])
    assert least == 16
    subwords.learn(text, tmp_path / "m", kind="bpe", vocab_size=least)


def test_all_missing_files_are_named(raw: Path) -> None:
    (raw / "train.de.gz").unlink()
    (raw / "valid.en.gz").unlink()
    with pytest.raises(
        UserError, match=r"train\.de\.gz is not there, .*valid\.en\.gz is not there"
    ):
        main(arguments(raw))
    assert not (raw.parent / "out").exists()


def test_validation_text_must_come_from_somewhere(raw: Path) -> None:
    given = arguments(raw)
    at = given.index("--valid")
    without = [*given[:at], *given[at + 3 :]]
    with pytest.raises(
        UserError, match="needs validation text: give files of it or `--valid-every`"
    ):
        main(without)
    with pytest.raises(UserError, match="or by `--valid-every`, but both are given"):
        main([*given, "--valid-every", "10"])


def test_a_mistyped_option_shows_the_usage_of_its_corpus(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*arguments(raw), "--vocab-sise", "9"])
    said = capsys.readouterr().err
    assert said.startswith("usage: autoassist prepare corpus ") and "--vocab-size" in said
    assert said.endswith("error: unrecognized arguments: --vocab-sise 9\n")


def test_faults_of_small_splits_are_told_before_training_text_is_cleaned(raw: Path) -> None:
    (raw / "test.en.gz").write_bytes(gzip.compress(b"\n" * 20))
    with pytest.raises(UserError, match=r"test\.en"):
        main(arguments(raw))
    assert not (raw.parent / "out" / "text" / "train.en").exists()


def test_a_folder_with_other_files_is_refused(raw: Path) -> None:
    out = raw.parent / "out"
    (out / "text").mkdir(parents=True)
    (out / "text" / "train.en").write_text("mine")
    with pytest.raises(UserError, match="holds other files; choose another folder"):
        main(arguments(raw))
    assert (out / "text" / "train.en").read_text() == "mine"
    with pytest.raises(UserError, match="must be a folder, but .* is a file"):
        main(arguments(raw, "--out", str(out / "text" / "train.en")))
    for name in ("en,de", "en:de"):  # fairseq would take them for two
        with pytest.raises(UserError, match=f"`--out` must be without .* but is .*/{name}"):
            main(arguments(raw, "--out", str(raw.parent / name)))
        assert not (raw.parent / name).exists()


@pytest.mark.usefixtures("quick")
def test_bad_text_leaves_an_earlier_result_as_it_was(raw: Path) -> None:
    main(arguments(raw))
    out = raw.parent / "out"
    before = {path: sha256(path) for path in out.glob("*/*") if path.parts[-2] != ".steps"}
    (raw / "train.en.gz").write_bytes(gzip.compress(b"one line\n"))
    with pytest.raises(UserError, match="ends after line 1 and"):
        main(arguments(raw))
    assert {path: sha256(path) for path in before} == before
    assert not (out / "manifest.json").exists()  # it would not be true of what is asked for now


@pytest.mark.slow
def test_a_program_that_fails_names_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    with pytest.raises(UserError, match=r"`fairseq-preprocess` failed with status 2 .*--no-such"):
        child.run_logged("fairseq-preprocess", ["--no-such-flag"], log, filling=tmp_path)


def test_programs_read_and_write_utf_8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0"), ("LC_ALL", "C")):
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", "print('\u00fc')"]
    out = subprocess.run(command, env=child.environment(), capture_output=True, check=True)
    assert out.stdout.decode("utf-8") == "ü\n"


def test_a_program_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match="`fairseq-train` must be installed beside .*make setup"):
        child.program("fairseq-train")


def test_default_rules_are_conservative() -> None:
    limits = CleaningRules(max_words=250, max_ratio=9.0, drop_duplicates=True, drop_copies=True)
    assert CleaningRules() == limits


@pytest.mark.usefixtures("quick")
def test_sentences_that_were_copied_go_unless_they_are_asked_for(raw: Path) -> None:
    for name in ("en", "de"):
        with gzip.open(raw / f"train.{name}.gz", "ab") as text:
            text.write(b"nobody translated this line\nJohann Sebastian Bach\n")
    kept = []
    for more in ((), ("--keep-copies",)):
        main(arguments(raw, *more))
        lines = read_lines(raw.parent / "out" / "text" / "train.de")
        kept.append([line for line in lines if "nobody" in line or "Bach" in line])
    assert kept[0] == ["Johann Sebastian Bach"]
    assert kept[1] == ["nobody translated this line", "Johann Sebastian Bach"]


@pytest.mark.slow
def test_fairseq_reads_back_what_was_written(raw: Path, corpus: Corpus) -> None:
    main(arguments(raw))
    from fairseq.data import Dictionary, data_utils

    folder = raw.parent / "out" / "bin"
    dictionary = Dictionary.load(str(folder / "dict.de.txt"))
    data = data_utils.load_indexed_dataset(str(folder / "test.en-de.de"), dictionary)
    lines = [dictionary.string(data[index]) for index in range(len(data))]
    # A character that training never shows is the one thing that cannot be spelled.
    known = {character for pair in corpus["train"] for text in pair for character in text}
    expected = [
        "".join(character if character in known else "<unk>" for character in pair[1])
        for pair in corpus["test"]
    ]
    assert list(joined(lines)) == expected
