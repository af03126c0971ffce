"""BossQueue and AssistantQueue (Algorithms 2 and 3): bounded, and no wait without an end."""

from __future__ import annotations

import queue
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from autoassist_fairseq.errors import AutoAssistError, StarvedError
from autoassist_fairseq.schedule.messages import Failure, Feedback, Settle, Stop
from autoassist_fairseq.schedule.plan import Plan

# Plans in flight: the one that is trained on, and the one planned meanwhile; a third never waits.
BOSS_QUEUE_SIZE = 4
# Updates whose losses wait to be learned; far more than two windows ever hold.
ASSISTANT_QUEUE_SIZE = 1_000_000
# Seconds between two looks at whether something moves.
POLL = 0.5
SLOW = "if the machine was only slow, raise that limit and go on from the last checkpoint."


class AssistantError(AutoAssistError):
    """The Assistant failed; ``__cause__`` says why."""


class Patience:
    """Ends when nothing has moved for some time, however long things take that do move.

    Args:
        timeout: seconds.
        moved: its answer changes whenever something moves.
    """

    def __init__(self, timeout: float, moved: Callable[[], object]) -> None:
        self._timeout, self._moved = timeout, moved
        self._last, self._since = moved(), time.monotonic()

    def ended(self) -> bool:
        """Look once more; return whether it has ended."""
        if (now := self._moved()) != self._last:
            self._last, self._since = now, time.monotonic()
        return time.monotonic() - self._since >= self._timeout


class BossQueue:
    """Plans from the Assistant to the Boss."""

    def __init__(self, rank: int = 0) -> None:
        self.rank = rank
        self._queue: queue.Queue[Plan | Failure] = queue.Queue(BOSS_QUEUE_SIZE)

    def put(self, item: Plan | Failure, timeout: float) -> None:
        """Add a plan, or the news that there will be none."""
        self._queue.put(item, timeout=timeout)

    def get(
        self,
        timeout: float,
        situation: Callable[[], str] = lambda: "",
        moved: Callable[[], object] = lambda: None,
    ) -> tuple[Plan, float]:
        """Return the next plan and the seconds waited for it.

        Raises:
            StarvedError: for ``timeout`` seconds nothing came, and the answer of ``moved`` stayed
                the same; it tells the ``situation``.
            AssistantError: the Assistant failed.
        """
        begin, patience = time.perf_counter(), Patience(timeout, moved)
        while True:
            try:
                item = self._queue.get(timeout=min(timeout, POLL))
                break
            except queue.Empty:
                if patience.ended():
                    raise StarvedError(
                        f"rank {self.rank} waited {timeout:g} s (`--autoassist-timeout`) for the "
                        f"BossQueue, which is empty; {situation()}; {SLOW}"
                    ) from None
        if isinstance(item, Failure):
            self._queue.put(item)
            raise_failure(item)
        return item, time.perf_counter() - begin

    def __len__(self) -> int:
        return self._queue.qsize()


class AssistantQueue:
    """Losses from the Boss to the Assistant."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Feedback | Settle | Stop] = queue.Queue(ASSISTANT_QUEUE_SIZE)

    def put(self, message: Feedback | Settle | Stop) -> None:
        """Add a message; never waits."""
        self._queue.put_nowait(message)

    def get(self) -> Feedback | Settle | Stop:
        """Return the next message. Only the Assistant's own thread waits here; `Stop` ends it."""
        return self._queue.get()

    def __len__(self) -> int:
        return self._queue.qsize()


def raise_failure(failure: Failure) -> NoReturn:
    """Raise what ended the Assistant."""
    if isinstance(failure.cause, AutoAssistError):
        raise failure.cause
    cause = failure.cause
    place = traceback.extract_tb(cause.__traceback__)[-1:]
    where = "".join(f" in {Path(frame.filename).name}:{frame.lineno}" for frame in place)
    raise AssistantError(
        f"the Assistant failed with {type(cause).__name__}: {cause}{where}; give the same command "
        "again to go on from the last checkpoint, with `--autoassist-on-error continue` to do "
        "without the Assistant."
    ) from cause
