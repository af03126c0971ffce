"""BossQueue -> this rank's batches, and a ticket for each."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autoassist_fairseq.plugin.feedback import CHECKSUMS, Ticket
from autoassist_fairseq.schedule.plan import Plan

# Keys that travel in a sample: the ticket (plain object), and the batch's own order (tensor).
TICKET, ORDER = "autoassist", "autoassist_order"


@dataclass(frozen=True)
class Seen:
    """A batch on its way to the Boss: its ticket, its plan, and the seconds waited for the plan.

    ``weights`` [B] of its pairs are in the order of the plan; None = all 1.
    """

    ticket: Ticket
    plan: Plan
    waited: float
    weights: NDArray[np.float32] | None = None


class PlannedSampler:
    """A batch sampler for a stock DataLoader: takes plans from the BossQueue as they are asked for.

    Args:
        next_plan: returns the next plan and the seconds waited for it.
        rank, ranks: this rank takes batches rank, rank + ranks, ... of every update.
    """

    def __init__(self, next_plan: Callable[[], tuple[Plan, float]], rank: int, ranks: int) -> None:
        self._next_plan, self.rank, self.ranks = next_plan, rank, ranks
        self.tickets: deque[Seen] = deque()
        self.begin(0, 0, 1)

    def begin(self, first_update: int, updates: int, micros: int) -> None:
        """Yield the ``micros`` batches of each of ``first_update`` .. ``updates - 1`` next."""
        self._first, self._updates, self._micros = first_update, updates, micros
        self.tickets.clear()

    def __len__(self) -> int:
        return (self._updates - self._first) * self._micros

    def __iter__(self) -> Iterator[list[int]]:
        update = self._first
        while update < self._updates:
            plan, waited = self._next_plan()
            while update < plan.end_update:
                yield from self._own(plan, update, waited)
                update, waited = update + 1, 0.0

    def _own(self, plan: Plan, update: int, waited: float) -> Iterator[list[int]]:
        """Yield this rank's batches of ``update``; the first one carries what was waited."""
        batches, weights = plan.update(update), plan.weights_of(update)
        offsets = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])])
        checksum = zlib.crc32(np.concatenate(batches).data) % CHECKSUMS
        for micro in range(self._micros):
            index = self.rank + micro * self.ranks
            ticket = Ticket(
                pass_index=plan.pass_index,
                update=update,
                micro=micro,
                micros=self._micros,
                offset=int(offsets[index]),
                slots=int(offsets[-1]),
                checksum=checksum,
            )
            self.tickets.append(Seen(ticket, plan, waited if micro == 0 else 0.0, weights[index]))
            yield batches[index].tolist()


class OrderedCollater:
    """The data set's collater; adds where each row of the batch stands in the plan.

    Plans hold the pairs of a batch by ascending id, a collater sorts them by length.
    """

    def __init__(self, collater: Callable[[Any], Any]) -> None:
        self._collater = collater

    def __call__(self, samples: Any) -> Any:
        """Return the collated ``samples`` with their `ORDER` [B]."""
        batch = self._collater(samples)
        order = torch.empty_like(batch["id"])
        order[batch["id"].argsort()] = torch.arange(len(order))
        batch[ORDER] = order
        return batch
