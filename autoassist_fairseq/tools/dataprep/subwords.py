"""One sentencepiece model for both languages: learning it and cutting text with it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import sentencepiece

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.files import staged
from autoassist_fairseq.tools.dataprep.parallel import blocks

#: Kinds of models; both are sentencepiece's own words.
KINDS = ("bpe", "unigram")
# sentencepiece adds per thread, so a model depends on their number: fixed, whatever the machine.
_LEARNING_THREADS = 4
_TOO_HIGH = re.compile(r"Vocabulary size too high .*<= (\d+)")
_TOO_LOW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")
#: sentencepiece's own symbols (unknown, beginning and end of sentence) and one for text.
LEAST_PIECES = 4


def learn(
    sentences: Iterable[str],
    model: Path,
    *,
    kind: str,
    vocab_size: int,
    split_digits: bool = False,
) -> None:
    """Learn a model from ``sentences`` and write it to ``model``.

    Raises:
        UserError: the sentences do not allow a vocabulary of this size.
    """
    content = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=content,
            model_type=kind,
            vocab_size=vocab_size,
            character_coverage=1.0,
            split_digits=split_digits,
            num_threads=_LEARNING_THREADS,
            # Learn from every sentence, also from long ones (bytes).
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
        return UserError(
            f"`--vocab-size` must be at least {int(found[1]):,} to hold the characters of this "
            f"text, but is {vocab_size:,}; choose a larger one."
        )
    return UserError(f"sentencepiece could not learn a model of {vocab_size:,} pieces: {message}")


def encode(
    model: Path, sentences: Iterable[str], *, threads: int, size: int = 20_000
) -> Iterator[list[list[str]]]:
    """Yield the sentences' pieces, in blocks of ``size``; ``threads`` change nothing in them."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    for block in blocks(sentences, size):
        yield processor.encode(block, out_type=str, num_threads=threads)


def decode(lines: Iterable[str]) -> Iterator[str]:
    """Undo `encode`: pieces between spaces become text again."""
    for line in lines:
        yield line.replace(" ", "").replace("▁", " ").strip()


def evenly_sampled(files: Iterable[Path], total: int, limit: int, seed: int) -> Iterator[str]:
    """At most ``limit`` of the ``total`` lines of each of ``files``, spread over all of it.

    Every k-th line, from a first line that ``seed`` chooses: no line has to be kept in memory.
    """
    stride = max(1, -(-total // limit))
    first = seed % stride
    return chain.from_iterable(_every(path, stride, first) for path in files)


def _every(path: Path, stride: int, first: int) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for index, line in enumerate(lines):
            if index % stride == first:
                yield line.rstrip("\n")
