"""Downloads from a real server on loopback that does not always behave."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mirror import Answer, Mirror, serving

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import clear_os_errors
from autoassist_fairseq.tools.dataprep.fetching.fetch import Fetching, Lock, fetch
from autoassist_fairseq.tools.dataprep.fetching.table import Download

CONTENT = bytes(range(256)) * 1_000


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with serving() as mirror:
        mirror.files["file"] = CONTENT
        yield mirror


def fetched(url: str, folder: Path, checksum: str | None = None, tries: int = 3) -> bytes:
    """What is in the file after it was fetched; no other file is there."""
    file = Download("file", (url,), page="", licence="", evidence="nobody", checksum=checksum)
    lock = folder / "lock.json"
    how = Fetching(folder, lock, None, folder, (), accept_changed=False, timeout=0.2, tries=tries)
    try:
        assert fetch(file, how, Lock(lock)) == {"url": url}
    except (UserError, OSError):
        assert not list(folder.iterdir())
        raise
    assert [path.name for path in folder.iterdir()] == ["file"]
    return (folder / "file").read_bytes()


@pytest.mark.parametrize("known", [f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", None])
def test_a_whole_file(mirror: Mirror, tmp_path: Path, known: str | None) -> None:
    assert fetched(f"{mirror.url}/file", tmp_path, known) == CONTENT
    assert mirror.asked == ["file"]
    own = tmp_path / "own"
    own.touch()
    assert (tmp_path / "file").stat().st_mode == own.stat().st_mode


def test_an_md5_counts_where_nobody_states_more(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["file"] = b"abc"
    md5 = "md5:900150983cd24fb0d6963f7d28e17f72"  # of RFC 1321
    assert fetched(f"{mirror.url}/file", tmp_path, md5) == b"abc"
    (tmp_path / "file").unlink()
    mirror.files["file"] = b"abd"
    with pytest.raises(UserError, match=f"it must have the checksum {md5} .stated by nobody."):
        fetched(f"{mirror.url}/file", tmp_path, md5)
    assert len(mirror.asked) == 2  # what is wrong is not fetched again and again


# Nobody knows the file's checksum: only the server's word shows that a part is missing.
@pytest.mark.parametrize("answer", [("cut", 100_000), ("stall", 100_000), ("status", 503)])
def test_what_may_pass_is_tried_again(mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
    mirror.answer("file", answer, answer)
    assert fetched(f"{mirror.url}/file", tmp_path) == CONTENT
    assert len(mirror.asked) == 3


@pytest.mark.parametrize("answer", [("cut", 100_000), ("stall", 0), ("status", 503)])
def test_what_does_not_pass_is_one_sentence(mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
    mirror.answer("file", answer, answer)
    with pytest.raises(UserError, match=r"^file could not be had \(.*\); look at the connection"):
        fetched(f"{mirror.url}/file", tmp_path, tries=2)


def test_a_missing_file_is_asked_for_once(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="404"):
        fetched(f"{mirror.url}/nothing", tmp_path)
    assert len(mirror.asked) == 1


def test_no_server_at_all(mirror: Mirror, tmp_path: Path) -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(UserError, match="refused"):
        fetched(f"{url}/file", tmp_path)


def test_a_disk_that_fills_up_is_not_the_servers_fault(mirror: Mirror, tmp_path: Path) -> None:
    opened = open

    def on_a_full_disk(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        return opened("/dev/full" if mode == "w+b" else path, mode, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.open", on_a_full_disk)
        with pytest.raises(UserError, match="the disk is full"), clear_os_errors():
            fetched(f"{mirror.url}/file", tmp_path)
    assert len(mirror.asked) == 1
