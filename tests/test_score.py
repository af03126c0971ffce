"""Scores against sacreBLEU's own command line, multi-bleu.perl and fairseq-score."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import sacremoses
from translations import (
    BASELINE,
    MULTI_BLEU,
    PAIRED,
    REFERENCE,
    SACREBLEU,
    SACREBLEU_SIGNATURES,
    SYSTEM,
)

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.scoring.command import main
from autoassist_fairseq.tools.scoring.text import moses_tokens


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    texts = {"ref": REFERENCE, "sys": SYSTEM, "base": BASELINE}
    for name, text in list(texts.items()):
        texts[f"{name}.tok"] = "".join(f"{t}\n" for t in moses_tokens(text.splitlines(), "de"))
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {name: str(tmp_path / name) for name in texts}


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_the_figures_are_those_of_the_named_tools(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    result = report(capsys, "--sys", files["sys"], "--ref", files["ref"], "--chrf", "--ter")
    figures = {figure["key"]: figure for figure in result["figures"]}
    assert list(figures) == ["sacrebleu", "tokenised", "compound_split", "chrf", "ter"]
    scores = {key: figure["score"] for key, figure in figures.items()}
    assert scores == pytest.approx(SACREBLEU | MULTI_BLEU, abs=1e-5)
    for key, signature in SACREBLEU_SIGNATURES.items():
        assert figures[key]["signature"] == signature + sacrebleu.__version__
    assert figures["tokenised"]["signature"].endswith(
        f"|pre:sacremoses-{sacremoses.__version__}.de"
    )
    assert figures["compound_split"]["signature"].endswith(".de+compounds")
    assert "tok:none|smooth:none" in figures["compound_split"]["signature"]
    assert result["pairs"] == 8


def test_given_tokens_are_taken_as_they_are(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = ("--tokenised-sys", files["sys.tok"], "--tokenised-ref", files["ref.tok"])
    result = report(capsys, *tokens)
    scores = {figure["key"]: figure["score"] for figure in result["figures"]}
    assert scores == pytest.approx(MULTI_BLEU, abs=1e-5)
    assert all("|pre:as-given" in figure["signature"] for figure in result["figures"])


def test_paired_bootstrap_is_that_of_sacrebleu(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    result = report(
        capsys, "--sys", files["sys"], "--ref", files["ref"], "--baseline", files["base"],
        "--chrf", "--ter",
    )  # fmt: skip
    found = {c["metric"]: c for c in result["comparisons"]}
    assert set(found) == set(PAIRED)
    for name, (baseline, system, p_value) in PAIRED.items():
        for values, expected in (
            (found[name]["baseline"], baseline),
            (found[name]["system"], system),
        ):
            assert (values["score"], values["mean"], values["ci"]) == pytest.approx(
                expected, abs=1e-4
            )
        assert found[name]["p_value"] == pytest.approx(p_value, abs=1e-4)
        assert "bs:1000|seed:12345" in found[name]["signature"]


def test_equal_systems_do_not_differ(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("--sys", files["sys"], "--ref", files["ref"], "--baseline", files["sys"])
    found = report(capsys, *command, "--bootstrap-samples", "50", "--chrf")["comparisons"]
    assert [comparison["p_value"] for comparison in found] == [1.0, 1.0]


def test_text_report_labels_every_figure_and_signs_it(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--sys", files["sys"], "--ref", files["ref"], "--baseline", files["base"]])
    lines = capsys.readouterr().out.splitlines()
    scores = [line for line in lines if not line.startswith(" ")]
    assert [re.sub(r"\s+", " ", line)[:52] for line in scores] == [
        "detokenised BLEU (sacreBLEU): 63.07 84.5/70.8/56.8/4",
        "tokenised BLEU (multi-bleu): 60.96 83.9/69.4/54.5/43",
        "tokenised BLEU, compounds split at hyphens: 65.41 85",
        "BLEU against the baseline: 63.07 (± 7.71) beside 46.",
    ]
    signatures = [line for line in lines if line.startswith("    nrefs:1|")]
    assert len(signatures) == len(scores)
    assert scores[-1].endswith("(± 9.39), p = 0.0010")


def test_a_tokenised_reference_is_refused_with_the_reason(files: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"ref.tok must be plain text, since sacreBLEU tokenises"):
        main(["--sys", files["sys"], "--ref", files["ref.tok"]])


def test_lower_case_beside_a_cased_reference_is_in_doubt(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lower, numbers = tmp_path / "lower", tmp_path / "numbers"
    lower.write_text(REFERENCE.lower(), encoding="utf-8")
    found = report(capsys, "--sys", str(lower), "--ref", files["ref"], "--chrf", "--ter")["figures"]
    doubted = {f["key"] for f in found if "; the hypotheses are in lower case" in f["label"]}
    assert doubted == {"sacrebleu", "tokenised", "compound_split", "chrf"}  # sacreBLEU's TER folds
    assert {f["key"] for f in found if "|doubt:hypotheses-in-l" in f["signature"]} == doubted
    assert "lower-case the reference too" in found[0]["label"] and found[0]["score"] < 50
    # Neither where the reference has no case, nor where the translations have, or are empty
    numbers.write_text("我有 2 只猫。\n" * 8)
    (tmp_path / "nothing").write_text("\n" * 8)
    cased = ((name, files["ref"]) for name in (files["sys"], tmp_path / "nothing", numbers))
    for system, ref in ((lower, str(lower)), (numbers, str(numbers)), *cased):
        found = report(capsys, "--sys", str(system), "--ref", ref)["figures"]
        assert not any("lower" in figure["label"] for figure in found)


def test_a_plain_reference_that_looks_tokenised_is_scored_and_labelled(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spaced").write_text("Il a dit &quot;oui&quot; , puis non .\n" * 8)
    command = ("--sys", str(tmp_path / "spaced"), "--ref", str(tmp_path / "spaced"))
    with pytest.raises(UserError, match="add `--plain-ref`"):
        main([*command])
    figure = report(capsys, *command, "--plain-ref")["figures"][0]
    assert figure["score"] == pytest.approx(100)
    assert "; the reference looks tokenised: Moses escapes" in figure["label"]
    assert figure["signature"].endswith("|doubt:reference-looks-tokenised")
    sound = report(capsys, "--sys", files["sys"], "--ref", files["ref"], "--plain-ref")["figures"]
    assert sound[0]["label"] == "detokenised BLEU (sacreBLEU)"


# Three sentences of 12, 8 and 10 characters; one character of the first is another.
CHINESE = ["我有一只猫它很喜欢吃鱼。", "天气很好我去公园。", "火车明天早上七点开。"]
OTHER = ["我有一只狗它很喜欢吃鱼。", *CHINESE[1:]]


@pytest.mark.slow  # Moses' rules for Chinese take seconds to set up
@pytest.mark.parametrize("tag", ["zh", "zh_CN", "zh-Hans", "ZH", "zho_Hans"])
def test_chinese_is_cut_into_characters_however_its_tag_is_written(
    tag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in (("ref.zh", CHINESE), ("sys.zh", OTHER)):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    command = ("--sys", str(tmp_path / "sys.zh"), "--ref", str(tmp_path / "ref.zh"), "--ter")
    figures = {f["key"]: f for f in report(capsys, *command, "--lang", tag)["figures"]}
    # 31 characters, one wrong: 30/31 unigrams, and 2, 3, 4 of the n-grams through it
    precisions = [30 / 31, 26 / 28, 22 / 25, 18 / 22]
    expected = 100 * math.prod(precisions) ** 0.25
    assert figures["sacrebleu"]["score"] == pytest.approx(expected, abs=1e-6)
    assert "doubt" not in figures["sacrebleu"]["signature"]
    assert figures["ter"]["score"] == pytest.approx(100 / 31)
    assert figures["tokenised"]["label"].endswith("; 100% of the lines are one token each")
    assert report(capsys, *command)["figures"][0] == {**figures["sacrebleu"]}  # as ref.zh says
    german = report(capsys, *command, "--lang", "de")["figures"]
    assert all("one token each" in f["label"] for f in german if f["key"] in ("sacrebleu", "ter"))


def test_a_tokenised_system_is_only_told(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--sys", files["sys.tok"], "--ref", files["ref"]])
    assert "warning: `--sys` " in capsys.readouterr().err
    main(["--sys", files["sys"], "--ref", files["ref"]])
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to score"),
        (["--sys", "sys"], "`--sys` and `--ref` go together"),
        (["--ref", "ref"], "`--sys` and `--ref` go together"),
        (["--sys", "sys", "--ref", "ref", "--tokenised-sys", "sys.tok"], "go together: give both"),
        (["--tokenised-sys", "sys.tok", "--tokenised-ref", "ref.tok", "--ter"], "need plain text"),
        (["--sys", "sys", "--ref", "none"], "`--ref` .*none must be a readable file"),
        (["--sys", "short", "--ref", "ref"], "`--sys` .*short has 2, `--ref` .*ref has 8"),
        (["--sys", "latin", "--ref", "ref"], "UTF-8, but 2 of its lines are not: 2, 3; convert"),
        (["--sys", "empty", "--ref", "ref"], "empty must hold at least one line"),
        (["--sys", "cut.gz", "--ref", "ref"], "cut.gz must be a readable file"),
        (
            ["--sys", "sys", "--ref", "ref", "--sacrebleu-tokenize", "ja-mecab"],
            "`--sacrebleu-tokenize` ja-mecab needs what is not on this machine",
        ),
        (["--sys", "sys", "--ref", "ref", "--bootstrap-samples", "0"], "at least 1, but is 0"),
    ],
)
def test_input_that_cannot_be_scored(
    files: dict[str, str],
    tmp_path: Path,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "MeCab", None)  # as where it is not installed
    (tmp_path / "short").write_text("a\nb\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "latin").write_bytes("gut\nTür\nTor für\n".encode("latin-1"))
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03ab")
    known = {*files, "short", "empty", "latin", "none", "cut.gz"}
    with pytest.raises(UserError, match=said):
        main([str(tmp_path / word) if word in known else word for word in arguments])


def call(*words: str) -> str:
    tool = Path(sys.executable).with_name(words[0])
    done = subprocess.run([tool, *words[1:]], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.slow
def test_live_command_lines_agree(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ("--sys", files["sys"], "--ref", files["ref"], "--chrf", "--ter")
    ours = {f["key"]: f for f in report(capsys, *plain)["figures"]}
    theirs = json.loads(
        call("sacrebleu", files["ref"], "-i", files["sys"], "-m", "bleu", "chrf", "ter", "-w", "9")
    )
    for key, other in zip(("sacrebleu", "chrf", "ter"), theirs, strict=True):
        assert ours[key]["score"] == pytest.approx(other["score"], abs=1e-8)
        assert ours[key]["signature"] == other["signature"]
    none = call("sacrebleu", files["ref.tok"], "-i", files["sys.tok"], "--tokenize", "none",
                "--smooth-method", "none", "--force", "-b", "-w", "9")  # fmt: skip
    assert ours["tokenised"]["score"] == pytest.approx(float(none), abs=1e-8)
    fairseq = call("fairseq-score", "--sys", files["sys.tok"], "--ref", files["ref.tok"])
    assert f"BLEU4 = {ours['tokenised']['score']:.2f}, " in fairseq
