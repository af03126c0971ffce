"""Downloads from a real server on loopback that does not always behave."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mirror import Answer, Mirror, serving

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching.transfer import (
    Patience,
    TransferError,
    transfer,
)
from autoassist_fairseq.tools.dataprep.files import clear_os_errors

CONTENT = bytes(range(256)) * 1_000
HASTY = Patience(timeout=0.15, tries=3, pause=0.0)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as mirror:
        mirror.files["file"] = CONTENT
        yield mirror


def fetch(mirror: Mirror, folder: Path, size: int | None = None, name: str = "file") -> bytes:
    got = transfer(f"{mirror.url}/{name}", folder / "file", HASTY, size)
    got.finish()
    assert [path.name for path in folder.iterdir()] == ["file"]
    return (folder / "file").read_bytes()


def ranges(mirror: Mirror) -> list[str | None]:
    return [range for _, range in mirror.asked]


def test_a_whole_file(mirror: Mirror, tmp_path: Path) -> None:
    assert fetch(mirror, tmp_path, len(CONTENT)) == CONTENT
    assert ranges(mirror) == [None]


@pytest.mark.parametrize("answer", [("cut", 100_000), ("stall", 100_000)])
def test_it_goes_on_where_the_connection_ended(
    mirror: Mirror, tmp_path: Path, answer: Answer
) -> None:
    mirror.answer("file", answer, answer)  # the second ends at 200,000
    assert fetch(mirror, tmp_path) == CONTENT
    assert ranges(mirror) == [None, "bytes=100000-", "bytes=200000-"]


def test_it_goes_on_where_an_earlier_run_ended(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answer("file", ("cut", 100_000), ("status", 503), ("status", 503))
    with pytest.raises(TransferError, match="the server says 503 .*, 3 times in a row"):
        fetch(mirror, tmp_path)
    assert (tmp_path / "file.partial").stat().st_size == 100_000
    assert fetch(mirror, tmp_path) == CONTENT
    assert ranges(mirror)[-1] == "bytes=100000-"


def test_a_file_that_is_whole_but_for_its_name(mirror: Mirror, tmp_path: Path) -> None:
    transfer(f"{mirror.url}/file", tmp_path / "file", HASTY)  # and killed before it has a name
    assert fetch(mirror, tmp_path) == CONTENT
    assert ranges(mirror) == [None, f"bytes={len(CONTENT)}-"]


def test_another_file_under_the_same_name_is_begun_anew(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answer("file", ("cut", 100_000), ("status", 404))
    with pytest.raises(TransferError):
        fetch(mirror, tmp_path)
    mirror.files["file"] = CONTENT[::-1]
    assert fetch(mirror, tmp_path) == CONTENT[::-1]
    mirror.files["other"] = b"short"
    (tmp_path / "file").unlink()
    mirror.answer("file", ("cut", 100_000), ("status", 404))
    with pytest.raises(TransferError):
        fetch(mirror, tmp_path)
    assert fetch(mirror, tmp_path, name="other") == b"short"
    assert ranges(mirror)[-1] is None  # parts of another mirror's file are not built on


@pytest.mark.parametrize("answer", [("ignore", 0), ("shift", 7), ("shift", len(CONTENT))])
def test_a_server_that_cannot_go_on_sends_all_of_it(
    mirror: Mirror, tmp_path: Path, answer: Answer
) -> None:
    mirror.answer("file", ("cut", 100_000), answer)
    assert fetch(mirror, tmp_path) == CONTENT


def test_without_a_name_for_its_state_a_file_is_begun_anew(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answer("file", ("unnamed", 0))
    assert fetch(mirror, tmp_path) == CONTENT
    (tmp_path / "file").rename(tmp_path / "file.partial")
    assert fetch(mirror, tmp_path) == CONTENT
    assert ranges(mirror) == [None, None]


def test_a_slow_server_is_waited_for(mirror: Mirror, tmp_path: Path) -> None:
    # Longer than the timeout in all, but never that long without a byte
    mirror.answer("file", ("drip", len(CONTENT) // 10))
    assert fetch(mirror, tmp_path) == CONTENT


def test_a_server_that_says_nothing_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answer("file", *[("stall", 0)] * 3)
    with pytest.raises(TransferError, match="nothing came for too long, 3 times in a row"):
        fetch(mirror, tmp_path)


def test_a_missing_file_is_asked_for_once(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="the server says 404"):
        fetch(mirror, tmp_path, name="nothing")
    assert len(mirror.asked) == 1


def test_a_file_of_another_size_is_not_read(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="it offers 256,000 bytes, but the file has 17"):
        fetch(mirror, tmp_path, 17)
    assert not (tmp_path / "file.partial").exists()


def test_no_server_at_all(tmp_path: Path) -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(TransferError, match=r"it cannot be reached \(.*refused\), 3 times"):
        transfer(f"{url}/file", tmp_path / "file", HASTY)


def test_no_room_for_it(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=255_999))
    with pytest.raises(UserError, match=r"needs 256,000 bytes more, but .* has 255,999 free"):
        fetch(mirror, tmp_path)


def test_a_disk_that_fills_up_is_not_the_servers_fault(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def on_a_full_disk(path: Path, mode: str = "r", **options: Any) -> Any:
        return opened(Path("/dev/full") if mode == "ab" else path, mode, **options)

    monkeypatch.setattr(Path, "open", on_a_full_disk)
    with pytest.raises(UserError, match="the disk is full"), clear_os_errors():
        transfer(f"{mirror.url}/file", tmp_path / "file", HASTY)
    assert len(mirror.asked) == 1
