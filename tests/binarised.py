"""Makes tiny binarised corpora with fairseq-preprocess."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from training import Server

WORDS = [f"w{number}" for number in range(56)]


@dataclass(frozen=True)
class Binarised:
    """A binarised corpus.

    Attributes:
        data: what fairseq calls DATA.
        pairs: pairs in the train split.
    """

    data: Path
    pairs: int


def sentences(rng: np.random.Generator, pairs: int, low: int, high: int) -> list[list[str]]:
    """Return [source lines, target lines]: every other target repeats one word, the rest random."""
    sides: list[list[str]] = [[], []]
    for pair in range(pairs):
        source, target = (rng.choice(WORDS, rng.integers(low, high + 1)) for _ in range(2))
        sides[0].append(" ".join(source))
        sides[1].append(" ".join(target[:1].repeat(len(target)) if pair % 2 else target))
    return sides


def write_split(folder: Path, split: str, sides: list[list[str]]) -> None:
    """Write ``sides`` as text that fairseq-preprocess reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in zip(("de", "en"), sides, strict=True):
        (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines))


def binarise(server: Server, text: Path, data: Path, *args: object) -> None:
    """Run fairseq-preprocess on the train and valid splits in ``text``."""
    run = server.run(
        "fairseq-preprocess",
        *("--source-lang", "de", "--target-lang", "en", "--destdir", data),
        *("--trainpref", text / "train", "--validpref", text / "valid", "--workers", 1),
        *args,
    )
    assert run.status == 0, run.output


def make_corpus(
    server: Server,
    folder: Path,
    pairs: int,
    low: int = 3,
    high: int = 15,
    seed: int = 0,
    dictionaries: Path | None = None,
) -> Binarised:
    """Make a corpus of random pairs of ``low`` to ``high`` words, and 40 for validation."""
    rng = np.random.default_rng(seed)
    write_split(folder, "train", sentences(rng, pairs, low, high))
    write_split(folder, "valid", sentences(rng, 40, low, high))
    args: list[object] = []
    if dictionaries is not None:
        args = [
            "--srcdict",
            dictionaries / "dict.de.txt",
            "--tgtdict",
            dictionaries / "dict.en.txt",
        ]
    binarise(server, folder, folder / "data", *args)
    return Binarised(folder / "data", pairs)
