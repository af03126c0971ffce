"""autoassist synthetic-corpus: what fairseq reads back, its shape, and bad input."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from fairseq.data import Dictionary, data_utils
from fairseq.data.indexed_dataset import MMapIndexedDataset

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.report.corpus import read_text
from autoassist_fairseq.tools.synthetic import command
from autoassist_fairseq.tools.synthetic.files import write_corpus
from autoassist_fairseq.tools.synthetic.shape import CHUNK, END, SPECIAL, Shape

pytestmark = pytest.mark.slow  # loads fairseq

PAIRS = 20_000
LANGUAGES = ("en", "de")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "bin"
    assert command.main(["--pairs", str(PAIRS), "--out", str(folder)]) == 0
    return folder


def read(data: Path, language: str, split: str = "train") -> MMapIndexedDataset:
    """One side as fairseq finds and opens it."""
    path = str(data / f"{split}.en-de.{language}")
    return data_utils.load_indexed_dataset(path, None, "mmap")


def words_of(data: Path, language: str) -> np.ndarray:
    return np.fromfile(data / f"train.en-de.{language}.bin", np.uint16)


def test_fairseq_reads_the_sentences_end_to_end(data: Path) -> None:
    for language in LANGUAGES:
        side, tokens = read(data, language), words_of(data, language)
        assert isinstance(side, MMapIndexedDataset)
        assert len(side) == PAIRS
        assert side.sizes.sum() == len(tokens)
        ends = np.cumsum(side.sizes)
        for pair in (0, 1, PAIRS // 2, PAIRS - 1):
            expected = tokens[ends[pair] - side.sizes[pair] : ends[pair]]
            assert side[pair].tolist() == expected.tolist()
        assert (tokens[ends - 1] == END).all()
        assert (np.delete(tokens, ends - 1) >= SPECIAL).all()
        assert len(read(data, language, "valid")) == 1000


def test_the_dictionary_counts_what_the_corpus_holds(data: Path) -> None:
    for language in LANGUAGES:
        words = Dictionary.load(str(data / f"dict.{language}.txt"))
        assert len(words) == 32_000
        counts = np.bincount(words_of(data, language), minlength=32_000)
        assert words.count[SPECIAL:] == counts[SPECIAL:].tolist()
        assert words[SPECIAL] == "w0"


def test_words_follow_zipfs_law(data: Path) -> None:
    rank = np.arange(1, 301)
    for language in LANGUAGES:
        counts = np.bincount(words_of(data, language))[SPECIAL : SPECIAL + 300]
        slope, _ = np.polyfit(np.log(rank), np.log(counts), 1)
        assert slope == pytest.approx(-1, abs=0.03)


def test_lengths_are_log_normal_and_agree_on_both_sides(data: Path) -> None:
    logs = []
    for language in LANGUAGES:
        side = read(data, language)  # its memory map closes with it
        sizes = side.sizes
        assert sizes.mean() == pytest.approx(27, rel=0.02)
        assert sizes.min() >= 2
        assert sizes.max() <= 250
        # quantiles of the normal distribution: one and two deviations
        centre = np.log(27) - 0.6**2 / 2
        for share, z in ((0.0228, -2), (0.1587, -1), (0.5, 0), (0.8413, 1), (0.9772, 2)):
            expected = np.exp(centre + 0.6 * z)
            assert np.quantile(sizes, share) == pytest.approx(expected, rel=0.04, abs=0.6)
        logs.append(np.log(sizes))
    assert np.corrcoef(*logs)[0, 1] == pytest.approx(0.9, abs=0.02)


def test_our_view_is_what_fairseq_reads(data: Path) -> None:
    corpus = read_text(data).corpus
    for side, language in ((corpus.source, "en"), (corpus.target, "de")):
        theirs, got = read(data, language), side.gather(np.array([7, PAIRS - 1]))
        assert got.tokens.tolist() == [*theirs[7].tolist(), *theirs[PAIRS - 1].tolist()]


def test_a_seed_is_a_corpus(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_corpus(tmp_path / name, Shape(500, 100, seed=seed))
    files = [
        [(tmp_path / name / f).read_bytes() for f in ("train.en-de.en.bin", "train.en-de.de.idx")]
        for name in "abc"
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_targets_that_say_their_sources(tmp_path: Path) -> None:
    shape = Shape(500, 101, mean=8.0, translated=0.8)
    write_corpus(tmp_path / "bin", shape)
    said = 0
    for source, target in zip(
        *(read(tmp_path / "bin", side) for side in ("en", "de")), strict=True
    ):
        assert len(source) == len(target)
        said += bool((shape.translation(source.numpy().astype(np.uint16)) == target.numpy()).all())
    assert 0.75 < said / 500 < 0.85
    # Word 0 and 1 say each other, and so on; the last of an odd number itself, as the end does.
    words = np.array([2, 4, 5, 6, 103, 104], np.uint16)
    assert shape.translation(words).tolist() == [2, 5, 4, 7, 102, 104]


def test_pieces_join_without_a_seam(tmp_path: Path) -> None:
    pairs = CHUNK + 3
    write_corpus(tmp_path / "bin", Shape(pairs, 100, mean=4.0))
    side = read(tmp_path / "bin", "de")
    tokens = words_of(tmp_path / "bin", "de")
    assert (tokens == END).sum() == pairs == len(side)
    assert all(side[i][-1] == END for i in range(CHUNK - 2, pairs))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    peaks = []
    for chunks in (2, 6):
        tracemalloc.start()
        write_corpus(tmp_path / str(chunks), Shape(chunks * CHUNK))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--pairs", "0"], "`--pairs` must be from 1 to 2147483647, but is 0"),
        (["--words", "65001"], "`--words` must be from 1 to 65000, but is 65001"),
        (["--mean-length", "2"], "`--mean-length` must be above 2 .* but is 2.0"),
        (["--seed", "-1"], "`--seed` must be 0 or more, but is -1"),
    ],
)
def test_bad_options_write_nothing(tmp_path: Path, args: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        command.main([*args, "--out", str(tmp_path / "bin")])
    assert not (tmp_path / "bin").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UserError, match="`--out` must be a new or an empty folder"):
        command.main(["--pairs", "5", "--out", str(tmp_path)])
    assert (tmp_path / "mine").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_fairseq_would_take_for_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`--out` must be without `:`, .* but is .*a:b; choose"):
        command.main(["--pairs", "5", "--out", str(tmp_path / "a:b")])
    assert not [*tmp_path.iterdir()]


def test_a_corpus_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "bin.part").mkdir()
    (tmp_path / "bin.part" / "train.en-de.en.bin").write_bytes(b"half")
    write_corpus(tmp_path / "bin", Shape(5, 20))
    write_corpus(tmp_path / "again", Shape(5, 20))
    assert command.main(["--pairs", "5", "--words", "20", "--out", str(tmp_path / "made")]) == 0
    found = [{path.name: path.read_bytes() for path in one.iterdir()} for one in tmp_path.iterdir()]
    assert len(found) == 3 and found[0] == found[1] == found[2]


def test_the_folder_one_is_in_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command.main(["--pairs", "5", "--out", "."])
    assert Path("dict.en.txt").is_file()
