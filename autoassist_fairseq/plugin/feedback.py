"""From the Boss's forward passes to one feedback per update, the same on every rank.

All ranks know the plan, so one all-reduce per update is all that they share: a float32 vector with
a checksum of the plan, and a slot for the loss of every pair. It is enqueued behind the last
micro-batch, and read by the host when the next update begins: no synchronisation is added.
Ranks whose plans differ (a fault, or processors that round differently) must still share vectors of
one length, to learn that they differ. So there is room for as many losses as were agreed upon; an
update with more shares the rest once the checksum has shown that all have it, and makes room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fairseq.distributed import utils as distributed_utils

from autoassist_fairseq.errors import AutoAssistError
from autoassist_fairseq.schedule.messages import MISSING, Feedback

# Small enough that float32 adds up the checksums of 4,096 ranks exactly.
CHECKSUMS = 4_096


@dataclass(frozen=True)
class Ticket:
    """Tells where a batch stands in its plan; travels in the sample as ``sample["autoassist"]``.

    Attributes:
        pass_index, update: the update that it belongs to, numbered as in the plan.
        micro, micros: which of this rank's micro-batches of the update it is.
        offset: first slot of the batch in the update's vector of losses.
        slots: pairs in the whole update, over all ranks.
        checksum: of the pairs of the whole update, in [0, `CHECKSUMS`).
    """

    pass_index: int
    update: int
    micro: int
    micros: int
    offset: int
    slots: int
    checksum: int

    @property
    def key(self) -> tuple[int, int]:
        """Order of updates."""
        return (self.pass_index, self.update)


class RanksDisagreeError(AutoAssistError):
    """The ranks hold different plans."""


class Collector:
    """Gathers the losses of one update, shares them, and hands them on once.

    Args:
        ranks: number of ranks that train on one update.
        deliver: takes the finished `Feedback` of every update, in order.
    """

    def __init__(self, ranks: int, deliver: Callable[[Feedback], None]) -> None:
        self.ranks, self._deliver, self._room = ranks, deliver, 0
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
            size = 1 + max(ticket.slots, self._room)
            self._vector = torch.zeros(size, device=order.device)
        own = self._vector[1 + ticket.offset :][: len(order)]
        if losses is None:
            own.fill_(float(MISSING))
        else:
            own[order] = losses.to(own.dtype)

    def end(self, ticket: Ticket) -> None:
        """Share the update; call it on every rank after the last micro-batch was run."""
        assert self._vector is not None
        if self.ranks > 1:
            self._vector[0] = float(ticket.checksum)
            self._share(ticket, self._vector)
        self._shared = (ticket, *to_host(self._vector))
        self._last, self._open, self._vector = ticket.key, None, None

    def _share(self, ticket: Ticket, vector: torch.Tensor) -> None:
        group = distributed_utils.get_data_parallel_group()
        head, rest = vector[: 1 + self._room], vector[1 + self._room :]
        distributed_utils.all_reduce(head, group=group)
        if len(rest):  # rare, so reading (which waits for the device) may cost something
            self._check_agreement(ticket, float(head[0]))
            distributed_utils.all_reduce(rest, group=group)
            self._room = 2 * ticket.slots

    def flush(self) -> None:
        """Hand on what is finished; an update that broke off (out of memory) counts as missing."""
        if self._shared is not None:
            ticket, vector, event = self._shared
            if event is not None:
                event.synchronize()
            self._shared = None
            shared = vector.numpy()
            self._check_agreement(ticket, float(shared[0]))
            self._send(ticket, shared[1 : 1 + ticket.slots].copy())
        if self._open is not None:
            self._send(self._open, np.full(self._open.slots, MISSING))
            self._last, self._open, self._vector = self._open.key, None, None

    def _check_agreement(self, ticket: Ticket, total: float) -> None:
        if self.ranks > 1 and total != self.ranks * ticket.checksum:
            raise RanksDisagreeError(
                f"the ranks do not train on the same plan any more (pass {ticket.pass_index}, "
                f"update {ticket.update}); see whether the Assistant failed on one of them, else "
                "start them with the same options, data and versions, from the same checkpoint."
            )

    def _send(self, ticket: Ticket, losses: Any) -> None:
        self._deliver(Feedback(ticket.pass_index, ticket.update, losses))


def to_host(vector: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Start to copy ``vector`` to the host; return the copy, and the event that ends it if any."""
    if not vector.is_cuda:
        return vector.cpu(), None
    host = torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True)
    host.copy_(vector, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return host, event
