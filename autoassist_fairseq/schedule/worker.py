"""The background Assistant (Algorithm 2): keep the BossQueue filled, else learn from losses."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from autoassist_fairseq.errors import StarvedError, UserError
from autoassist_fairseq.schedule.messages import Failure, Feedback, Settle, Stop
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.queues import (
    SLOW,
    AssistantQueue,
    BossQueue,
    Patience,
    raise_failure,
)

JOIN_SECONDS = 5.0

R = TypeVar("R")


class Worker:
    """Runs a `Planner` in a thread, between an `AssistantQueue` and a `BossQueue`.

    A thread and not a process: its kernels release the GIL and need well under a hundredth of a
    core (docs/decisions/thread.md). It lives for one pass, and is a daemon, so that nothing is
    left behind however training ends.

    Args:
        planner: the work; touched by this thread alone between `start` and `settle`.
        rank: of this process, for messages.
        timeout: seconds that any wait may last while nothing moves.
    """

    def __init__(self, planner: Planner, rank: int, timeout: float) -> None:
        self.planner, self.timeout = planner, timeout
        self.boss_queue, self.assistant_queue = BossQueue(rank), AssistantQueue()
        self.failure: Failure | None = None
        self._thread: threading.Thread | None = None
        _workers.add(self)

    def start(self) -> None:
        """Begin to plan the current pass (again, after `settle` or a restored state)."""
        self.close()
        self.boss_queue = BossQueue(self.boss_queue.rank)
        for plan in self.planner.live:
            self.boss_queue.put(plan, self.timeout)
        self._thread = threading.Thread(target=self._run, name="assistant", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self.step():
                pass
        except BaseException as error:
            self.failure = Failure(error)
            self.boss_queue.put(self.failure, self.timeout)

    def step(self) -> bool:
        """Plan a window, or else take one message; return whether there is more to do."""
        if self.planner.may_plan():
            plan = self.attempt(self.planner.plan_next)
            if plan.updates:
                self.boss_queue.put(plan, self.timeout)
            return True
        message = self.assistant_queue.get()
        if isinstance(message, Feedback):
            self.attempt(lambda: self.planner.learn(message))
        elif isinstance(message, Settle):
            message.done.set()
        return not isinstance(message, Stop)

    def attempt(self, work: Callable[[], R]) -> R:
        """Do ``work``; if the Assistant fails at it and may, do it again without the Assistant."""
        try:
            return work()
        except UserError:
            raise
        except Exception as error:
            if self.planner.settings.on_error != "continue" or self.planner.failed:
                raise_failure(Failure(error))
            self.planner.fall_back(error)
            return self.attempt(work)

    def settle(self) -> None:
        """Wait until all that was sent is learned and planned upon; then the planner rests.

        Raises:
            StarvedError: for the timeout nothing has moved.
            AutoAssistError: the Assistant failed.
        """
        if self._thread is None:
            return
        message = Settle()
        self.assistant_queue.put(message)
        patience = Patience(self.timeout, self.moved)
        while not message.done.wait(0.05):
            self.raise_failure()
            if patience.ended():
                raise StarvedError(
                    f"the Assistant did not come to rest within {self.timeout:g} s "
                    f"(`--autoassist-timeout`); {self.situation()}; {SLOW}"
                )

    def next_plan(self) -> tuple[Plan, float]:
        """Return the next plan and the seconds waited for it; see `BossQueue.get`."""
        return self.boss_queue.get(self.timeout, self.situation, self.moved)

    def moved(self) -> tuple[object, ...]:
        """Return what changes whenever the Assistant's thread gets on.

        Within one plan of a large window that is (where the system tells) the processor time, and
        the pages that are waited for while a cold disk reads them, of the thread and of those that
        it has started, which bear its name.
        """
        planner, thread = self.planner, self._thread
        counts = planner.learned, planner.next_window, len(self.assistant_queue)
        if thread is None:
            return counts
        theirs = [one for one in threading.enumerate() if one.name.startswith(f"{thread.name}_")]
        ours = [thread, *theirs]
        try:
            stats = [Path(f"/proc/self/task/{one.native_id}/stat").read_text() for one in ours]
            told = [itemgetter(7, 9, 11, 12)(stat.rpartition(")")[2].split()) for stat in stats]
            return (*counts, *told)
        except (OSError, IndexError):
            return counts

    def raise_failure(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self.failure is not None:
            raise_failure(self.failure)

    def situation(self) -> str:
        """Return one clause on queues, window and feedback, for error messages."""
        return (
            f"AssistantQueue {len(self.assistant_queue)}, BossQueue {len(self.boss_queue)}, next "
            f"window {self.planner.next_window}, losses learned up to update {self.planner.learned}"
        )

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None and self._thread.is_alive():
            self.assistant_queue.put(Stop())
            self._thread.join(JOIN_SECONDS)
        self._thread = None


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for worker in list(_workers):
        worker.close()
