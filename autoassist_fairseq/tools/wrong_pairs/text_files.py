"""Two text files as a corpus in memory: subwords learned of them, two bytes for each."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import sentencepiece

from autoassist_fairseq.assistant.corpus.features import Corpus, WordTable
from autoassist_fairseq.assistant.corpus.token_store import Segment, TokenSide
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.progress import progress
from autoassist_fairseq.tools.dataprep import subwords
from autoassist_fairseq.tools.dataprep.reading import Source, decoded, read_blocks

# Pieces of both sides at most: ids fit two bytes. Pairs that they are learned from at most.
PIECES, LEARNED = 16_000, 1_000_000
# What two bytes hold of pieces, where characters alone are more: so many no corpus has.
MOST_PIECES = 65_000
# Case tells little of what translates what, and width (in Chinese and Japanese text) nothing.
NORMALISATION = "nmt_nfkc_cf"
# Of the characters, the rarest have no piece: names in other scripts, mostly.
COVERAGE = 0.9999
_END, _UNKNOWN = 2, 3  # as fairseq has them; words come next
_THEIR_UNKNOWN, _THEIR_FIRST = 0, 3  # sentencepiece's

Pair = tuple[str, str]


class TextFiles:
    """A pair of files, plain or gzipped, read anew for each question.

    Args:
        source, target: the files.
        learned: pairs that subwords are learned from at most, spread evenly.
    """

    def __init__(self, source: Path, target: Path, learned: int = LEARNED) -> None:
        self._files, self._learned = Source("text", (source, target)), learned

    def blocks(self) -> Iterator[list[Pair]]:
        """Yield the pairs, many at a time.

        Raises:
            UserError: the files have different numbers of lines, are damaged or not UTF-8.
        """
        for block in read_blocks(self._files):
            pairs = list(decoded(block, skip_undecodable=True))
            for pair in pairs:
                if pair.source is None or pair.target is None:
                    file = self._files.files[pair.source is not None]
                    raise UserError(
                        f"Text must be UTF-8, but line {pair.line:,} of {file} is not; convert "
                        "the file, for example with iconv."
                    )
            yield [((p.source or "").rstrip(), (p.target or "").rstrip()) for p in pairs]

    def texts(self, places: Collection[int]) -> dict[int, Pair]:
        """Return the text of the pairs at ``places``, counted from 0."""
        wanted = set(places)
        numbered = enumerate(chain.from_iterable(self.blocks()))
        return {place: pair for place, pair in numbered if place in wanted}

    def corpus(self) -> Corpus:
        """Return the tokens of all pairs, in subwords that are learned of them.

        Raises:
            UserError: as `blocks`; or there is no pair.
        """
        pairs = sum(map(len, self.blocks()))
        if not pairs:
            raise UserError(
                f"SOURCE and TARGET must hold at least one pair, but {self._files.files[0]} is "
                "empty; give filled files."
            )
        return self._encoded(self._processor(-(-pairs // self._learned)))

    def _processor(self, every: int) -> sentencepiece.SentencePieceProcessor:
        """Learn subwords of one in ``every`` pairs, the same for both sides."""
        pairs = chain.from_iterable(block[::every] for block in self.blocks())
        lines = chain.from_iterable(progress(pairs, "counting words"))
        words = subwords.word_counts(" ".join(line.split()) for line in lines)
        if not words:
            raise UserError(
                f"SOURCE and TARGET must hold words, but {self._files.files[0]} and its partner "
                "hold only white space; give filled files."
            )
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            try:
                _learn(words, model, PIECES)
            except subwords.TooFewPiecesError as error:  # hardly more than a piece a character
                _learn(words, model, min(error.least, MOST_PIECES))
            return subwords.processor_of(model)

    def _encoded(self, processor: sentencepiece.SentencePieceProcessor) -> Corpus:
        tokens, sizes = (array("H"), array("H")), (array("i"), array("i"))
        blocks = progress(self.blocks(), "cutting into subwords", unit="block")
        for block in blocks:
            for side, lines in enumerate(zip(*block, strict=True)):
                _append(processor, lines, tokens[side], sizes[side])
        words = processor.get_piece_size() - _THEIR_FIRST + _UNKNOWN + 1
        source, target = (
            _side(*side, words, name)
            for side, name in zip(
                zip(tokens, sizes, strict=True), ("source", "target"), strict=True
            )
        )
        tables = WordTable.of(source), WordTable.of(target)
        return Corpus(source, target, *tables, np.arange(words))  # one dictionary for both


def _learn(words: Sequence[tuple[str, int]], model: Path, pieces: int) -> None:
    subwords.learn(
        progress(words, "learning subwords", unit="word"),
        model,
        kind="bpe",
        vocab_size=pieces,
        normalisation=NORMALISATION,
        character_coverage=COVERAGE,
        at_most=True,
    )


def _append(
    processor: sentencepiece.SentencePieceProcessor,
    lines: Sequence[str],
    tokens: array[int],
    sizes: array[int],
) -> None:
    encoded = processor.encode(list(lines), out_type=int, num_threads=os.cpu_count() or 1)
    shift = _UNKNOWN + 1 - _THEIR_FIRST
    for pieces in encoded:
        tokens.extend(_UNKNOWN if one == _THEIR_UNKNOWN else one + shift for one in pieces)
        tokens.append(_END)
        sizes.append(len(pieces) + 1)


def _side(tokens: array[int], sizes: array[int], words: int, name: str) -> TokenSide:
    stored, each = np.frombuffer(tokens, np.uint16), np.frombuffer(sizes, np.int32)
    begins = np.cumsum(each, dtype=np.int64) - each
    return TokenSide([(Segment(stored, begins, each), 1)], words, name)
