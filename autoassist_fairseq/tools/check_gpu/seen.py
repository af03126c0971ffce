"""What a watched program left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoassist_fairseq.errors import UserError


@dataclass(frozen=True)
class Seen:
    """What a rank of a job left behind.

    Attributes:
        status: exit status; negative = ended by that signal.
        output: what it printed.
        events: what it told.
    """

    status: int
    output: str
    events: Sequence[Mapping[str, Any]]

    def of(self, event: str) -> list[Mapping[str, Any]]:
        """Return the events of a kind."""
        return [one for one in self.events if one["event"] == event]

    def logged(self, tag: str) -> list[dict[str, Any]]:
        """Return the metrics that were logged under ``tag`` (train, train_inner)."""
        found = [line.split(f" | {tag} | ", 1)[1:] for line in self.output.splitlines()]
        return [json.loads(text[0]) for text in found if text]

    def ended(self, status: int = 0) -> Seen:
        """Return this; raise `UserError` unless it ended with ``status``."""
        if self.status != status:
            lines = [line for line in self.output.splitlines() if line.strip()] or ["nothing"]
            raise UserError(f"ended with status {self.status}, not {status}: {lines[-1].strip()}")
        return self


def look(folder: Path, rank: int, status: int) -> Seen:
    """Return what a rank that ended with ``status`` left in ``folder``."""
    return Seen(status, read(folder / f"log.{rank}"), _events(read(folder / f"events.{rank}")))


def read(path: Path) -> str:
    """Return the text of a file; nothing where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _events(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        with suppress(ValueError):  # SIGKILL may cut off the last one
            found.append(json.loads(line))
    return found
