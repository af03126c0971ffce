"""Where a published corpus comes from: each of its files found or downloaded, and checked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests

import autoassist_fairseq
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import read_json, staged, write_json
from autoassist_fairseq.tools.common.progress import bar, say
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download

_HEADERS = {
    "User-Agent": f"autoassist_fairseq/{autoassist_fairseq.__version__}",
    "Accept-Encoding": "identity",  # an archive is not to be unpacked on its way
}


@dataclass(frozen=True)
class Fetching:
    """Where a corpus comes from and goes to.

    Attributes:
        out: the folder that is filled; texts go to ``raw`` in it.
        lock: the lock file.
        source: folder in which the files are already; nothing is downloaded then.
        downloads: folder for what is downloaded.
        mirrors: URLs of folders that are tried before those of the table.
        accept_changed: take files that differ from the table or the lock file.
        timeout: seconds without a byte after which a server is given up.
        tries: how often a server is asked that fails.
    """

    out: Path
    lock: Path
    source: Path | None
    downloads: Path
    mirrors: Sequence[str]
    accept_changed: bool
    timeout: float
    tries: int

    def place(self, download: Download) -> Path:
        """Where a file is, or will be; ``--from`` may hold gzipped text unpacked."""
        place = (self.source or self.downloads) / download.name
        unzipped = place.with_suffix("")
        there = self.source is None or place.is_file() or place.suffix != ".gz"
        return place if there else unzipped


def problems(corpus: Corpus, how: Fetching) -> list[str]:
    """What is wrong with the settings, or with the files if they are to be there."""
    found = [
        f"`--mirror` must be an http or https URL, but is {mirror!r}"
        for mirror in how.mirrors
        if not mirror.startswith(("http://", "https://"))
    ]
    if not how.timeout > 0:
        found.append(f"`--timeout` must be over 0, but is {how.timeout}")
    if how.tries < 1:
        found.append(f"`--tries` must be at least 1, but is {how.tries}")
    if how.source is None:
        return found
    if not how.source.is_dir():
        return [*found, f"`--from` must be a folder, but {how.source} is none"]
    places = map(how.place, corpus.downloads)
    missing = [str(path) for path in places if not path.is_file()]
    if missing:
        found.append(
            f"`--from` must hold the corpus's files, but {', '.join(missing)} is not there; "
            "download them, or leave `--from` out to have them downloaded"
        )
    return found


class Lock:
    """What was seen at the first good download, and must be seen at every later one.

    The lock file holds what the table of downloads leaves open: size and SHA-256 of files. Keep it
    with your experiment, and whoever repeats it gets the same data. Where it has an entry, the
    entry counts and not the table. Each change is written at once.
    """

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


def fetch(download: Download, how: Fetching, lock: Lock) -> dict[str, str]:
    """Download the file if it is not there; returns the ``url`` that it came from, if any.

    Raises:
        UserError: it cannot be had.
    """
    if how.place(download).is_file():
        return {}
    own = [f"{mirror.rstrip('/')}/{download.name}" for mirror in how.mirrors]
    complaints = []
    for url in (*own, *download.urls):
        say(f"{download.name}: from {url}")
        try:
            with staged(how.place(download)) as part:
                _transfer(url, part, download, how)
                against = lock.objection(download, part)
                if against and not how.accept_changed:
                    raise ValueError(f"it {against}: `--accept-changed` takes it")
            return {"url": url}
        except (requests.RequestException, ValueError) as error:
            complaints.append(f"{url}: {error}")
    raise UserError(
        f"{download.name} could not be had ({'; '.join(complaints)}); look at the connection, give "
        "another place with `--mirror`, or fetch it by hand and give its folder with `--from`."
    )


def _transfer(url: str, part: Path, download: Download, how: Fetching) -> None:
    """Ask as often as `Fetching.tries` says, but not again for what a server does not have."""
    for left in reversed(range(how.tries)):
        # A total of 0 would make pooch take the bar for none.
        options = {"total": download.size or 1, "unit": "B", "unit_scale": True}
        try:
            with bar(desc=download.name, **options) as shown:
                pooch.HTTPDownloader(shown, 1 << 16, timeout=how.timeout, headers=_HEADERS)(
                    url, str(part), None
                )
            return
        except requests.RequestException as error:
            refused = error.response is not None and error.response.status_code < 500
            if refused or not left:
                raise
            say(f"{download.name}: {error}; trying again")
            time.sleep(how.tries - left)
