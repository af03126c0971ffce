"""What a watched run tells: one line of JSON per event, from any thread."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class Events:
    """Appends events to a file; nothing stays in a buffer that SIGKILL would take along."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def write(self, event: str, **values: Any) -> None:
        """Write one event."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")
