"""An edit of fairseq's source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """One replacement of literal text.

    Attributes:
        name: What an error calls it.
        file: Path in the source tree, with forward slashes.
        pattern: Text to find, exactly `count` times.
        replacement: Text put in its place.
        count: How many times `pattern` must occur, at least 1.
    """

    name: str
    file: str
    pattern: str
    replacement: str
    count: int = 1
