"""What a run found out about every pair: read, exported, shown, and judged by the truth."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_runs import write_checkpoint, write_data

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.wrong.opinion import NAMES
from autoassist_fairseq.assistant.wrong.surprise import LIKELY, OTHER, SURE, Surprise
from autoassist_fairseq.assistant.wrong.text_judge import KINDS
from autoassist_fairseq.assistant.wrong.verdicts import packed
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.report.corpus import read_text
from autoassist_fairseq.tools.report.keeping import assistant_state
from autoassist_fairseq.tools.report.verdicts import verdict
from autoassist_fairseq.tools.scores import command as scores

pytestmark = pytest.mark.slow  # imports scikit-learn, Matplotlib and PyTorch

PAIRS = 40
SOURCE = [f"ein satz {number}" for number in range(PAIRS)]
TARGET = [f'a "sentence" {number}' for number in range(PAIRS)]
SPOILED = np.arange(PAIRS) % 4 == 0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose checkpoint remembers: every fourth pair is hopeless, and the last is unknown.

    The text says so of the first of them alone: it is taken for the kind at place 1.
    """
    data = write_data(tmp_path / "data", SOURCE, TARGET)
    assistant = Assistant(read_text(data).corpus, Settings(hopeless="cut"), horizon=10.0)
    memory, rng = Surprise(PAIRS), np.random.default_rng(0)
    losses = np.where(SPOILED, 5, np.arange(PAIRS) % 3 + 1).astype(np.float32)
    surprises = np.where(SPOILED, 1.5, 0) + rng.normal(0, 0.5, PAIRS)
    known = np.arange(PAIRS - 1)
    memory.learn(known, losses[known], (losses - surprises).astype(np.float32)[known], 3)
    classes = np.where(SPOILED, np.where(surprises > 1.4, SURE, LIKELY), OTHER)
    classes[1] = LIKELY  # a wrong verdict
    memory.set_classes(np.arange(PAIRS), classes)
    assistant.threshold.add(np.full(10, 2.5, np.float32))
    hopeless = {"threshold": 1.0, "level": 0.2, "tilt": 0.1, "spread": 2.0, "believed": 1.0}
    odds = np.where(np.arange(PAIRS) == 0, 3.5, -3.5).astype(np.float32)
    told = {"verdicts": packed(np.full(PAIRS, 1, np.uint8), odds), "digest": ""}
    policy = {
        "name": "shrink",
        "surprise": memory.state_dict(),
        "text": told,
        "hopeless": hopeless,
    }
    write_checkpoint(data, data, assistant.state_dict(), policy, hopeless="cut")
    return data


def scores_of(run: Path) -> scores.Scores:
    path = checkpoint(run)
    return scores.scores_in(scores.state_of(path), path)


def checkpoint(run: Path) -> Path:
    return run / "checkpoint_last.pt"


def test_every_pair_is_exported(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.tsv"
    assert scores.main([str(checkpoint(run)), "--out", str(out), "--data", str(run)]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["target"] for row in rows] == TARGET and [row["source"] for row in rows] == SOURCE
    assert [row["class"] for row in rows[:4]] == ["hopeless", "hopeless", "learnable", "learned"]
    assert rows[-1]["class"] == "unknown" and rows[-1]["loss"] == "nan"
    assert [row["kind"] for row in rows[:3]] == [KINDS[1], "surprise", "-"]
    chances = [float(row["posterior"]) for row in rows[:2]]
    assert chances[0] > 0.97 and chances[1] == pytest.approx(1 - chances[0], abs=0.002)
    for row in rows[:-1]:
        loss, expected, surprise = (float(row[name]) for name in ("loss", "expected", "surprise"))
        assert loss == pytest.approx(expected + surprise, abs=0.002)


def test_the_text_of_a_run_the_other_way_round_is_its_own(run: Path, tmp_path: Path) -> None:
    state = assistant_state(run)
    checkpoint(run).unlink()  # it is mapped into memory
    write_data(run, SOURCE, TARGET, joint=True)
    other_way: dict[str, Any] = {"languages": ("de", "en"), "hopeless": "cut"}
    write_checkpoint(run, run, state["assistant"], state["policy"], **other_way)
    out = tmp_path / "scores.tsv"
    assert scores.main([str(checkpoint(run)), "--out", str(out), "--data", str(run)]) == 0
    assert out.read_text("utf-8").splitlines()[1].split("\t")[-2:] == [TARGET[0], SOURCE[0]]
    other = write_data(tmp_path / "other", SOURCE[::-1], TARGET[::-1], joint=True)
    with pytest.raises(UserError, match="`--data` must be what the run was trained on"):
        scores.main([str(checkpoint(run)), "--out", str(out), "--data", str(other)])


def test_the_report_shows_the_surest(run: Path) -> None:
    found = verdict(assistant_state(run), "noisy", read_text(run))
    assert found is not None and found.pairs == PAIRS and found.hopeless == SPOILED.sum() + 1
    assert found.kinds == {KINDS[1]: 1, "surprise": SPOILED.sum()}
    assert f"{KINDS[1]} 1, surprise {SPOILED.sum()}." in found.sentence
    assert [(one.pair, one.kind) for one in found.examples[6:]] == [(0, KINDS[1])]
    shown = [example.surprise for example in found.examples[:6]]
    assert shown == sorted(shown, reverse=True) and np.isnan(shown).sum() == 0
    shown.append(found.examples[6].surprise)
    # All targets have four tokens, </s> among them: (surprise - 0.2 - 0.1 log 4) * 2 / 2.
    raw = scores_of(run).surprises[[one.pair for one in found.examples]]
    assert shown == pytest.approx(raw - 0.2 - 0.1 * np.log(4), abs=1e-5)
    assert {example.pair for example in found.examples[:5]} <= set(np.flatnonzero(SPOILED))
    assert found.examples[0].target == TARGET[found.examples[0].pair]


def test_of_text_that_is_not_believed_an_empty_side_counts_alone(run: Path) -> None:
    state = dict(assistant_state(run))
    policy = dict(state["policy"])
    told = np.array(policy["text"]["verdicts"])
    told[1] = packed(np.array([KINDS.index("empty")], np.uint8), np.array([8.0]))[0]
    state["policy"] = {
        **policy,
        "text": {**policy["text"], "verdicts": told},
        "hopeless": {**policy["hopeless"], "believed": 0.0},
    }
    found = scores.scores_in(state, "it")
    assert found.text[1] > 0.99 and np.isnan(np.delete(found.text, 1)).all()
    assert NAMES[found.kinds[1]] == "empty" and NAMES[found.kinds[0]] == "surprise"


def test_a_run_that_did_not_look_has_no_verdict(run: Path) -> None:
    state: dict[str, Any] = {"policy": {"name": "shrink"}}
    assert verdict(state, "plain", read_text(run)) is None
    with pytest.raises(UserError, match="train with `--autoassist-hopeless keep`"):
        scores.scores_in(state, "it")
    with pytest.raises(UserError, match="cannot be read"):
        scores.scores_in({"policy": {"surprise": {"losses": [1]}}}, "it")


def write_noise(folder: Path, order: list[int]) -> tuple[Path, Path]:
    """What add_noise.py wrote, and the prepared text: some of its pairs, in ``order``."""
    noise, text = folder / "noise", folder / "text"
    for place, numbers in ((noise, list(range(PAIRS))), (text, order)):
        place.mkdir()
        for language, side in (("en", SOURCE), ("de", TARGET)):
            lines = "".join(f"{side[number]}\n" for number in numbers)
            (place / f"train.{language}").write_text(lines, encoding="utf-8")
    (noise / "spoiled.txt").write_text("".join(f"{int(flag)}\n" for flag in SPOILED))
    return noise, text


def test_the_truth_is_found_again_after_cleaning(tmp_path: Path) -> None:
    order = [7, 4, 0, 39]
    from autoassist_fairseq.tools.scores import judging

    truth = judging.truth_of(*write_noise(tmp_path, order))
    assert truth.tolist() == SPOILED[order].tolist()
    (tmp_path / "text" / "train.en").write_text("something else\n" * 4)
    with pytest.raises(UserError, match="line 1 of its training set is none"):
        judging.truth_of(tmp_path / "noise", tmp_path / "text")


@pytest.mark.parametrize("name", ["noise/spoiled.txt", "noise/train.de", "text/train.en"])
def test_files_of_other_lengths_are_told(tmp_path: Path, name: str) -> None:
    from autoassist_fairseq.tools.scores import judging

    folders = write_noise(tmp_path, list(range(PAIRS)))
    cut = tmp_path / name
    cut.write_text("".join(cut.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]))
    said = f"^Files in `--{cut.parent.name}` .* one line .* {cut.name} has 39.*; give a folder"
    with pytest.raises(UserError, match=said):
        judging.truth_of(*folders)


def test_verdicts_are_judged_as_scikit_learn_does(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sklearn.metrics import precision_score, recall_score, roc_auc_score

    from autoassist_fairseq.tools.scores import judging

    noise, text = write_noise(tmp_path, list(range(PAIRS)))
    figure = tmp_path / "roc.png"
    flags = ["--noise", str(noise), "--text", str(text), "--figure", str(figure)]
    assert judging.main([str(checkpoint(run)), *flags]) == 0
    found = scores_of(run)
    known = np.arange(PAIRS - 1)
    area = roc_auc_score(SPOILED[known], found.surprises[known])
    by_loss = roc_auc_score(SPOILED[known], found.losses[known])
    precision = precision_score(SPOILED, found.hopeless)
    recall = recall_score(SPOILED, found.hopeless)
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line[:2] == ["checkpoint_last", "39"] and 0.5 < area < 1
    assert line[2:4] == [f"{area:.3f}", f"{by_loss:.3f}"]
    assert line[4] == f"{11 / 40:.1%}" and line[5:] == [f"{precision:.3f}", f"{recall:.3f}"]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_text_of_another_corpus_is_not_judged(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from autoassist_fairseq.tools.scores import judging

    noise, text = write_noise(tmp_path, list(range(PAIRS)))
    words = [str(checkpoint(run)), "--noise", str(noise), "--text", str(text)]
    assert judging.main(words) == 0
    assert "no bin/ lies beside `--text`" in capsys.readouterr().err
    assert judging.main([*words, "--data", str(run)]) == 0
    assert not capsys.readouterr().err
    for language, side in (("en", SOURCE), ("de", TARGET)):  # as many pairs in another order
        (text / f"train.{language}").write_text("\n".join(reversed(side)) + "\n")
    with pytest.raises(UserError, match="`--text` must be what .* of 40 pairs looked at 40 differ"):
        judging.main([*words, "--data", str(run)])
    other = write_data(tmp_path / "bin", SOURCE[::-1], TARGET[::-1])
    assert other == tmp_path / "bin"
    with pytest.raises(UserError, match="`--data` must be what the run was trained on, .*/bin is"):
        judging.main(words)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("measured", [0, 3])
def test_an_early_checkpoint_is_judged_by_its_verdicts_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], measured: int
) -> None:
    from autoassist_fairseq.tools.scores import judging

    state = assistant_state(run)  # of whose pairs none, or good ones alone, are measured
    far = np.full(PAIRS, np.nan)
    far[1 : measured + 1] = 1.0
    state["policy"]["surprise"] |= {
        name: far.astype(state["policy"]["surprise"][name].dtype)
        for name in ("losses", "surprises")
    }
    checkpoint(run).unlink()  # it is mapped into memory
    write_checkpoint(run, run, state["assistant"], state["policy"], hopeless="cut")
    noise, text = write_noise(tmp_path, list(range(PAIRS)))
    flags = ["--noise", str(noise), "--text", str(text)]
    assert judging.main([str(checkpoint(run)), *flags]) == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line[1:] == [str(measured), "-", "-", "27.5%", "0.909", "1.000"]
    figure = tmp_path / "roc.png"
    with pytest.raises(UserError, match="`--figure` .* needs spoiled pairs and others"):
        judging.main([str(checkpoint(run)), *flags, "--figure", str(figure)])
    assert not figure.exists()


def test_tables_are_judged_by_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from autoassist_fairseq.tools.scores import judging

    (tmp_path / "kind.txt").write_text("-\nhalf\ncopy\n-\n")
    table = tmp_path / "a.tsv"
    table.write_text("line\tverdict\tposterior\n1\t0\t0.1\n2\t1\t0.8\n3\t0\t0.2\n4\t1\t0.6\n")
    flags = ["--noise", str(tmp_path)]
    figure = tmp_path / "roc.png"
    assert judging.main([str(table), *flags, "--figure", str(figure)]) == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    header, line = (row.split() for row in capsys.readouterr().out.splitlines()[:2])
    assert header[-2:] == ["copy", "half"]
    # Of the four comparisons of a bad pair with a good one three are right: 0.2 is below 0.6.
    assert line == ["a", "0.750", "50.0%", "0.500", "0.500", "0.500", "0.000", "1.000"]
    (tmp_path / "kind.txt").write_text("-\n" * 4)
    assert judging.main([str(table), *flags]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["a", "-", "50.0%"]
    with pytest.raises(UserError, match="`--text` must be given with checkpoints"):
        judging.main(["x.pt", *flags])
    (tmp_path / "kind.txt").write_text("-\n")
    with pytest.raises(UserError, match="of the pairs of `--noise`, 1, but .* has 4"):
        judging.main([str(table), *flags])
    table.write_text("nothing\n1\n")
    with pytest.raises(UserError, match="must be what find-wrong-pairs wrote"):
        judging.main([str(table), *flags])
