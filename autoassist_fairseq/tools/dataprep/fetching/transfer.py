"""One file over HTTP, going on where an earlier attempt stopped."""

from __future__ import annotations

import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import autoassist_fairseq
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.files import read_json, write_json
from autoassist_fairseq.tools.dataprep.progress import bar, say

_BLOCK = 1 << 16
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)$")
_HEADERS = {
    "User-Agent": f"autoassist_fairseq/{autoassist_fairseq.__version__}",
    "Accept-Encoding": "identity",
}
#: Answers of a server after which it may be asked again.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class TransferError(Exception):
    """A file cannot be had from this place; the message says why."""


class _Interrupted(Exception):
    """It may go better at the next attempt."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        timeout: seconds without a byte.
        tries: attempts in a row that bring nothing.
        pause: seconds before the second of them; doubles with each.
    """

    timeout: float = 60.0
    tries: int = 4
    pause: float = 1.0


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


def transfer(url: str, target: Path, patience: Patience, size: int | None = None) -> Partial:
    """Fetch ``url``, to be called ``target``; an interruption leaves what has come for next time.

    Args:
        url: of the file, HTTP or HTTPS.
        target: what to call it.
        patience: with the server.
        size: bytes that it must have, where known; a server that offers another size is not read.

    Returns:
        The whole file under its temporary name, to be checked and finished, or discarded.

    Raises:
        TransferError: the server does not have it, or does not deliver it.
        UserError: the disk has no room for it.
        OSError: it cannot be written.
    """
    partial = Partial(target, url)
    failures = 0
    while True:
        before = partial.size
        try:
            _attempt(partial, patience.timeout, size)
            return partial
        except _Interrupted as error:
            failures = 1 if partial.size > before else failures + 1
            if failures >= patience.tries:
                raise TransferError(f"{error}, {failures} times in a row") from error
            say(f"{target.name}: {error}; trying again")
            time.sleep(patience.pause * 2 ** (failures - 1))


def _attempt(partial: Partial, timeout: float, size: int | None) -> None:
    response = _open(partial, timeout)
    if response is None:
        return  # all of it is there
    with response:
        start = _continued(response, partial)
        total = _total(response, start)
        if size is not None and total not in (None, size):
            raise TransferError(f"it offers {total:,} bytes, but the file has {size:,}")
        _check_room(partial.path.parent, (total or 0) - start)
        end = start + _receive(response, partial.path, start, total)
    if total is not None and end != total:
        raise _Interrupted(f"the connection ended at {end:,} of {total:,} bytes")


def _open(partial: Partial, timeout: float) -> HTTPResponse | None:
    """The server's answer; None when it has nothing more to give."""
    request = urllib.request.Request(partial.url, headers=_HEADERS | partial.headers())
    try:
        with _network_errors():
            response: HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
            return response
    except urllib.error.HTTPError as error:
        error.close()
        what = f"the server says {error.code} {error.reason}"
        if error.code in _PASSING:
            raise _Interrupted(what) from error
        if error.code != 416:
            raise TransferError(what) from error
        found = _RANGE.match(error.headers.get("Content-Range", ""))
        if found and int(found[2]) == partial.size:
            return None
        partial.begin(None)
        raise _Interrupted("the server's file is not the one that was begun") from error


def _continued(response: HTTPResponse, partial: Partial) -> int:
    """The byte at which the answer starts; what is there goes when it is 0."""
    if response.status == 206:
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        if found and found[1] == str(partial.size):
            return partial.size
        partial.begin(None)
        raise _Interrupted("the server sent another part than the one asked for")
    partial.begin(response.headers.get("ETag") or response.headers.get("Last-Modified"))
    return 0


def _total(response: HTTPResponse, start: int) -> int | None:
    """Bytes of the whole file, if the server says so."""
    length = response.headers.get("Content-Length")
    return None if length is None else start + int(length)


def _receive(response: HTTPResponse, path: Path, start: int, total: int | None) -> int:
    got = 0
    options = {"total": total, "initial": start, "unit": "B", "unit_scale": True}
    with bar(desc=path.stem, **options) as shown, path.open("ab") as out:
        while block := _read(response):
            out.write(block)
            got += len(block)
            shown.update(len(block))
    return got


def _read(response: HTTPResponse) -> bytes:
    with _network_errors():
        return response.read1(_BLOCK)


@contextmanager
def _network_errors() -> Iterator[None]:
    """Tell the network's errors from those of this machine's disk: they may pass."""
    try:
        yield
    except urllib.error.HTTPError:
        raise  # an answer
    except TimeoutError as error:
        raise _Interrupted("nothing came for too long") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _Interrupted("nothing came for too long") from error
        raise _Interrupted(f"it cannot be reached ({error.reason})") from error
    except (HTTPException, OSError) as error:
        raise _Interrupted(f"the connection failed ({error!r})") from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"`--downloads` needs {needed:,} bytes more, but the disk of {folder} has {free:,} "
            "free; make room or choose another folder."
        )
