"""One subword-nmt model (BPE codes) for both languages, as published tokenised data has it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from subword_nmt.apply_bpe import BPE  # type: ignore[import-untyped]
from subword_nmt.learn_bpe import learn_bpe  # type: ignore[import-untyped]
from tqdm import tqdm

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.common.progress import bar
from autoassist_fairseq.tools.dataprep.dictionary import read_pieces
from autoassist_fairseq.tools.dataprep.parallel import blocks, ordered_map

_BLOCK = 2_000
# subword-nmt remembers every word that it has cut; this many are enough to be fast.
_MOST_REMEMBERED = 200_000


def learn(words: Iterable[tuple[str, int]], codes: Path, merges: int) -> None:
    """Learn ``merges`` codes from words with their counts and write them to ``codes``.

    Raises:
        UserError: the words do not allow that many.
    """
    listed = (f"{word} {count}" for word, count in words)
    with bar(desc="learning subwords", total=merges, unit="merge", delay=1) as shown:
        content = _Codes(shown)
        # Its own progress bar would fill a log file.
        with redirect_stderr(io.StringIO()), suppress(ValueError):
            # The error: it takes the most frequent of no pairs at all.
            learn_bpe(listed, content, merges, is_dict=True)
    learned = content.lines - 1  # a line with the version comes first
    if learned < merges:
        raise UserError(
            f"`--vocab-size` must be at most {learned:,} for this text, but is {merges:,}; choose "
            "a smaller one."
        )
    with staged(codes) as part:
        part.write_text(content.getvalue(), encoding="utf-8", newline="\n")


class _Codes(io.StringIO):
    """Collects the codes, a line with each call, and shows how many there are."""

    def __init__(self, shown: tqdm[Any]) -> None:
        super().__init__()
        self.lines = 0
        self._shown = shown

    def write(self, text: str) -> int:
        self.lines += 1
        self._shown.update()
        return super().write(text)


def encode(
    codes: Path, lines: Iterable[str], workers: int, dictionary: Path | None = None
) -> Iterator[list[str]]:
    """Yield each line's pieces, only such as ``dictionary`` has where they can be spelled so."""
    _loaded.cache_clear()  # the files may have changed since
    work = partial(_encode_block, codes, dictionary)
    for block in ordered_map(work, blocks(lines, _BLOCK), workers):
        for line in block:
            yield line.split(" ")


def _encode_block(codes: Path, dictionary: Path | None, block: list[str]) -> list[str]:
    bpe = _loaded(codes, dictionary)
    if len(bpe.cache) > _MOST_REMEMBERED:
        bpe.cache.clear()
    return [bpe.segment(line) for line in block]


@lru_cache(maxsize=2)
def _loaded(codes: Path, dictionary: Path | None) -> BPE:
    vocabulary = None if dictionary is None else read_pieces(dictionary)
    with codes.open(encoding="utf-8", newline="\n") as stream:
        return BPE(stream, vocab=vocabulary)
