"""The folders of ``DATA``: made ready one by one, all looked at before the first update."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from fairseq.data import LanguagePairDataset, indexed_dataset

from autoassist_fairseq.assistant.policies.competence import check_readable
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.corpus import corpus_of, eligible_pairs
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.identity import identity
from autoassist_fairseq.schedule.passes import check_enough

logger = logging.getLogger(__name__)


def folder_of(dataset: LanguagePairDataset, max_positions: Any, max_tokens: int | None) -> Folder:
    """Return the `Folder` behind the training set; `UserError` if it cannot be trained on."""
    ids, corpus = eligible_pairs(dataset, max_positions, max_tokens), corpus_of(dataset)
    if len(ids.left_out):
        logger.warning(
            f"autoassist: {len(ids.left_out):,} of {len(dataset):,} pairs are longer than "
            f"{max_positions} (source, target) and are left out; first ids: {ids.left_out[:5]}"
        )
    sizes = dataset.src_sizes, dataset.tgt_sizes
    symbols = dataset.src_dict.symbols, dataset.tgt_dict.symbols
    return Folder(corpus, ids, *sizes, identity(corpus, ids.left_out, sizes, symbols))


def check_folder(
    path: str,
    dataset: LanguagePairDataset,
    max_positions: Any,
    max_tokens: int | None,
    groups: Iterable[int],
    read: bool,
) -> None:
    """Check that a folder can be trained on in updates of any of ``groups`` batches.

    And, where the policy goes by what is ``read`` before, that there is enough to read.

    Raises:
        UserError: names the folder by its ``path`` ("" = the only one), and what does not fit.
    """
    try:
        ids = eligible_pairs(dataset, max_positions, max_tokens)
        check_enough(len(ids), max(groups, default=1))
        if read:
            check_readable(len(dataset))
    except UserError as error:
        raise UserError(f"{path}: {error}" if path else str(error)) from error


@contextlib.contextmanager
def lengths_only() -> Iterator[None]:
    """Let fairseq open memory-mapped files without reading all that is in them."""
    read_through = indexed_dataset._warmup_mmap_file
    indexed_dataset._warmup_mmap_file = lambda path: None
    try:
        yield
    finally:
        indexed_dataset._warmup_mmap_file = read_through
