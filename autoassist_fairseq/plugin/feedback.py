"""From the Boss's forward passes to one feedback per update, the same on every rank.

All ranks know the plan, so one all-reduce of a vector with a slot for every pair of the update (4
bytes each) is all that they share. It is enqueued behind the last micro-batch, and read by the
host when the next update begins: no synchronisation is added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fairseq.distributed import utils as distributed_utils

from autoassist_fairseq.schedule.messages import MISSING, Feedback


@dataclass(frozen=True)
class Ticket:
    """Tells where a batch stands in its plan; travels in the sample as ``sample["autoassist"]``.

    Attributes:
        pass_index, update: the update that it belongs to, numbered as in the plan.
        micro, micros: which of this rank's micro-batches of the update it is.
        offset: first slot of the batch in the update's vector of losses.
        slots: pairs in the whole update, over all ranks.
    """

    pass_index: int
    update: int
    micro: int
    micros: int
    offset: int
    slots: int

    @property
    def key(self) -> tuple[int, int]:
        """Order of updates."""
        return (self.pass_index, self.update)


class Collector:
    """Gathers the losses of one update, shares them, and hands them on once.

    Args:
        ranks: number of ranks that train on one update.
        deliver: takes the finished `Feedback` of every update, in order.
    """

    def __init__(self, ranks: int, deliver: Callable[[Feedback], None]) -> None:
        self.ranks, self._deliver = ranks, deliver
        self._open: Ticket | None = None
        self._vector: torch.Tensor | None = None
        self._shared: tuple[Ticket, torch.Tensor, Any] | None = None
        self._last: tuple[int, int] = (0, -1)

    def begin(self, ticket: Ticket) -> bool:
        """Open the update of ``ticket``; return False for one that was shared before (a retry)."""
        if ticket.key <= self._last:
            return False
        if self._open is None or self._open.key != ticket.key:
            self.flush()
            self._open, self._vector = ticket, None
        return True

    def add(self, ticket: Ticket, order: torch.Tensor, losses: torch.Tensor | None) -> None:
        """Put the losses [B] of one batch into their slots, ``offset + order``; None = missing."""
        if self._vector is None:
            self._vector = torch.zeros(ticket.slots, dtype=torch.float32, device=order.device)
        own = self._vector[ticket.offset : ticket.offset + len(order)]
        if losses is None:
            own.fill_(float(MISSING))
        else:
            own[order] = losses

    def end(self, ticket: Ticket) -> None:
        """Share the update; call it on every rank after the last micro-batch was run."""
        assert self._vector is not None
        if self.ranks > 1:
            distributed_utils.all_reduce(
                self._vector, group=distributed_utils.get_data_parallel_group()
            )
        self._shared = (ticket, *to_host(self._vector))
        self._last, self._open, self._vector = ticket.key, None, None

    def flush(self) -> None:
        """Hand on what is finished; an update that broke off (out of memory) counts as missing."""
        if self._shared is not None:
            ticket, vector, event = self._shared
            if event is not None:
                event.synchronize()
            self._send(ticket, vector.numpy())
            self._shared = None
        if self._open is not None:
            self._send(self._open, np.full(self._open.slots, MISSING))
            self._last, self._open, self._vector = self._open.key, None, None

    def _send(self, ticket: Ticket, losses: Any) -> None:
        self._deliver(Feedback(ticket.pass_index, ticket.update, losses))


def to_host(vector: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Start to copy ``vector`` to the host; return the copy, and the event that ends it if any."""
    if not vector.is_cuda:
        return vector, None
    host = torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True)
    host.copy_(vector, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return host, event
