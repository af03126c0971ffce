"""autoassist report: one page with Table 2 and the figures, escaped, partial where a run is."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from corpora import alone
from report_runs import LogWriter, plain_run, shrunk_run, write_checkpoint, write_data
from test_score_generated import split_files

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import write_lines
from autoassist_fairseq.tools.report import command, table
from autoassist_fairseq.tools.report.bleu import add_score
from autoassist_fairseq.tools.report.corpus import read_text
from autoassist_fairseq.tools.report.keeping import Example, Keeping
from autoassist_fairseq.tools.report.page import Report, as_html, as_markdown, escape
from autoassist_fairseq.tools.report.run import Run, read_run
from autoassist_fairseq.tools.report.verdicts import Hopeless, Verdict
from autoassist_fairseq.tools.scoring.outputs import Outputs

EVIL = ["<script>alert(1)</script>", "a|b", "`x` *y* [z](w)", "&amp;", '"><img src=x onerror=y>']
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(tmp_path: Path, *args: object) -> tuple[Page, str]:
    """Run the script; return the page and the Markdown."""
    out = tmp_path / "report"
    assert command.main([*map(str, args), "--out", str(out)]) == 0
    return Page((out / "report.html").read_text()), (out / "report.md").read_text()


@pytest.mark.slow
def test_the_page_is_shown_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def browser(page: str) -> bool:
        shown.append(page)
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    report(tmp_path, *two_runs(tmp_path))
    assert shown == []
    report(tmp_path, *two_runs(tmp_path), "--open")
    assert shown == [(tmp_path / "report" / "report.html").as_uri()]


def two_runs(tmp_path: Path) -> tuple[str, str]:
    return f"SGD={plain_run(tmp_path / 'a')}", f"AutoAssist={shrunk_run(tmp_path / 'b')}"


def test_table_2_by_hand(tmp_path: Path) -> None:
    runs = [read_run(plain_run(tmp_path / "a"), "SGD"), read_run(shrunk_run(tmp_path / "b"), "AA")]
    runs[1].bleu = 27.416
    first, second = table.rows(runs)
    assert first == ("SGD", "off", "1,000", "20.0", "–", "3", "3,000", "–", "–")
    # (600 + 800) / 2 tokens, median of 13 and 17 s, against 1,000 and 20
    assert second == ("AA", "shrink", "700", "15.0", "27.42", "3", "2,400", "30%", "25%")


@pytest.mark.slow
def test_the_page_needs_no_other_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, markdown = report(tmp_path, *two_runs(tmp_path))
    assert "AutoAssist  shrink               700" in capsys.readouterr().out
    pictures = page.of("img")
    # savings, loss and BLEU for tokens and time, figure 6
    assert len(pictures) == 6
    for picture in pictures:
        source = str(picture["src"])
        assert source.startswith("data:image/png;base64,")
        assert base64.b64decode(source.partition(",")[2]).startswith(PNG)
        assert picture["alt"]
    assert not page.of("script") and not page.of("link")
    named = re.findall(r"!\[.*?\]\((.*?)\)", markdown)
    assert len(named) == 6
    for name in named:
        assert (tmp_path / "report" / name).read_bytes().startswith(PNG)
    assert "| AutoAssist | shrink | 700 | 15.0 |" in markdown
    assert "AutoAssist 30% of the tokens and 25% of the time" in page.text


@pytest.mark.slow
def test_corpus_text_and_names_are_shown_not_run(tmp_path: Path) -> None:
    lines = EVIL * 10
    data = write_data(tmp_path / "data", lines, lines)
    assistant = Assistant(read_text(data).corpus, alone(features=("tokens",)), 1e4)
    assistant.learn(np.arange(50), np.linspace(1, 2, 50, dtype=np.float32))
    evil = shrunk_run(tmp_path / "b")
    write_checkpoint(evil, data, assistant.state_dict(), features=["tokens"])
    name = "<script>name</script> $x$"
    page, markdown = report(tmp_path, plain_run(tmp_path / "a"), f"{name}={evil}", "--data", data)
    assert not page.of("script")
    assert all("onerror" not in attributes for _, attributes in page.tags)
    for text in (*EVIL, name):
        assert text in page.text
    assert "<script" not in markdown and "<img" not in markdown
    for row in (line for line in markdown.splitlines() if "alert" in line):
        assert len(re.findall(r"(?<!\\)\|", row)) == 4


def test_both_pages_say_the_same_of_pairs_with_units(tmp_path: Path) -> None:
    keeping = Keeping("AA", 40_000, 0.61, [], [], [Example(3, 0.5, "Hund", "dog")])
    verdict = Verdict(
        "AA",
        2_000,
        500,
        {"copy": 480, "surprise": 20},
        [Hopeless(7, "copy", 0.987, 4.567, "Katze", "cow")],
    )
    whole = Report([read_run(shrunk_run(tmp_path), "AA")], [], [keeping], [verdict], [])
    page, markdown = Page(as_html(whole)), as_markdown(whole)
    for text in (" ".join(page.text.split()), markdown):
        assert "500 of 2,000 pairs (25.0%): copy 480, surprise 20." in text and "0.99" in text
        assert "by how many standard deviations their loss is beyond what is usual" in text
        assert "4.57" in text and "nats" not in text
        assert "Of 40,000 pairs" in text and "in the next pass is 61%" in text


def test_what_was_never_measured_is_null_in_json_and_a_dash_on_the_page(tmp_path: Path) -> None:
    unmeasured = Hopeless(7, "copy", 0.987, float("nan"), "Katze", "cow")
    verdict = Verdict("AA", 2_000, 1, {"copy": 1}, [unmeasured])
    whole = Report([read_run(shrunk_run(tmp_path), "AA")], [], [], [verdict], [])
    found = json.loads(json.dumps(command.as_json(whole), allow_nan=False))
    example = found["hopeless"][0]["examples"][0]
    assert example["surprise"] is None and example["chance"] == 0.987
    assert found["runs"][0]["epochs"]
    assert "| copy | 0.99 | - | Katze | cow |" in as_markdown(whole)


def test_a_table_is_printed_in_any_locale() -> None:
    code = "from autoassist_fairseq.errors import run_main; run_main(lambda: print('20 –'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, check=True)
    assert done.stdout.startswith(b"20 ?")


def test_markdown_is_escaped() -> None:
    assert escape("a|b\n<c> `d`") == "a\\|b &lt;c&gt; \\`d\\`"


@pytest.mark.slow
def test_an_unfinished_run_gives_a_partial_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_runs(tmp_path)
    log = tmp_path / "b" / "train.log"
    text = log.read_text()
    log.write_text(text[: text.index('"epoch": 3, "valid') + 9])  # in the third validation
    page, markdown = report(tmp_path, first, second)
    assert page.of("section")[0] == {"class": "missing", "id": "missing"}
    for told in (page.text, markdown, capsys.readouterr().err):
        assert (
            "training is not finished: the log ends at update 24, after 2 complete epochs" in told
        )
        assert "1 line of the log could not be read" in told
    assert "600" in page.text  # the mean of the one epoch that counts


@pytest.mark.slow
def test_a_run_without_a_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    page, _ = report(tmp_path, plain_run(tmp_path / "a"), tmp_path / "empty")
    assert "no log was found" in page.text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["missing"], "is not there"),
        (["empty"], "must hold a log of fairseq-train"),
        (["x=run", "x=other"], "x is given twice"),
        (["run", "--data", "missing"], "`--data` must be a folder"),
    ],
)
def test_input_that_cannot_be_used(
    tmp_path: Path, words: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    shrunk_run(tmp_path / "run")
    plain_run(tmp_path / "other")
    with pytest.raises(UserError, match=says):
        command.main([*words, "--out", "report"])
    assert not Path("report/report.html").exists()


def test_names_tell_runs_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("k=1").mkdir()
    found = command.named(["one/run", "two/run", "name=three", "k=1"])
    assert found == [
        ("one/run", Path("one/run")),
        ("two/run", Path("two/run")),
        ("name", Path("three")),
        ("k=1", Path("k=1")),
    ]


@pytest.mark.slow
def test_bleu_is_taken_or_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = two_runs(tmp_path)
    figures = [
        {"key": "tokenised", "score": 1.0},
        {"key": "sacrebleu", "score": 31.25, "signature": "sig|a"},
    ]
    (tmp_path / "a" / "score.json").write_text(json.dumps({"figures": figures}))
    lines = "the cat sat on the mat\nit was a long day\n"
    (tmp_path / "b" / "evaluation").mkdir()
    (tmp_path / "b" / "evaluation" / "hypotheses.txt").write_text(lines)
    (tmp_path / "ref").write_text(lines)
    report(tmp_path, first, second, "--ref", tmp_path / "ref", "--json")
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["bleu"] for run in runs] == [31.25, pytest.approx(100)]
    assert runs[0]["signature"] == "sig|a" and "tok:13a" in runs[1]["signature"]
    assert runs[1]["tokens_saved"] == pytest.approx(0.3)
    of = json.dumps({"figures": figures, "subset": "valid"})
    (tmp_path / "a" / "score.json").write_text(of)
    report(tmp_path, first, "--json")
    assert json.loads(capsys.readouterr().out)["runs"][0]["signature"] == "sig|a|subset:valid"
    zh = "我有一只猫它很喜欢吃鱼。\n天气很好我去公园。\n"
    (tmp_path / "b" / "evaluation" / "hypotheses.txt").write_text(zh.replace("猫", "狗"))
    (tmp_path / "ref.zh").write_text(zh)
    report(tmp_path, first, second, "--ref", tmp_path / "ref.zh", "--json")
    chinese = json.loads(capsys.readouterr().out)["runs"][1]
    assert "tok:zh" in chinese["signature"] and 50 < chinese["bleu"] < 100
    (tmp_path / "b" / "evaluation" / "hypotheses.txt").write_text(lines)
    (tmp_path / "ref").write_text(lines * 2)
    page, _ = report(tmp_path, first, second, "--ref", tmp_path / "ref")
    assert "no BLEU: files to score must have one line for each pair" in page.text


def test_translations_of_another_split_are_not_the_test_set_s(tmp_path: Path) -> None:
    lines = ["the cat sat on the mat", "it was a long day"]
    write_lines(tmp_path / "ref", lines)
    other, test = (Outputs(tmp_path / "evaluation", split).plain for split in ("test1", "test"))
    write_lines(other, lines[::-1])
    run = Run("a", tmp_path)
    add_score(run, None, tmp_path / "ref")
    assert run.bleu is None and "translations of the test set" in run.missing[0]
    write_lines(test, lines)
    add_score(run, None, tmp_path / "ref")
    assert run.bleu == pytest.approx(100)


@pytest.fixture
def backwards(tmp_path: Path) -> Path:
    """An en-de corpus in bin/, with its text beside it, and a perfect run from German in run/."""
    sides = {"en": ["the cat sat on the mat", "it was a long day"], "de": ["eine Katze", "ein Tag"]}
    split_files(write_data(tmp_path / "bin", sides["en"], sides["de"]), "test.en-de.en.idx")
    split_files(tmp_path / "bin", "test.en-de.de.idx")
    for language, lines in sides.items():
        (tmp_path / "text").mkdir(exist_ok=True)
        write_lines(tmp_path / "text" / f"test.{language}", lines)
    plain = Outputs(tmp_path / "run" / "evaluation", "test").plain
    plain.parent.mkdir(parents=True)
    write_lines(plain, sides["en"])
    return tmp_path


@pytest.mark.parametrize(
    ("ranks", "bleu"),
    # of two ranks, either may be first to tell
    [([""], 100), (["[default0]:", "[default1]:"], 100), (["", "[de] dictionary: 6 types\n"], 100)],
)
def test_translations_are_scored_in_the_language_that_the_run_s_log_tells(
    backwards: Path, ranks: list[str], bleu: float
) -> None:
    log = LogWriter()
    for language in ("de", "en"):
        log.say(f"[{language}] dictionary: 88 types", "fairseq.tasks.translation")
    log.epoch(1, 10, 100, seconds=20, loss=5)
    log.lines = [rank + line for line in log.lines for rank in ranks]
    run = read_run(log.write(backwards / "run"), "run")
    add_score(run, backwards / "bin", None)
    assert run.bleu == pytest.approx(bleu), run.missing


@pytest.mark.slow
def test_translations_are_scored_in_the_language_that_the_checkpoint_tells(
    backwards: Path,
) -> None:
    run = Run("run", backwards / "run")
    add_score(run, backwards / "bin", None)
    assert run.bleu is None and "neither its log nor a checkpoint_last.pt tells" in run.missing[0]
    for languages, bleu in ((("de", "en"), 100), (("de", None), 100), ((None, None), 0)):
        write_checkpoint(run.folder, backwards / "bin", {}, languages=languages)
        add_score(run, backwards / "bin", None)
        assert run.bleu == pytest.approx(bleu, abs=5), languages
        (run.folder / "checkpoint_last.pt").unlink()  # it is mapped into memory


def test_a_corpus_of_other_languages_is_told(backwards: Path) -> None:
    run = Run("run", backwards / "run", languages=("fr", "en"))
    add_score(run, backwards / "bin", None)
    assert "binarised `test` split for fr-en, but holds test.en-de, train.en-de" in run.missing[0]


@pytest.mark.slow
def test_one_epoch_is_taken_as_it_is(tmp_path: Path) -> None:
    log = LogWriter()
    log.epoch(1, 10, 100, seconds=20, loss=5)
    log.done()
    page, _ = report(tmp_path, log.write(tmp_path / "one"))
    assert "No such epoch, so that all count: one." in page.text
