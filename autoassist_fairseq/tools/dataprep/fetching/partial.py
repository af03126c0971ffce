"""A download that has begun: the bytes that are there, and which file they belong to."""

from __future__ import annotations

from pathlib import Path

from autoassist_fairseq.tools.dataprep.files import read_json, write_json


class Partial:
    """``NAME.partial`` beside a target, with a note of where it comes from."""

    def __init__(self, target: Path, url: str) -> None:
        """``url`` is where the rest is to come from; parts of another URL's file are of no use."""
        self.target = target
        self.url = url
        self.path = target.with_name(f"{target.name}.partial")
        self._note = target.with_name(f"{target.name}.partial.json")
        note = read_json(self._note) or {}
        self._version: str | None = note.get("version") if note.get("url") == url else None

    @property
    def size(self) -> int:
        """Bytes that are there and of use."""
        return self.path.stat().st_size if self._version and self.path.is_file() else 0

    def headers(self) -> dict[str, str]:
        """What asks the server for the rest, if its file is still the same."""
        if not self.size:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._version or ""}

    def begin(self, version: str | None) -> None:
        """Start over with a file whose state the server calls ``version``.

        Without a name for its state nobody can tell whether the rest belongs to it, and the next
        attempt starts over as well.
        """
        self.path.unlink(missing_ok=True)
        self._version = version
        write_json(self._note, {"url": self.url, "version": version})

    def finish(self) -> None:
        """Give the file its name."""
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
