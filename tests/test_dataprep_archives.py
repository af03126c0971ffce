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
from autoassist_fairseq.tools.dataprep.fetching.lock import Lock, Seen, look_at
from autoassist_fairseq.tools.dataprep.fetching.table import Download
from autoassist_fairseq.tools.dataprep.fetching.unpacking import unpack

Members = dict[str, str | bytes | tarfile.TarInfo]


def archive(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "archive.tgz"
    path.write_bytes(content)
    return path


def unpacked(tmp_path: Path, members: Members, *wanted: str) -> dict[str, bytes]:
    out = tmp_path / "out"
    path = archive(tmp_path, tar(members))
    unpack(path, {name: out / str(place) for place, name in enumerate(wanted)})
    return {name: (out / str(place)).read_bytes() for place, name in enumerate(wanted)}


def test_what_is_wanted_is_written_and_nothing_else(tmp_path: Path) -> None:
    members: Members = {"training/a.en": "one\n", "./b": "two\n", "training/c": "three\n"}
    assert unpacked(tmp_path, members, "b", "training/a.en") == {
        "training/a.en": b"one\n",
        "b": b"two\n",
    }
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0", "1", "archive.tgz", "out"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="must keep to names inside it, but .* does not"):
        unpacked(tmp_path, {name: "x", "good": "y"}, "good")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo()
    link.type = kind
    link.linkname = "/etc/passwd"
    with pytest.raises(UserError, match="must hold plain files, but 'text' does not"):
        unpacked(tmp_path, {"text": link}, "text")
    assert not (tmp_path / "out" / "0").exists()


@pytest.mark.parametrize("wanted", ["bomb", "other"])
def test_what_unpacks_to_far_too_much_is_refused(tmp_path: Path, wanted: str) -> None:
    members: Members = {"bomb": bytes(1_000_000), "other": "x"}
    with pytest.raises(UserError, match="must unpack to at most 40 times its size, but 'bomb'"):
        unpacked(tmp_path, members, wanted)
    assert not (tmp_path / "out" / "0").exists()


def test_missing_texts_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold de, fr, but does not"):
        unpacked(tmp_path, {"en": "x"}, "en", "de", "fr")


@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_truncated_archive_is_one_sentence(tmp_path: Path, kept: float) -> None:
    a, b = np.random.default_rng(0).bytes(100_000), np.random.default_rng(1).bytes(100_000)
    content = tar({"a": a, "b": b})
    path = archive(tmp_path, content[: int(len(content) * kept)])
    with pytest.raises(UserError, match="must be a whole tar archive, but is damaged"):
        unpack(path, {"b": tmp_path / "b"})
    assert not (tmp_path / "b").exists()


def test_what_is_no_archive_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be a whole tar archive, but is damaged"):
        unpack(archive(tmp_path, b"<html>Not found</html>" * 99), {"b": tmp_path / "b"})


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


FILE = Download("file", ("http://x/file",), page="", licence="", evidence="somebody")


def test_what_was_seen_first_must_be_seen_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    lock = Lock(tmp_path / "lock.json")
    lock.check(FILE, path, look_at(path), "http://x/file")
    entry = json.loads((tmp_path / "lock.json").read_text())["files"]["file"]
    assert entry == {
        "size": 3,
        # The first test vector of FIPS 180-2
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "url": "http://x/file",
    }
    lock.check(FILE, path, look_at(path))
    path.write_bytes(b"abd")
    with pytest.raises(UserError, match="must have SHA-256 ba7816bf.* but has .*accept-changed"):
        lock.check(FILE, path, look_at(path))
    assert json.loads((tmp_path / "lock.json").read_text())["files"]["file"] == entry


def test_what_is_accepted_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stated = replace(FILE, sha256="0" * 64, size=3)
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    Lock(tmp_path / "lock.json", accept_changed=True).check(stated, path, look_at(path))
    assert "must have SHA-256 0000" in capsys.readouterr().err
    strict = Lock(tmp_path / "lock.json")
    strict.check(stated, path, look_at(path))
    assert strict.size(stated) == 3


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"sha256": "1" * 64}, "must have SHA-256 1111.* .stated by somebody."),
        ({"md5": "2" * 32}, "must have MD5 2222"),
        ({"size": 4}, "must have size 4 .* but has 3"),
    ],
)
def test_what_the_table_states_must_be_so(
    tmp_path: Path, figures: dict[str, object], sentence: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with pytest.raises(UserError, match=sentence):
        Lock(tmp_path / "lock.json").check(replace(FILE, **figures), path, look_at(path))  # type: ignore[arg-type]
    assert not (tmp_path / "lock.json").exists()


def test_what_the_table_states_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    seen = look_at(path)
    assert seen == Seen(3, seen.sha256, "900150983cd24fb0d6963f7d28e17f72")  # of RFC 1321
    Lock(tmp_path / "lock.json").check(replace(FILE, sha256=seen.sha256), path, seen)
    assert not (tmp_path / "lock.json").exists()
