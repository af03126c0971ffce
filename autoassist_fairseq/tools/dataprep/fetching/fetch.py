"""Where a published corpus comes from: each of its files found or downloaded, and checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching.lock import Lock, Seen, look_at
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download
from autoassist_fairseq.tools.dataprep.fetching.transfer import Patience, TransferError, transfer
from autoassist_fairseq.tools.dataprep.progress import say


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
        patience: with servers.
    """

    out: Path
    lock: Path
    source: Path | None = None
    downloads: Path | None = None
    mirrors: tuple[str, ...] = ()
    accept_changed: bool = False
    patience: Patience = field(default_factory=Patience)

    def place(self, download: Download) -> Path:
        """Where a file is, or will be; ``--from`` may hold gzipped text unpacked."""
        if self.source is None:
            return (self.downloads or self.out / "downloads") / download.name
        place = self.source / download.name
        unzipped = place.with_suffix("")
        return unzipped if place.suffix == ".gz" and not place.is_file() else place


def problems(corpus: Corpus, how: Fetching) -> list[str]:
    """What is wrong with the settings, or with the files if they are to be there."""
    found = [
        f"`--mirror` must be an http or https URL, but is {mirror!r}"
        for mirror in how.mirrors
        if not mirror.startswith(("http://", "https://"))
    ]
    if not how.patience.timeout > 0:
        found.append(f"`--timeout` must be over 0, but is {how.patience.timeout}")
    if how.patience.tries < 1:
        found.append(f"`--tries` must be at least 1, but is {how.patience.tries}")
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


def fetch(download: Download, how: Fetching, lock: Lock) -> dict[str, Any]:
    """Download the file if it is not there; returns what it is like, for `Lock.check`.

    Raises:
        UserError: it cannot be had.
    """
    place = how.place(download)
    if place.is_file():
        return asdict(look_at(place))
    place.parent.mkdir(parents=True, exist_ok=True)
    own = [f"{mirror.rstrip('/')}/{download.name}" for mirror in how.mirrors]
    complaints = []
    for url in (*own, *download.urls):
        say(f"{download.name}: from {url}")
        try:
            return {**asdict(_fetched(url, download, how, lock)), "url": url}
        except TransferError as error:
            complaints.append(f"{url}: {error}")
    raise UserError(
        f"{download.name} could not be had ({'; '.join(complaints)}); look at the connection, give "
        "another place with `--mirror`, or fetch it by hand and give its folder with `--from`."
    )


def _fetched(url: str, download: Download, how: Fetching, lock: Lock) -> Seen:
    got = transfer(url, how.place(download), how.patience, lock.size(download))
    seen = look_at(got.path)
    against = lock.objection(download, seen)
    if against and not lock.accept_changed:
        got.discard()
        raise TransferError(f"it {against}")
    got.finish()
    return seen
