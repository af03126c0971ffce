"""Several jobs side by side, each after those that it needs; one that fails stops no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

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
        self._work, self._free = work, list(range(slots))
        self._stop = threading.Event()
        self._running: dict[Future[None], tuple[str, int]] = {}
        self.failed: dict[str, str] = {}

    def run(self, names: Sequence[str], needs: Mapping[str, set[str]]) -> dict[str, str]:
        """Run all jobs; returns a sentence for each that failed, or needs one that did."""
        graph = {name: needs.get(name, set()) for name in names}
        order = TopologicalSorter(graph)
        order.prepare()
        with ThreadPoolExecutor(len(self._free)) as threads:
            try:
                self._all(threads, order)
            except BaseException:
                self._stop.set()
                raise
        for name in TopologicalSorter(graph).static_order():
            if broken := sorted(graph[name] & self.failed.keys()):
                self.failed[name] = f"it needs {broken[0]}, which failed"
        return self.failed

    def _all(self, threads: ThreadPoolExecutor, order: TopologicalSorter[str]) -> None:
        ready = list(order.get_ready())
        while ready or self._running:
            while ready and self._free:
                job = ready.pop(0), self._free.pop(0)
                self._running[threads.submit(self._work, *job, self._stop)] = job
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                name, slot = self._running.pop(future)
                self._free.append(slot)
                if error := future.exception():
                    told = "" if isinstance(error, AutoAssistError) else f"{type(error).__name__}: "
                    self.failed[name] = f"{told}{error}"
                else:
                    order.done(name)
            ready += order.get_ready()
