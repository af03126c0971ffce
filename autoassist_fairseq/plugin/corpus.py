"""fairseq's datasets -> the Assistant's corpus: a view of what fairseq has mapped into memory."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import numpy as np
from fairseq.data import BaseWrapperDataset, ConcatDataset, LanguagePairDataset
from fairseq.data.indexed_dataset import (
    MMapIndexedDataset,
    data_file_path,
    index_file_path,
)

from autoassist_fairseq.assistant.corpus.features import Corpus, WordTable, spelled_alike
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Segment, TokenSide
from autoassist_fairseq.errors import UserError

logger = logging.getLogger(__name__)


def corpus_of(dataset: LanguagePairDataset) -> Corpus:
    """Return the `Corpus` behind a translation data set."""
    parts = _segments(dataset.src), _segments(dataset.tgt)
    source = TokenSide(parts[0], len(dataset.src_dict), "source")
    target = TokenSide(parts[1], len(dataset.tgt_dict), "target")
    tables = WordTable.of(source), WordTable.of(target)
    alike = spelled_alike(dataset.src_dict.symbols, dataset.tgt_dict.symbols)
    return Corpus(source, target, *tables, alike, FileGuard(parts[0] + parts[1]))


class FileGuard:
    """Raises `UserError` when called after a mapped file became smaller or went away.

    A file that shrinks under a memory map ends the process with a bus error as soon as its lost
    part is read, so this is asked before every window is planned. Whoever touches files (against
    purging) or replaces them by others of that size is warned, once.
    """

    def __init__(self, segments: list[tuple[Segment, int]]) -> None:
        owners = [s.owner for s, _ in segments if isinstance(s.owner, MMapIndexedDataset)]
        paths = [
            path for o in owners for path in (data_file_path(o._path), index_file_path(o._path))
        ]
        self._before = {path: self._facts(path) for path in paths}
        self._warned = False

    @staticmethod
    def _facts(path: str) -> tuple[int, int, int]:
        """Return size (-1 = no file), inode and time of change."""
        try:
            status = os.stat(path)
        except OSError:
            return (-1, 0, 0)
        return (status.st_size, status.st_ino, status.st_mtime_ns)

    def __call__(self) -> None:
        """Look once more."""
        for path, before in self._before.items():
            now = self._facts(path)
            if now[0] < before[0]:
                raise UserError(
                    f"`DATA` must stay as it is while training reads it, but {path} "
                    f"{'is gone' if now[0] < 0 else 'became smaller'}; put it back, and give the "
                    "same command again to go on from the last checkpoint."
                )
            if now != before and not self._warned:
                self._warned = True
                logger.warning(
                    f"autoassist: {path} was touched or replaced while training reads it; training "
                    "goes on with what it has mapped into memory"
                )


def _segments(dataset: Any) -> list[tuple[Segment, int]]:
    """Return the binarised files below ``dataset``, with how often each is repeated."""
    while isinstance(dataset, BaseWrapperDataset):
        # Truncation or an added end-of-sentence changes no feature that matters here.
        dataset = dataset.dataset
    if isinstance(dataset, ConcatDataset):
        parts = zip(dataset.datasets, dataset.sample_ratios, strict=True)
        return [
            (segment, repeat * int(ratio))
            for part, ratio in parts
            for segment, repeat in _segments(part)
        ]
    if isinstance(dataset, MMapIndexedDataset):
        return [(_mapped(dataset), 1)]
    return [(_copied(dataset), 1)]


def _mapped(dataset: MMapIndexedDataset) -> Segment:
    index = dataset._index
    tokens = np.frombuffer(dataset._bin_buffer, dtype=index.dtype)
    return Segment(tokens, index._pointers, index.sizes, tokens.itemsize.bit_length() - 1, dataset)


def _copied(dataset: Any) -> Segment:
    """Copy a data set that is not memory-mapped (``--dataset-impl raw|lazy``), once."""
    logger.warning(
        "autoassist: the training set is not memory-mapped (--dataset-impl mmap): its tokens are "
        "copied into memory"
    )
    if getattr(dataset, "supports_prefetch", False):  # what fairseq calls cached: all or nothing
        dataset.prefetch(range(len(dataset)))
    sizes = np.asarray(dataset.sizes, np.int64)
    tokens = np.concatenate([dataset[i].numpy() for i in range(len(sizes))]).astype(np.int32)
    if getattr(dataset, "data_file", None) is not None:
        # Each loading process must open it for itself, or all would share one position in it.
        dataset.data_file.close()
        dataset.data_file = None
    return Segment(tokens, np.cumsum(sizes) - sizes, sizes)


def eligible_pairs(
    dataset: LanguagePairDataset, max_positions: Any, max_tokens: int | None
) -> PairIds:
    """Return the pairs that fit the model.

    Raises:
        UserError: there are no pairs, none fits, or one that fits is longer than a batch.
    """
    if not len(dataset):
        raise UserError("`DATA` must hold a train split with at least one pair, but it is empty.")
    left_out: list[int] = []
    shortest, longest = sys.maxsize, 0
    for ids in PairIds(len(dataset)).blocks():
        lengths = np.maximum(dataset.src_sizes[ids], dataset.tgt_sizes[ids])
        shortest = min(shortest, int(lengths.min()))
        if max_positions is not None:
            fit, ignored = dataset.filter_indices_by_size(ids, max_positions)
            left_out += ignored
            lengths = lengths[fit - ids[0]]
        longest = max(longest, int(lengths.max(initial=0)))
    if len(left_out) == len(dataset):
        raise UserError(
            f"`--max-source-positions` and `--max-target-positions` must admit some pairs, but "
            f"with {max_positions} all {len(dataset):,} are too long (the shortest has {shortest} "
            "tokens); raise them, or split long sentences."
        )
    if max_tokens is not None and longest > max_tokens:
        raise UserError(
            f"`--max-tokens` must be at least as long as the longest pair that is kept, which has "
            f"{longest} tokens, but is {max_tokens}; raise it, or lower `--max-source-positions` "
            "and `--max-target-positions`."
        )
    return PairIds(len(dataset), left_out)
