"""evaluate.sh: mistakes are found before minutes of translating; the steps fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_score_generated import split_files
from translations import REFERENCE

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import locked
from autoassist_fairseq.tools.common.words import split_at_dashes
from autoassist_fairseq.tools.scoring.evaluate import main
from autoassist_fairseq.tools.scoring.layout import sentencepiece_model
from autoassist_fairseq.tools.scoring.text import moses_tokens


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    split_files(tmp_path / "bin", "test.en-de.en.idx", "test.en-de.de.idx")
    (tmp_path / "run").mkdir()
    (tmp_path / "c:d").mkdir()
    (tmp_path / "ref").write_text(REFERENCE * 125, encoding="utf-8")
    (tmp_path / "short").write_text(REFERENCE, encoding="utf-8")
    tokens = "\n".join(moses_tokens(REFERENCE.splitlines(), "de"))
    (tmp_path / "tokens").write_text(tokens, encoding="utf-8")
    return tmp_path


def needs_torch(arguments: list[str], said: str) -> Any:
    """A row among the slow tests, since loading PyTorch takes longer than the others together."""
    return pytest.param(arguments, said, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--", "--remove-bpe=sentencepiece"], "^`--` must leave --remove-bpe out"),
        ([], "`--spm` is missing"),
        (["--detokenise", "sentencepiece"], "`--spm` is missing"),
        (["--spm", "ref"], "`--spm` .*ref must be a sentencepiece model"),
        (["--detokenise", "none", "--ref", "tokens"], "must be plain text"),
        (["--detokenise", "none", "--ref", "short"], "short has 8, `--gen-subset` test has 1000"),
        (["--detokenise", "none", "--baseline", "gone"], "`--baseline` gone must be a readable"),
        (["--detokenise", "none", "--baseline", "short"], "`--baseline` short has 8"),
        (["--detokenise", "none", "--gen-subset", "valid"], "must hold a binarised `valid` split"),
        (["--detokenise", "none", "--checkpoints", "gone"], "gone must exist"),
        (["--detokenise", "none", "--checkpoints", "ref"], "but ref is another file; give"),
        (["--detokenise", "none", "--ref", "-"], "`--ref` must be a file, .* but - is no file"),
        (["--out", "a:b"], "`--out` must be without `:`, at which .*, but is a:b"),
        (["--checkpoints", "c:d"], "`--checkpoints` must be without `:`, .* is c:d; choose"),
        (
            ["--detokenise", "none", "--baseline", "pipe"],
            "`--baseline` must .* pipe is no file",
        ),
        needs_torch(["--detokenise", "none"], "^`--average` 10 asks for more epoch"),
        needs_torch(["--detokenise", "none", "--best", "3"], "^`--best` 3 asks for more than the"),
        (
            ["--detokenise", "none", "--best", "3", "--checkpoints", "ref"],
            "`--best` needs a folder",
        ),
        needs_torch(["--detokenise", "none", "--updates", "2"], "^`--updates` 2 asks for more"),
    ],
)
def test_mistakes(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(corpus)
    os.mkfifo("pipe")
    monkeypatch.setattr(subprocess, "Popen", lambda *_: pytest.fail("translated all the same"))
    with pytest.raises(UserError, match=said):
        main(["bin", "--checkpoints", "run", "--ref", "ref", *arguments])


def test_a_place_that_cannot_be_written_to_is_one_sentence(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus)
    command = ["bin", "--checkpoints", "run", "--ref", "ref", "--detokenise", "none"]
    with pytest.raises(UserError, match="could not be read or written at ref/out"):
        main([*command, "--out", "ref/out"])


def test_what_follows_the_dashes_is_not_ours() -> None:
    assert split_at_dashes(["a", "--", "--cpu", "--", "b"]) == (["a"], ["--cpu", "--", "b"])
    assert split_at_dashes(["a"]) == (["a"], [])


PYTHON = sys.executable
FAKE = """\
#!{python}
import sys
print("loading", file=sys.stderr)
print("options", *sys.argv[1:])
for pair in reversed(range(1000)):
    print(f"T-{{pair}}\\tEin Klein@@ betrieb , ja .")
    print(f"H-{{pair}}\\t-0.5\\tEin Klein@@ betrieb , {{'no' if pair % 2 else 'ja'}} .")
    print(f"D-{{pair}}\\t-0.5\\tx")
sys.exit({status} and print("RuntimeError: out of luck", file=sys.stderr) or {status})
"""


@pytest.fixture
def generate(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for fairseq-generate; `status` in its text is how it ends."""
    tool = corpus / "fairseq-generate"
    tool.write_text(FAKE.format(python=PYTHON, status=0))
    tool.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(corpus / "python"))
    (corpus / "run" / "model.pt").write_text("PK")
    (corpus / "ref").write_text("Ein Kleinbetrieb, ja.\n" * 1000, encoding="utf-8")
    monkeypatch.chdir(corpus)
    return tool


# The languages are given, for the stand-in of a checkpoint does not tell them.
RUN = ["bin", "--checkpoints", "run/model.pt", "--source-lang", "en", "--detokenise", "moses"]
COMMAND = [*RUN, "--ref", "ref"]


def test_the_chain_on_the_moses_track(
    generate: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--beam", "5", "--", "--max-len-b", "7"]) == 0
    out = corpus / "run" / "evaluation"
    said = (out / "generate-test.txt").read_text().splitlines()
    assert (
        "options bin --path run/model.pt --gen-subset test --source-lang en --target-lang de "
        "--beam 5 --lenpen 0.6 --max-tokens 4000 --max-len-b 7"
    ) in said
    plain = (out / "hypotheses.txt").read_text().splitlines()
    assert plain[:3] == ["Ein Kleinbetrieb, ja.", "Ein Kleinbetrieb, no.", "Ein Kleinbetrieb, ja."]
    assert (out / "reference.tok").read_text().splitlines()[0] == "Ein Kleinbetrieb , ja ."
    figures = capsys.readouterr().out
    # one token of ten differs: precisions 9/10, 6/8, 4/6, 2/4; (9/40)^(1/4) = 0.6887
    assert figures.count(" 68.87   90.0/75.0/66.7/50.0 (BP = 1.000") == 3
    assert "pre:as-given+compounds" in figures


@pytest.mark.slow
@pytest.mark.parametrize("place", ["run", "run/checkpoint_last.pt"])
def test_the_languages_are_those_of_the_run(generate: Path, corpus: Path, place: str) -> None:
    import torch

    task = {"source_lang": "de", "target_lang": "en"}
    state = {"cfg": {"task": task}, "model": {"weight": torch.zeros(1)}}
    for name in ("checkpoint1.pt", "checkpoint_last.pt"):
        torch.save(state, corpus / "run" / name)
    average = ["--average", "1"] if place == "run" else []
    command = ["bin", "--checkpoints", place, "--detokenise", "moses", *average]
    with pytest.raises(UserError, match="`--ref` is missing: give the plain en text"):
        main(command)
    assert main([*command, "--ref", "ref"]) == 0
    said = (corpus / "run" / "evaluation" / "generate-test.txt").read_text()
    assert " --source-lang de --target-lang en " in said


@pytest.mark.slow
def test_references_of_the_moses_track_have_no_unknown_symbols(
    generate: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = generate.read_text().replace("\\tEin Klein@@ betrieb , ja", "\\tEin Kl@@ <<unk>> , ja")
    generate.write_text(text)
    assert main(COMMAND) == 0
    said = capsys.readouterr()
    assert "1000 lines of the reference hold symbols that the dictionary lacks" in said.err
    assert said.out.count(" 68.87 ") == 3 and "pre:sacremoses" in said.out
    assert not (corpus / "run" / "evaluation" / "reference.tok").exists()
    (corpus / "tokens").unlink()
    (corpus / "tokens").mkdir()
    (corpus / "tokens" / "test.de").write_text("Ein Kleinbetrieb , ja .\n" * 1000)
    assert main(COMMAND) == 0
    said = capsys.readouterr()
    assert "warning" not in said.err and said.out.count(" 68.87 ") == 3
    assert "pre:as-given" in said.out


def test_a_failing_generate_is_one_sentence(generate: Path, corpus: Path) -> None:
    generate.write_text(FAKE.format(python=PYTHON, status=3).replace("out of", "no"))
    with pytest.raises(UserError, match=r"status 3 \(RuntimeError: no luck\); .*generate-test.txt"):
        main(COMMAND)
    assert not (corpus / "run" / "evaluation" / "hypotheses.txt").exists()


def test_a_folder_in_which_another_evaluates_is_left_alone(generate: Path, corpus: Path) -> None:
    theirs = corpus / "run" / "evaluation" / "generate-test.txt"
    with locked(theirs.parent):
        theirs.write_text("half")
        with pytest.raises(UserError, match="^`--out` .* another run is working in run/evaluation"):
            main(COMMAND)
    assert theirs.read_text() == "half"


def test_a_missing_fairseq_names_the_remedy(generate: Path) -> None:
    generate.unlink()
    with pytest.raises(UserError, match="run `make setup`"):
        main(COMMAND)


def test_what_data_prep_left_is_found(
    generate: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"`--ref` is missing: .* only as .*/text/test.de"):
        main(RUN)
    (corpus / "text").mkdir()
    (corpus / "ref").rename(corpus / "text" / "test.de")
    assert main(RUN) == 0
    assert capsys.readouterr().out.count(" 68.87 ") == 3


@pytest.mark.parametrize("option", ["--baseline", "--ref"])
def test_what_will_be_written_over_is_neither_baseline_nor_reference(
    generate: Path, corpus: Path, option: str
) -> None:
    out = corpus / "run" / "evaluation"
    out.mkdir()
    before = (corpus / "ref").read_text()
    (out / "hypotheses.txt").write_text(before)
    (corpus / "link").symlink_to(out / "hypotheses.txt")
    generate.write_text("#!/bin/sh\nexit 1\n")
    for name in ("run/evaluation/hypotheses.txt", "link"):
        with pytest.raises(
            UserError, match=f"^`{option}` .* {name} would .*; give another `--out`"
        ):
            main([*COMMAND, option, name])
    assert (out / "hypotheses.txt").read_text() == before
    assert sorted(path.name for path in out.iterdir()) == ["hypotheses.txt"]


def test_translations_of_another_split_bear_its_name(
    generate: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split_files(corpus / "bin", "test1.en-de.en.idx", "test1.en-de.de.idx")
    assert main([*COMMAND]) == 0
    out = corpus / "run" / "evaluation"
    before = (out / "hypotheses.txt").read_text()
    generate.write_text(generate.read_text().replace("'no'", "'ja'"))
    capsys.readouterr()
    assert main([*COMMAND, "--gen-subset", "test1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subset"] == "test1"
    assert (out / "hypotheses.txt").read_text() == before
    assert (out / "hypotheses-test1.txt").read_text() == "Ein Kleinbetrieb, ja.\n" * 1000
    for name in ("generate-test1.txt", "hypotheses-test1.tok", "reference-test1.tok"):
        assert (out / name).is_file()


def test_a_baseline_elsewhere_is_compared_with(
    generate: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(COMMAND) == 0
    generate.write_text(generate.read_text().replace("'no'", "'ja'"))
    baseline = ["--baseline", "run/evaluation/hypotheses.txt"]
    assert main([*COMMAND, *baseline, "--out", "other"]) == 0
    assert "BLEU against the baseline: 100.00 (± 0.00) beside 68.87" in capsys.readouterr().out


def test_the_prepared_model_is_found(corpus: Path) -> None:
    assert sentencepiece_model(corpus / "bin", None) is None
    (corpus / "subwords").mkdir()
    (corpus / "subwords" / "joint.model").write_text("")
    assert sentencepiece_model(corpus / "bin", None) == corpus / "subwords" / "joint.model"
    assert sentencepiece_model(corpus / "bin", Path("mine")) == Path("mine")
