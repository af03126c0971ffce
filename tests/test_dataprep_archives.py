"""Archives that are not trusted, marked-up text, and the lock file."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from archives import segments, talks, tar
from sacrebleu.dataset.fake_sgml import FakeSGMLDataset

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching import unpacking
from autoassist_fairseq.tools.dataprep.fetching.fetch import Lock
from autoassist_fairseq.tools.dataprep.fetching.table import Download, Side
from autoassist_fairseq.tools.dataprep.fetching.unpacking import unpack

FILE = Download("file", ("http://x/file",), page="", licence="", evidence="somebody")
# The first test vector of FIPS 180-2
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
Members = dict[str, str | bytes | tarfile.TarInfo]


def archive(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "archive.tgz"
    path.write_bytes(content)
    return path


def unpacked(tmp_path: Path, members: Members, *wanted: str) -> dict[str, bytes]:
    out = tmp_path / "out"
    path = archive(tmp_path, tar(members))
    texts = {out / str(place): Side(FILE, name) for place, name in enumerate(wanted)}
    written = {name: text for text, name in zip(texts, wanted, strict=True)}
    counts = unpack(path, texts)
    contents = {name: text.read_bytes() for name, text in written.items()}
    assert counts == {"lines": sum(content.count(b"\n") for content in contents.values())}
    return contents


def test_what_is_wanted_is_written_and_nothing_else(tmp_path: Path) -> None:
    # Names that lead out of the archive lead nowhere.
    members: Members = {"training/a.en": "one\r\ntwo", "../up": "x", "/up": "x", "./b": b"\xff\n"}
    assert unpacked(tmp_path, members, "b", "training/a.en") == {
        "training/a.en": b"one\r\ntwo\n",
        "b": b"\xff\n",  # what is not UTF-8 is for the next step to name
    }
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0", "1", "archive.tgz", "out"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo()
    link.type = kind
    link.linkname = "/etc/passwd"
    with pytest.raises(UserError, match="must hold text as plain files, but does not"):
        unpacked(tmp_path, {"text": link}, "text")
    assert not (tmp_path / "out" / "0").exists()


def test_missing_texts_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold de, fr as plain files, but does not"):
        unpacked(tmp_path, {"en": "x"}, "en", "de", "fr")


@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_truncated_archive_is_one_sentence(tmp_path: Path, kept: float) -> None:
    a, b = np.random.default_rng(0).bytes(100_000), np.random.default_rng(1).bytes(100_000)
    content = tar({"a": a, "b": b})
    path = archive(tmp_path, content[: int(len(content) * kept)])
    with pytest.raises(UserError, match="must be a whole tar archive, but is damaged"):
        unpack(path, {tmp_path / "b": Side(FILE, "b")})
    assert not (tmp_path / "b").exists()


def test_what_is_no_archive_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be a whole tar archive, but is damaged"):
        unpack(archive(tmp_path, b"<html>Not found</html>" * 99), {tmp_path / "b": Side(FILE, "b")})


def test_segments_are_those_that_sacrebleu_finds(tmp_path: Path) -> None:
    raw, text = tmp_path / "raw.sgm", tmp_path / "text"
    raw.write_text(segments(["Eins, zwei.", "3 < 4", "", "so <b>fett</b>", "„Zitat“"]), "utf-8")
    FakeSGMLDataset("any", data=[])._convert_format(str(raw), str(text))
    with raw.open(encoding="utf-8") as lines:
        assert list(unpacking.segments(lines)) == text.read_text("utf-8").split("\n")[:-1]


def test_entities_are_resolved() -> None:
    assert list(unpacking.segments([' <seg id="1">A &amp; B &lt; &quot;C&quot;</seg>\n'])) == [
        'A & B < "C"'
    ]


def test_talks_lose_what_is_about_them() -> None:
    text = talks(["A title", "What it says", "First.", "Less < more", "<title", ""])
    assert list(unpacking.tagged(text.splitlines(keepends=True))) == [
        *("A title", "What it says", "First.", "Less < more", "<title", "")
    ]


def test_what_was_seen_first_must_be_seen_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    lock = Lock(tmp_path / "lock.json")
    assert lock.objection(FILE, path) is None
    lock.record(FILE, path, ABC, "http://x/file")
    entry = json.loads((tmp_path / "lock.json").read_text())["files"]["file"]
    assert entry == {"size": 3, "sha256": ABC, "url": "http://x/file"}
    lock.record(FILE, path, ABC, None)  # nothing new
    assert json.loads((tmp_path / "lock.json").read_text())["files"]["file"] == entry
    assert lock.objection(FILE, path) is None
    path.write_bytes(b"abd")
    objection = lock.objection(FILE, path) or ""
    assert objection.startswith(f"must have the checksum sha256:{ABC} (recorded in {tmp_path}")
    assert "), but has sha256:" in objection


def test_what_the_table_states_must_be_so_and_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    lock = Lock(tmp_path / "lock.json")
    wrong = lock.objection(replace(FILE, checksum="sha256:" + "1" * 64), path)
    assert wrong is not None and "1111 (stated by somebody), but has" in wrong
    right = replace(FILE, checksum=f"sha256:{ABC}")
    assert lock.objection(right, path) is None
    lock.record(right, path, ABC, None)
    assert not (tmp_path / "lock.json").exists()
