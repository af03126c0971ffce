"""Keep rates and skipped pairs: the corpus is read as it is, the chances are the Assistant's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from binarised import Binarised
from corpora import alone
from report_runs import write_checkpoint, write_data

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.difficulty import difficulty
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.report.corpus import Words, read_text
from autoassist_fairseq.tools.report.fitting import trained_text
from autoassist_fairseq.tools.report.keeping import assistant_state, bins, keeping, rarity

SOURCE = ["\u2581a b \u2581c", "ca@@ t s", "<b> & x", "easy", "easy", "easy again"] * 20
TARGET = ["\u2581A B \u2581C", "ka@@ tze", "<i> & y", "leicht", "leicht", "leicht auch"] * 20
PAIRS = len(SOURCE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", SOURCE, TARGET)


def taught(data: Path) -> Assistant:
    """An Assistant that has learned that pairs with "easy" are trivial, the others are not."""
    settings = alone(features=("length", "tokens"))
    assistant = Assistant(read_text(data).corpus, settings, horizon=1e4)
    losses = np.array(["easy" not in line for line in SOURCE], np.float32) * 4 + 1
    for _ in range(5):
        assistant.learn(np.arange(PAIRS), losses)
    return assistant


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_text_comes_back_as_it_went_in(tmp_path: Path, dtype: type[np.generic]) -> None:
    text = read_text(write_data(tmp_path, SOURCE, TARGET, dtype))
    assert len(text.corpus) == PAIRS
    assert text.pair(0) == ("ab c", "AB C")
    assert text.pair(1) == ("cat s", "katze")
    assert text.pair(2) == ("<b> & x", "<i> & y")


@pytest.mark.slow
def test_fairseq_wrote_what_is_read(corpus: Binarised) -> None:
    lines = [
        (corpus.data.parent / f"train.{lang}").read_text().splitlines() for lang in ("de", "en")
    ]
    text = read_text(corpus.data)
    assert len(text.corpus) == len(lines[0]) == corpus.pairs
    assert [text.pair(i) for i in range(corpus.pairs)] == list(zip(*lines, strict=True))


def test_dictionary_entries_that_repeat_a_word_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "dict.txt"
    path.write_text("a 5\n<unk> 3 #fairseq:overwrite\nb c 2\n\x85 1\n", encoding="utf-8")
    words = Words.read(path)
    assert words.symbols[4:] == ["a", "<unk>", "b c", "\x85"]


@pytest.mark.parametrize("entries", ["a 5\nb 2\na 1\n", "a 5\n<unk> 3\n"])
def test_a_dictionary_that_fairseq_refuses_is_refused(entries: str, data: Path) -> None:
    """Every later word would have the next one's id."""
    (data / "dict.de.txt").write_text(entries, encoding="utf-8")
    with pytest.raises(UserError, match=r"dict\.de\.txt is none \(it has '(a|<unk>)' twice"):
        read_text(data)


def test_rarity_is_that_of_the_words_whatever_the_dictionary_says(data: Path) -> None:
    for path in data.glob("dict.*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        made_up = (f"{line.rsplit(' ', 1)[0]} 100\n" for line in lines)
        path.write_text("".join(made_up), encoding="utf-8")
    text, pairs = read_text(data), np.array([3, 5])
    # 13 and 12 words and 6 </s> in each of 20 rounds; three words that never came count as one.
    sides = [[np.log((20 * n + 3) / (20 * times)) for times in (3, 6, 1)] for n in (19, 18)]
    easy, end, again = np.mean(sides, axis=0)
    assert rarity(text, pairs) == pytest.approx([(easy + end) / 2, (easy + end + again) / 3])
    easy, end, again = sides[0]
    hardness = difficulty(text.corpus, np.arange(6), "rarity")
    assert hardness[[3, 5]] == pytest.approx([easy + end, easy + end + again])
    assert np.std(hardness / text.corpus.source.sizes(np.arange(6))) > 0.1, "not the length alone"


@pytest.mark.slow
def test_chances_are_those_of_the_assistant_that_was_saved(data: Path) -> None:
    assistant = taught(data)
    write_checkpoint(data, data, assistant.state_dict())
    found = keeping(assistant_state(data), "run", read_text(data))
    expected = assistant.keep_probability(np.arange(PAIRS))
    assert found.keep == pytest.approx(float(expected.mean()))
    assert found.pairs == PAIRS
    shown = {example.source for example in found.examples}
    # what is skipped most is what was taught to be trivial, each text once, the rarest chance first
    assert {found.examples[0].source, found.examples[1].source} == {"easy", "easy again"}
    assert len(shown) == len(found.examples) == 5
    assert [e.keep for e in found.examples] == sorted(e.keep for e in found.examples)
    for example in found.examples:
        assert example.keep == expected[example.pair]
        assert (example.source, example.target) == read_text(data).pair(example.pair)


def test_bins_hold_every_pair_once_and_equal_values_together() -> None:
    values = np.array([1.0] * 50 + [2.0] * 30 + [float(n) for n in range(3, 23)])
    keep = np.linspace(0, 1, 100, dtype=np.float32)
    found = bins(values, keep)
    assert [one.value for one in found] == sorted({one.value for one in found})
    assert found[0].value == 1 and found[0].keep == pytest.approx(keep[:50].mean())
    assert found[1].value == 2 and found[1].keep == pytest.approx(keep[50:80].mean())
    assert len(found) <= 10
    assert [(b.value, b.keep) for b in bins(np.ones(3), np.ones(3, np.float32))] == [(1, 1)]


def test_what_cannot_be_asked_is_said(data: Path, tmp_path: Path) -> None:
    text, state = read_text(data), taught(data).state_dict()
    with pytest.raises(UserError, match=r"checkpoint_last\.pt is not there"):
        keeping(assistant_state(tmp_path), "run", text)
    write_checkpoint(tmp_path, data, state, policy="uniform")
    with pytest.raises(UserError, match="policy uniform does not ask"):
        keeping(assistant_state(tmp_path), "run", text)
    write_checkpoint(tmp_path, data, {**state, "model": {}})
    with pytest.raises(UserError, match="cannot be read"):
        keeping(assistant_state(tmp_path), "run", text)
    (tmp_path / "checkpoint_last.pt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(UserError, match="`RUN_DIR`: .* must be a whole checkpoint"):
        keeping(assistant_state(tmp_path), "run", text)


@pytest.mark.slow
def test_sides_are_those_of_the_run(data: Path, tmp_path: Path) -> None:
    write_data(data, SOURCE, TARGET, joint=True)
    assistant = Assistant(read_text(data, "de", "en").corpus, alone(features=("tokens",)), 1e4)
    write_checkpoint(tmp_path, data, assistant.state_dict(), languages=("de", "en"))
    state = assistant_state(tmp_path)
    text = trained_text(state, data)
    assert text.pair(1) == ("katze", "cat s")
    shown = {example.source for example in keeping(state, "run", text).examples}
    assert shown == {"AB C", "katze", "<i> & y", "leicht", "leicht auch"}


@pytest.mark.slow
def test_another_corpus_than_the_run_s_is_refused(data: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, data, {})
    state = assistant_state(tmp_path)
    assert len(trained_text(state, data).corpus) == PAIRS
    other = write_data(tmp_path / "other", SOURCE[::-1], TARGET[::-1])
    for path in data.glob("dict.*.txt"):
        (other / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=r"but the training set of .*other is not its checkpoint's"):
        trained_text(state, other)
    # Lengths that fairseq made others, and an older digest, cannot be looked at
    resized = {**state, "run": {**state["run"], "resized": True}}
    assert trained_text(resized, other) and trained_text({**state, "format": 3}, other)
    strange = write_data(tmp_path / "strange", ["x y"] * PAIRS, TARGET)
    for one in (state, resized):
        with pytest.raises(UserError, match="must be what the run was trained on, but the "):
            trained_text(one, strange)


@pytest.mark.parametrize("file", ["train.en-de.en.idx", "train.en-de.de.bin", "dict.en.txt"])
def test_damaged_data_is_one_sentence(data: Path, file: str) -> None:
    path = data / file
    path.write_bytes(b"\xff" + path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="`--data` must hold"):
        read_text(data)


def test_sides_of_different_length_are_refused(data: Path, tmp_path: Path) -> None:
    longer = write_data(tmp_path / "longer", [*SOURCE, "easy"], [*TARGET, "leicht"])
    for kind in ("idx", "bin"):
        (longer / f"train.en-de.en.{kind}").replace(data / f"train.en-de.en.{kind}")
    with pytest.raises(UserError, match="as many source as target.*carriage returns"):
        read_text(data)
