"""Rows that are done, kept as they come: the same command goes on from there."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.check_gpu.checks import FAIL, NOT_RUN, OK, Row
from autoassist_fairseq.tools.common.files import write_json, write_text

ROWS, TABLE, RESULT = "rows.jsonl", "table.md", "result.json"


def key_of(machine: Mapping[str, str]) -> str:
    """Return a short name for code and machine."""
    text = json.dumps(dict(machine), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """The rows of a folder.

    Args:
        folder: where to.
        machine: what the rows are of; rows of another machine or of other code do not count.
        order: (part, name) of all rows, as the table has them.
    """

    def __init__(
        self, folder: Path, machine: Mapping[str, str], order: Sequence[tuple[str, str]]
    ) -> None:
        self._folder, self._machine, self._order = folder, machine, order
        self._key = key_of(machine)
        self._lock = threading.Lock()
        self._rows = {(row.part, row.name): row for row in self._read()}

    def _read(self) -> list[Row]:
        path, names, found = self._folder / ROWS, [one.name for one in fields(Row)], []
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                entry: dict[str, Any] = json.loads(line)
                row = Row(**{name: entry[name] for name in names})
            except (ValueError, KeyError, TypeError):  # cut off while it was written
                continue
            if entry.get("key") == self._key and row.verdict != NOT_RUN:
                found.append(row)
        return found

    def done(self, part: str, name: str) -> bool:
        """Return whether a row is done: what failed, or was not run, is tried again."""
        return self._verdict(part, name) == OK

    def _verdict(self, part: str, name: str) -> str:
        row = self._rows.get((part, name))
        return row.verdict if row else ""

    def add(self, row: Row) -> None:
        """Keep a row, and write the table with it; what failed stays so until it is made again."""
        with self._lock:
            if row.verdict == NOT_RUN and self._verdict(row.part, row.name) == FAIL:
                return
            self._rows[row.part, row.name] = row
            self._folder.mkdir(parents=True, exist_ok=True)
            entry = {"key": self._key, "time": time.strftime("%Y-%m-%d %H:%M:%S"), **asdict(row)}
            with (self._folder / ROWS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            self.write()

    @property
    def rows(self) -> list[Row]:
        """All rows in the order of the table; those nothing is known of are not run."""
        return [self._rows.get(at, Row(*at, NOT_RUN, "not yet")) for at in self._order]

    @property
    def failed(self) -> list[Row]:
        """The rows that failed."""
        return [row for row in self.rows if row.verdict == FAIL]

    def write(self) -> None:
        """Write the table and the result for machines."""
        write_text(self._folder / TABLE, self.table())
        rows = [asdict(row) for row in self.rows]
        write_json(self._folder / RESULT, {"machine": dict(self._machine), "rows": rows})

    def table(self) -> str:
        """Return the rows in Markdown, with the machine above them."""
        about = "; ".join(f"{name} {value}" for name, value in self._machine.items())
        lines = [about, "", "| part | what |  | seen | s |", "|---|---|---|---|--:|"]
        for row in self.rows:
            seconds = f"{row.seconds:.1f}" if row.seconds else ""
            found = " ".join(row.found.replace("|", "/").split())
            lines.append(f"| {row.part} | {row.name} | {row.verdict} | {found} | {seconds} |")
        return "\n".join(lines) + "\n"
