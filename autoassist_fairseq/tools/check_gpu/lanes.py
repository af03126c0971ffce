"""Checks side by side: each lane takes the next one, and one that must be alone waits for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from autoassist_fairseq.tools.check_gpu.checks import (
    FAIL,
    NOT_RUN,
    OK,
    Check,
    NotRun,
    Overdue,
    Row,
)
from autoassist_fairseq.tools.check_gpu.planning import Timetable
from autoassist_fairseq.tools.check_gpu.runner import Runner


class Track:
    """Lets many run together, or one alone, who has the way as soon as he asks."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._running, self._asking = 0, 0

    def _free(self, alone: bool) -> bool:
        return self._running == 0 if alone else self._running >= 0 and not self._asking

    @contextmanager
    def way(self, alone: bool) -> Iterator[None]:
        """Hold the track, ``alone`` or together with others."""
        with self._condition:
            self._asking += alone
            try:
                self._condition.wait_for(lambda: self._free(alone))
            finally:
                self._asking -= alone
            self._running = -1 if alone else self._running + 1
        try:
            yield
        finally:
            with self._condition:
                self._running = 0 if alone else self._running - 1
                self._condition.notify_all()


def run_all(timetable: Timetable, runners: Sequence[Runner], keep: Callable[[Row], None]) -> None:
    """Make all checks that fit, in as many lanes as there are runners; ``keep`` gets each row."""
    track = Track()

    def lane(runner: Runner) -> None:
        try:
            runner.warm()
            while (check := timetable.next()) is not None:
                with track.way(check.alone):
                    row = make(check, runner, timetable)
                if not timetable.stopped:
                    keep(row)
        finally:
            runner.close()

    with ThreadPoolExecutor(len(runners)) as pool:
        try:
            for done in [pool.submit(lane, runner) for runner in runners]:
                done.result()
        except BaseException:
            timetable.stopped = True
            for runner in runners:
                runner.close()
            raise
    for row in timetable.left_over():
        keep(row)


def make(check: Check[Runner], runner: Runner, timetable: Timetable) -> Row:
    """Make one check."""
    if not timetable.fits(check):  # it had to wait for one that must be alone
        return timetable.no_time(check)
    begin = time.monotonic()
    runner.due = timetable.due(check)
    verdict, found, figures = FAIL, "", {}
    try:
        outcome = check.run(runner)
        verdict, found = (OK if outcome.ok else FAIL), outcome.found
        figures = dict(outcome.figures)
    except NotRun as error:
        verdict, found = NOT_RUN, str(error)
    except Overdue:
        if runner.due >= timetable.end:
            verdict, found = NOT_RUN, "time: it was over while this ran"
        else:
            found = f"did not end within {runner.due - begin:.0f} s"
    except Exception as error:  # minutes on a GPU are few: whatever it is, the others go on
        found = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - begin
    if verdict != NOT_RUN:
        timetable.took(check, seconds)
    return Row(check.part, check.name, verdict, found, seconds, figures)
