"""Progress bars on stderr, also readable in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

_T = TypeVar("_T")


def bar(**options: Any) -> tqdm[Any]:
    """A progress bar that goes when it is done; options as tqdm's.

    A terminal gets ten updates per second at most, a log file one in five seconds.
    """
    interval = 0.1 if sys.stderr.isatty() else 5.0
    return tqdm(leave=False, mininterval=interval, maxinterval=interval, **options)


def tick(shown: tqdm[Any]) -> None:
    """Show that time goes on although nothing was counted."""
    now = time.time()
    if now - shown.last_print_t >= shown.mininterval:
        shown.last_print_t = now
        shown.refresh()


def progress(
    items: Iterable[_T], what: str, unit: str = "pair", total: int | None = None
) -> Iterator[_T]:
    """Yield ``items``, showing how many of ``total`` there were, if it takes over a second.

    A list says by itself how many there are; where nobody knows, only what is done is shown.
    """
    # Counting must not cost more than the work itself: tqdm finds out how often to look.
    yield from bar(iterable=items, desc=what, unit=unit, unit_scale=True, delay=1, total=total)


def say(text: str) -> None:
    """Print one line of human text to stderr."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()
