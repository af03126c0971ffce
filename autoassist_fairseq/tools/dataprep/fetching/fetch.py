"""One file of the table: found or downloaded, and checked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching.lock import Lock, Seen, look_at
from autoassist_fairseq.tools.dataprep.fetching.settings import Fetching
from autoassist_fairseq.tools.dataprep.fetching.table import Download
from autoassist_fairseq.tools.dataprep.fetching.transfer import TransferError, transfer
from autoassist_fairseq.tools.dataprep.progress import say


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
