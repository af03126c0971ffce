"""Counting words, learning one sentencepiece model of them for both languages, cutting text."""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import chain
from pathlib import Path

import sentencepiece

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.common.languages import count_words
from autoassist_fairseq.tools.dataprep.dictionary import respelled
from autoassist_fairseq.tools.dataprep.parallel import blocks

#: Kinds of models; both are sentencepiece's own words.
KINDS = ("bpe", "unigram")
#: Its rules for characters: as they are, Unicode's NFKC, and that with rules for white space.
NORMALISATIONS = ("identity", "nfkc", "nmt_nfkc")
# sentencepiece adds per thread, so a model depends on their number: fixed, whatever the machine.
_LEARNING_THREADS = 4
_BLOCK = 10_000
_TOO_HIGH = re.compile(r"Vocabulary size too high .*<= (\d+)")
_TOO_LOW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")
#: sentencepiece's own symbols (unknown, beginning and end of sentence) and one for text.
LEAST_PIECES = 4

#: Most distinct words from which subwords are learned; a corpus of millions of pairs has more, but
#: what it has beyond them are words that occur a handful of times.
MOST_WORDS = 500_000


class TooFewPiecesError(UserError):
    """The characters of a text are more than the pieces; ``least`` are needed."""

    def __init__(self, least: int, told: str) -> None:
        super().__init__(told)
        self.least = least


def word_counts(lines: Iterable[str], most: int = MOST_WORDS) -> list[tuple[str, int]]:
    """How often words (between spaces) occur in ``lines``: the ``most`` frequent, in a fixed order.

    While counting, at most twice as many are remembered: when there are more, the rarest are
    forgotten, so that a count may come out too small by what was forgotten before. What stands
    between spaces in scripts that put few are whole clauses, hardly one of them twice: of these a
    sample of ``most`` is remembered, and counts for all of them.
    """
    counts: Counter[str] = Counter()
    clauses: Counter[str] = Counter()
    seen = 0
    for line in lines:
        words = line.split(" ")
        if count_words(line) > len(words):
            found = [word for word in words if count_words(word) > 1]
            words = [word for word in words if count_words(word) == 1]
            clauses.update(found)
            seen += len(found)
        counts.update(words)
        if len(counts) > 2 * most:
            counts = _frequent(counts, most)
        if len(clauses) > 2 * most:
            clauses = _sample(clauses, most)
    del counts[""]
    clauses = _sample(clauses, most)
    weight = seen / max(1, clauses.total())
    scaled = {clause: round(count * weight) for clause, count in clauses.items()}
    every = {**_frequent(counts, most), **scaled}
    return sorted(every.items(), key=lambda item: (-item[1], item[0]))


def _sample(counts: Counter[str], most: int) -> Counter[str]:
    # By a hash, so that it is the same sample whatever was forgotten on the way.
    if len(counts) <= most:
        return counts
    kept = nsmallest(most, counts, key=lambda word: (zlib.crc32(word.encode()), word))
    return Counter({word: counts[word] for word in kept})


def _frequent(counts: Counter[str], most: int) -> Counter[str]:
    # Those as rare as the first one that goes, go too: chance must not say which of them stay.
    if len(counts) <= most:
        return counts
    limit = sorted(counts.values(), reverse=True)[most]
    return Counter({word: count for word, count in counts.items() if count > limit})


def learn(
    words: Iterable[tuple[str, int]],
    model: Path,
    *,
    kind: str,
    vocab_size: int,
    normalisation: str = "identity",
    split_digits: bool = False,
    character_coverage: float = 1.0,
    at_most: bool = False,
) -> None:
    """Learn a model from words with their counts and write it to ``model``.

    sentencepiece itself counts the words of its sentences first: nothing is lost. ``at_most``:
    text that does not allow as many pieces gets fewer.

    Raises:
        UserError: the words do not allow a vocabulary of this size.
    """
    content = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(f"{word}\t{count}" for word, count in words),
            input_format="tsv",
            model_writer=content,
            model_type=kind,
            normalization_rule_name=normalisation,
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            split_digits=split_digits,
            hard_vocab_limit=not at_most,
            num_threads=_LEARNING_THREADS,
            # Learn from every word, also from long ones (bytes).
            max_sentence_length=1 << 16,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _explained(error, vocab_size) from error
    with staged(model) as part:
        part.write_bytes(content.getvalue())


def _explained(error: RuntimeError, vocab_size: int) -> UserError:
    message = str(error)
    if found := _TOO_HIGH.search(message):
        return UserError(
            f"`--vocab-size` must be at most {int(found[1]):,} for this text, but is "
            f"{vocab_size:,}; choose a smaller one."
        )
    if found := _TOO_LOW.search(message):
        return TooFewPiecesError(
            int(found[1]),
            f"`--vocab-size` must be at least {int(found[1]):,} to hold the characters of this "
            f"text, but is {vocab_size:,}; give more, or `--character-coverage` below 1.",
        )
    return UserError(f"sentencepiece could not learn a model of {vocab_size:,} pieces: {message}")


def processor_of(model: Path) -> sentencepiece.SentencePieceProcessor:
    """Load a model, from a place of whatever name: sentencepiece itself opens UTF-8 alone."""
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(model.read_bytes())
    return processor


def encode(
    model: Path, lines: Iterable[str], threads: int, allowed: frozenset[str] | None = None
) -> Iterator[list[str]]:
    """Yield each line's pieces, of ``allowed`` ones if given; ``threads`` change nothing in them.

    See `respelled` for what becomes of the others.
    """
    processor = processor_of(model)
    encoded = (
        processor.encode(block, out_type=str, num_threads=threads)
        for block in blocks(lines, _BLOCK)
    )
    for pieces in chain.from_iterable(encoded):
        yield pieces if allowed is None else list(respelled(pieces, allowed))


def known_pieces(model: Path) -> frozenset[str]:
    """All pieces of a model."""
    processor = processor_of(model)
    return frozenset(map(processor.id_to_piece, range(processor.get_piece_size())))
