"""What was seen at the first download, and must be seen at every later one.

The lock file holds what the table of downloads leaves open: size and SHA-256 of files. Keep it with
your experiment, and whoever repeats it gets the same data. Where it has an entry, the entry counts
and not the table.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching.table import Download
from autoassist_fairseq.tools.dataprep.files import read_json, write_json
from autoassist_fairseq.tools.dataprep.progress import bar, say

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Seen:
    """A file's size in bytes and its digests, in hexadecimal."""

    bytes: int
    sha256: str
    md5: str


def look_at(path: Path) -> Seen:
    """Read a file once for its size and digests."""
    size = path.stat().st_size
    digests = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    options = {"total": size, "unit": "B", "unit_scale": True, "delay": 1}
    with path.open("rb") as stream, bar(desc=f"checking {path.name}", **options) as shown:
        while block := stream.read(_BLOCK):
            for digest in digests:
                digest.update(block)
            shown.update(len(block))
    sha256, md5 = (digest.hexdigest() for digest in digests)
    return Seen(size, sha256, md5)


class Lock:
    """The lock file; each change is written at once."""

    def __init__(self, path: Path, *, accept_changed: bool = False) -> None:
        """``accept_changed``: what differs is recorded in place of what was, and said."""
        self.path = path
        self.accept_changed = accept_changed

    def size(self, download: Download) -> int | None:
        """The size that a file must have, if it must have one."""
        if self.accept_changed:
            return None
        size: int | None = self._entry(download.name).get("size", download.size)
        return size

    def objection(self, download: Download, seen: Seen) -> str | None:
        """What lock file or table have against a file, if anything."""
        recorded = self._entry(download.name).get("sha256")
        if recorded:
            stated, who = {"SHA-256": recorded}, f"recorded in {self.path}"
        else:
            stated = {"SHA-256": download.sha256, "MD5": download.md5, "size": download.size}
            who = f"stated by {download.evidence}"
        found = {"SHA-256": seen.sha256, "MD5": seen.md5, "size": seen.bytes}
        for what, figure in stated.items():
            if figure not in (None, found[what]):
                return f"must have {what} {figure} ({who}), but has {found[what]}"
        return None

    def check(self, download: Download, path: Path, seen: Seen, url: str | None = None) -> None:
        """Compare a file with lock file and table; record what they do not say.

        Raises:
            UserError: it differs.
        """
        against = self.objection(download, seen)
        if against:
            self._differs(f"{path} {against}")
        entry = self._entry(download.name)
        if against or (download.sha256 is None and "sha256" not in entry):
            self._record(download.name, {"size": seen.bytes, "sha256": seen.sha256, "url": url})

    def _differs(self, what: str) -> None:
        if not self.accept_changed:
            raise UserError(
                f"{what}; fetch it again, or, if its publisher has changed it and you want it so, "
                "give `--accept-changed`."
            )
        say(f"warning: {what}; accepted")

    def _content(self) -> dict[str, Any]:
        content = read_json(self.path)
        if content is None and not self.path.exists():
            return {"format": 1, "files": {}}
        if content is None or not isinstance(content.get("files"), dict):
            raise UserError(
                f"`--lock` {self.path} must be a lock file, but cannot be read as one: what it "
                "held would be lost; mend it, or remove it to record the files anew."
            )
        return content

    def _entry(self, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = self._content()["files"].get(name, {})
        return entry

    def _record(self, name: str, entry: dict[str, Any]) -> None:
        content = self._content()
        files = {**content["files"], name: entry}
        write_json(self.path, {**content, "files": dict(sorted(files.items()))})
