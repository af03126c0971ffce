"""data-prep/opusfilter.yaml: OpusFilter, where it is installed, removes what our rules remove."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from autoassist_fairseq.tools.dataprep import corpus_text
from autoassist_fairseq.tools.dataprep.cleaning import Cleaning, CleaningRules
from autoassist_fairseq.tools.dataprep.duplicates import near_hash
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.demo_corpus.build import build

CONFIG = Path(__file__).parents[1] / "data-prep" / "opusfilter.yaml"
OURS = 11  # steps of the file that do what we do
BAD = [
    ("", "leer"),
    ("\u200b \ufffd", "leer"),
    ("\u2581 \u2063", "leer"),
    ("full", " \t\u00a0"),
    ("w " * 251, "v " * 250),
    ("w " * 250, "v " * 251),
    ("w " * 250, "v " * 250),
    ("w " * 10, "v"),
    ("w " * 9, "v"),
    ("v", "w " * 19),
    ("a b c d", "a b c d"),
    ("  a b\u2028c d e\u200b", "a b c d e"),
    ("a b c", "a b c"),
    ("ein\u00a0 Wort\u200b", "one word"),
    ("ein Wort", "one word"),
    ("Ein Wort!", "One 2 word"),
    ("EIN WORT", "one word."),
    ("Seite 3", "page 3"),
    ("Seite 12", "page 12"),
]
STAGES = {
    "spaced": "",
    "filled": "empty",
    "short": "length",
    "even": "ratio",
    "own": "copy",
    "unique": "duplicate",
    "distinct": "near-duplicate",
}


@pytest.mark.slow
def test_opusfilter_removes_what_our_rules_remove(tmp_path: Path) -> None:
    program = shutil.which("opusfilter")
    if not program:
        pytest.skip("OpusFilter is not installed (it has twenty dependencies; see docs/data.md)")
    built = [(str(pair[0]), str(pair[1])) for pair in build(3, {"train": 1500})["train"]]
    # Of pairs without letters OpusFilter leaves one, and we all.
    good = [pair for pair in built if any(map(str.isalpha, "".join(pair)))]
    pairs = [*good, *BAD, *good[:100]]
    files = tmp_path / "train.en", tmp_path / "train.de"
    for side, file in enumerate(files):
        file.write_text("".join(f"{pair[side]}\n" for pair in pairs), "utf-8")
    out = tmp_path / "ours" / "en", tmp_path / "ours" / "de"
    how = Cleaning(CleaningRules(drop_near_duplicates=True))
    counts = corpus_text.clean_training_text([Source("train", files)], out, how)

    config = shutil.copy(CONFIG, tmp_path)
    subprocess.run([program, config, "--last", str(OURS)], cwd=tmp_path, check=True)
    kept = {name: read(tmp_path / f"{name}.en", tmp_path / f"{name}.de") for name in STAGES}
    removed = {
        STAGES[after]: len(kept[before]) - len(kept[after]) for before, after in pairwise(STAGES)
    }
    assert removed == {rule: counts[rule] for rule in removed}
    assert min(removed.values()) >= 2 and counts["in"] == len(kept["spaced"])
    # In another order, so that another one of near-duplicates may be the first.
    left, ours = (
        sorted(near_hash(*pair) for pair in one) for one in (kept["distinct"], read(*out))
    )
    assert left == ours


def read(source: Path, target: Path) -> list[tuple[str, str]]:
    sides = (path.read_text("utf-8").split("\n")[:-1] for path in (source, target))
    return list(zip(*sides, strict=True))
