"""What was seen at the first download, and must be seen at every later one.

The lock file holds what the table of downloads leaves open: size and SHA-256 of files. Keep it with
your experiment, and whoever repeats it gets the same data. Where it has an entry, the entry counts
and not the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pooch

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching.table import Download
from autoassist_fairseq.tools.dataprep.files import read_json, write_json


class Lock:
    """The lock file; each change is written at once."""

    def __init__(self, path: Path) -> None:
        """``path`` need not be there yet."""
        self.path = path

    def objection(self, download: Download, path: Path) -> str | None:
        """What lock file or table have against a file, if anything."""
        known, who = self._known(download)
        if known is None:
            return None
        algorithm = known.partition(":")[0]
        found = f"{algorithm}:{pooch.file_hash(str(path), algorithm)}"
        if found == known:
            return None
        return f"must have the checksum {known} ({who}), but has {found}"

    def record(self, download: Download, path: Path, sha256: str, url: str | None) -> None:
        """Note what a file is like, where neither lock file nor table say it as it is."""
        known, _ = self._known(download)
        if known == f"sha256:{sha256}":
            return
        content = self._content()
        entry = {"size": path.stat().st_size, "sha256": sha256, "url": url}
        files = {**content["files"], download.name: entry}
        write_json(self.path, {**content, "files": dict(sorted(files.items()))})

    def _known(self, download: Download) -> tuple[str | None, str]:
        """The checksum that a file must have, if it is known, and who says so."""
        recorded = self._content()["files"].get(download.name, {}).get("sha256")
        if recorded:
            return f"sha256:{recorded}", f"recorded in {self.path}"
        return download.checksum, f"stated by {download.evidence}"

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
