"""Several jobs side by side, each after those that it needs; one that fails stops no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from autoassist_fairseq.errors import AutoAssistError

Work = Callable[[str, int, threading.Event], None]


class Pool:
    """Runs jobs in threads, which wait for processes.

    A thread lives as long as the pool: Linux ends a process when the *thread* that made it ends.

    Args:
        work: does the job of a name in a slot, and gives up when the event is set.
        slots: jobs at a time.
    """

    def __init__(self, work: Work, slots: int) -> None:
        self._work, self._slots = work, slots
        self._stop = threading.Event()
        self._running: dict[Future[None], tuple[str, int]] = {}
        self.failed: dict[str, str] = {}

    def run(self, names: Sequence[str], needs: Mapping[str, set[str]]) -> dict[str, str]:
        """Run all jobs; returns a sentence for each that failed, or needs one that did."""
        waiting, done = list(names), set[str]()
        with ThreadPoolExecutor(self._slots) as threads:
            try:
                while waiting or self._running:
                    waiting = self._start(threads, waiting, needs, done)
                    if self._running:
                        done |= self._await()
            except BaseException:
                self._stop.set()
                raise
        return self.failed

    def _start(
        self,
        threads: ThreadPoolExecutor,
        waiting: list[str],
        needs: Mapping[str, set[str]],
        done: set[str],
    ) -> list[str]:
        """Start what is ready, as far as there are slots; returns what waits on."""
        left = []
        for name in waiting:
            wanted = needs.get(name, set())
            broken = sorted(wanted & self.failed.keys())
            taken = {slot for _, slot in self._running.values()}
            free = [slot for slot in range(self._slots) if slot not in taken]
            if broken:
                self.failed[name] = f"it needs {broken[0]}, which failed"
            elif free and wanted <= done:
                future = threads.submit(self._work, name, free[0], self._stop)
                self._running[future] = (name, free[0])
            else:
                left.append(name)
        return left

    def _await(self) -> set[str]:
        """Wait until a job ends; returns those that ended well."""
        ended, _ = wait(self._running, return_when=FIRST_COMPLETED)
        well = set()
        for future in ended:
            name, _ = self._running.pop(future)
            error = future.exception()
            if error is None:
                well.add(name)
            elif isinstance(error, AutoAssistError):
                self.failed[name] = str(error)
            else:
                self.failed[name] = f"{type(error).__name__}: {error}"
        return well
