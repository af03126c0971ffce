"""Reading side by side, files that appear whole, steps that are done once."""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import lzma
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import (
    clear_os_errors,
    count_lines,
    locked,
    read_json,
    sha256,
    staged,
    write_json,
    write_text,
)
from autoassist_fairseq.tools.dataprep.parallel import blocks, ordered_map
from autoassist_fairseq.tools.dataprep.reading import RawPair, Source, decoded, read_blocks
from autoassist_fairseq.tools.dataprep.steps import STAMPS, Step, Workshop


def files(tmp_path: Path, source: bytes, target: bytes) -> tuple[Path, Path]:
    paths = tmp_path / "raw.en", tmp_path / "raw.de"
    for path, content in zip(paths, (source, target), strict=True):
        path.write_bytes(content)
    return paths


def rows(paths: tuple[Path, Path], *, skip: bool = False) -> list[RawPair]:
    blocks = read_blocks(Source("raw", paths), size=2)
    return [pair for block in blocks for pair in decoded(block, skip_undecodable=skip)]


def test_plain_and_gzipped_text_read_the_same(tmp_path: Path) -> None:
    source, target = "ä\nb\n".encode(), b"c\nd\n"
    expected = [(1, "ä\n", "c\n"), (2, "b\n", "d\n")]
    assert rows(files(tmp_path, source, target)) == expected
    assert rows(files(tmp_path, gzip.compress(source), target)) == expected


def test_blocks_know_where_they_begin(tmp_path: Path) -> None:
    paths = files(tmp_path, b"1\n2\n3\n4\n5\n", b"1\n2\n3\n4\n5\n")
    blocks = list(read_blocks(Source("raw", paths), size=2))
    assert [(block.first, len(block.source)) for block in blocks] == [(1, 2), (3, 2), (5, 1)]
    assert [pair.line for pair in rows(paths)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)]
)
def test_lines_are_counted(tmp_path: Path, content: bytes, lines: int) -> None:
    (tmp_path / "file").write_bytes(content)
    assert count_lines(tmp_path / "file") == lines


def test_what_is_staged_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noted(at: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{at}"))
        assert target.exists() == (done[-1] == str(tmp_path))

    monkeypatch.setattr(os, "fsync", noted)
    target = tmp_path / "folder"
    with staged(target) as part:
        part.mkdir()
        (part / "file").write_text("1")
    assert done == [str(part), str(part / "file"), str(tmp_path)]
    done.clear()
    write_json(target := tmp_path / "file.json", {})
    assert done == [f"{target}.part", str(tmp_path)]


def test_a_byte_order_mark_is_dropped_and_a_last_line_needs_no_end(tmp_path: Path) -> None:
    assert rows(files(tmp_path, b"\xef\xbb\xbfa\nb", b"c\nd")) == [(1, "a\n", "c\n"), (2, "b", "d")]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    odd = "one\u2028line\x0b\x85still\r\n".encode()
    assert len(rows(files(tmp_path, odd, b"x\n"))) == 1


@pytest.mark.parametrize("shorter", [0, 1])
def test_different_lengths_name_the_line(tmp_path: Path, shorter: int) -> None:
    content = [b"1\n2\n3\n4\n5\n", b"1\n2\n3\n4\n5\n"]
    content[shorter] = b"1\n2\n"
    paths = files(tmp_path, content[0], content[1])
    with pytest.raises(UserError) as error:
        rows(paths)
    assert (
        f"{paths[shorter]} ends after line 2 and {paths[1 - shorter]} has 5; line 3 has no partner"
    ) in str(error.value)


def test_carriage_returns_are_named_where_lines_do_not_match(tmp_path: Path) -> None:
    paths = files(tmp_path, b"1\r\n2\r3\r\n", b"1\r\n2\r\n3\r\n")
    told = f"carriage returns, which end no line here, stand within line 2 of {paths[0]}; mend"
    with pytest.raises(UserError, match=told):
        rows(paths)


@pytest.mark.parametrize("side", [0, 1])
def test_undecodable_bytes_name_file_and_line(tmp_path: Path, side: int) -> None:
    content = [b"a\nb\ne\n", b"c\nd\nf\n"]
    content[side] = b"a\nStra\xdfe\nFu\xdf\n"  # Latin-1
    paths = files(tmp_path, content[0], content[1])
    with pytest.raises(UserError, match=r"not in lines 2, 3 of .* `--errors skip`") as error:
        rows(paths)
    assert str(paths[side]) in str(error.value)
    skipped = rows(paths, skip=True)[1]
    assert skipped[1 + side] is None
    assert skipped[2 - side] is not None


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:20] + b"x" * 40])
def test_damaged_gzip_is_one_sentence(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    text = b"".join(b"line %d\n" % number for number in range(1000))
    paths = files(tmp_path, text, damage(gzip.compress(text)))
    with pytest.raises(UserError, match=r"raw\.de must be .* but is damaged"):
        rows(paths)


def test_staged_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(RuntimeError), staged(target) as part:
        part.write_text("half of the n")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"
    with staged(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_a_staged_folder_replaces_what_it_has_and_no_more(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("one", "two"):
        with staged(target) as part:
            part.mkdir()
            for path in (part / name, part / "both"):
                path.write_text(name)
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "one": "one",
        "two": "two",
        "both": "two",
    }
    assert list(tmp_path.iterdir()) == [target]


def test_links_are_followed_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("file", "folder"):
        (tmp_path / name).symlink_to(tmp_path / "there" / name)
    for _ in range(2):  # what is there already, too
        write_text(tmp_path / "file", "new")
        with staged(tmp_path / "folder") as part:
            part.mkdir()
    assert (tmp_path / "there" / "file").read_text() == "new"
    assert (tmp_path / "folder").is_symlink() and (tmp_path / "there" / "folder").is_dir()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "through")
    assert os.read(reader, 99) == b"through" and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_json_that_was_cut_off_counts_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "stamp.json"
    assert read_json(path) is None
    write_json(path, {"ä": 1})
    assert read_json(path) == {"ä": 1}
    path.write_text('{"ä": ')
    assert read_json(path) is None


def test_a_folder_is_locked_for_one(tmp_path: Path) -> None:
    busy = pytest.raises(UserError, match="another run is working in")
    with locked(tmp_path / "out"), busy, locked(tmp_path / "out"):
        pass
    with locked(tmp_path / "out"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_a_run_goes_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(number, "not here")))
    with locked(tmp_path):
        told = capsys.readouterr().err
    assert told.startswith(f"warning: {tmp_path} is on a file system without locks (not here): ")
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"), locked(tmp_path):
        pass


def test_a_name_that_is_not_utf_8_is_written_and_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xe9")
    write_json(tmp_path / "stamp", {name: name})
    assert read_json(tmp_path / "stamp") == {name: name}
    assert b'"bad\xe9"' in (tmp_path / "stamp").read_bytes()


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        (lzma.compress(b"a\n"), "xz"),
        (bz2.compress(b"a\n"), "bzip2"),
        (bz2.compress(b""), "bzip2"),
        (b"PK\x03\x04...", "zip"),
        (b"\x28\xb5\x2f\xfd...", "zstd"),
    ],
)
def test_text_that_is_packed_otherwise_is_told(tmp_path: Path, packed: bytes, name: str) -> None:
    paths = files(tmp_path, b"a\n", packed)
    said = f"^Text must be plain or gzipped, but {paths[1]} is packed by {name}; unpack it"
    with pytest.raises(UserError, match=said):
        rows(paths)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, "the disk is full at /some/file"), (errno.EACCES, "Permission denied")],
)
def test_what_the_system_refuses_is_one_sentence(number: int, sentence: str) -> None:
    reason = "No space left" if number == errno.ENOSPC else "Permission denied"
    with pytest.raises(UserError, match=sentence), clear_os_errors():
        raise OSError(number, reason, "/some/file")


def test_blocks_and_ordered_map() -> None:
    assert list(blocks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(ordered_map(abs, iter([-3, 2, -1]), workers=1)) == [3, 2, 1]


def test_ordered_map_takes_no_more_than_it_needs() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    mapped = ordered_map(abs, source(), workers=2)
    assert [next(mapped), next(mapped)] == [0, 1]
    assert len(taken) <= 6  # two that came out, two per worker under way
    mapped.close()


@pytest.mark.slow
def test_a_worker_that_dies_is_one_sentence() -> None:
    with pytest.raises(UserError, match="`--workers` is 2: try fewer"):
        list(ordered_map(os._exit, iter([1, 1]), workers=2))


class Kitchen:
    """Two steps, the second from the first, that count how often they are done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.done: list[str] = []
        self.salt = "a pinch"
        (folder / "flour").write_text("flour")

    def run(self) -> list[str]:
        """The steps that were really done."""
        self.done = []
        workshop = Workshop(self.folder, self.said.append)
        dough, bread = self.folder / "dough", self.folder / "bread"
        for name, source, target, options in (
            ("knead", self.folder / "flour", dough, {}),
            ("bake", dough, bread, {"salt": self.salt}),
        ):

            def work(
                name: str = name, source: Path = source, target: Path = target
            ) -> dict[str, int]:
                self.done.append(name)
                target.write_text(f"{name} {source.read_text()}")
                return {"pieces": 1}

            workshop.do(Step(name, (source,), (target,), options, work))
        return self.done


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def test_steps_are_done_once(kitchen: Kitchen) -> None:
    assert kitchen.run() == ["knead", "bake"]
    kitchen.said.clear()
    assert kitchen.run() == []
    assert kitchen.said == ["knead: done before, skipped", "bake: done before, skipped"]


def test_a_changed_option_redoes_what_depends_on_it(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.salt = "none"
    assert kitchen.run() == ["bake"]


def test_a_changed_input_redoes_what_depends_on_it(kitchen: Kitchen) -> None:
    kitchen.run()
    (kitchen.folder / "flour").write_text("rye")
    assert kitchen.run() == ["knead", "bake"]
    # The same content again, only newer: nothing to do.
    (kitchen.folder / "flour").write_text("rye")
    assert kitchen.run() == []


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("mouldy")])
def test_an_output_that_is_not_what_it_was_is_made_again(kitchen: Kitchen, spoil: object) -> None:
    kitchen.run()
    spoil(kitchen.folder / "dough")  # type: ignore[operator]
    # What comes out is what it was: so there is nothing to bake.
    assert kitchen.run() == ["knead"]


def test_a_step_that_failed_is_done_again(kitchen: Kitchen) -> None:
    kitchen.run()
    (kitchen.folder / "flour").write_text("rye")
    (kitchen.folder / "dough").unlink()
    (kitchen.folder / "dough").mkdir()
    with pytest.raises(IsADirectoryError):
        kitchen.run()
    assert not (kitchen.folder / STAMPS / "knead.json").exists()
    (kitchen.folder / "dough").rmdir()
    assert kitchen.run() == ["knead", "bake"]


def test_a_record_says_what_went_in_and_came_out(kitchen: Kitchen) -> None:
    kitchen.run()
    stamp = json.loads((kitchen.folder / STAMPS / "bake.json").read_text())
    assert stamp["inputs"] == {"dough": sha256(kitchen.folder / "dough")}
    assert stamp["outputs"] == {"bread": sha256(kitchen.folder / "bread")}
    assert stamp["options"] == {"salt": "a pinch"}
    assert stamp["counts"] == {"pieces": 1}
    # Another key would have every finished folder made again.
    assert stamp["key"] == "9f4c9a8b956543aaff68aaad6f7510a454b1041fb9b543d06b8aa18eedabae0f"


@pytest.mark.parametrize(
    ("before", "after"),
    [("abb", "aba"), ("abca", "abac"), ("aab", "abb"), ("ab", "ba")],
)
def test_an_input_counts_as_often_and_where_it_is_given(
    tmp_path: Path, before: str, after: str
) -> None:
    out = tmp_path / "out"
    for name in "abc":
        (tmp_path / name).write_text(name)

    def keep(names: str) -> str:
        """What the step leaves, done or skipped."""
        paths = tuple(tmp_path / name for name in names)

        def work() -> dict[str, int]:
            out.write_text("".join(path.read_text() for path in paths))
            return {}

        Workshop(tmp_path, lambda _: None).do(Step("join", paths, (out,), {}, work))
        return out.read_text()

    assert keep(before) == before
    assert keep(after) == after


def make(folder: Path, step: str, *names: str) -> Workshop:
    """A step that makes files in ``folder``, by other options than any before."""
    paths = tuple(folder / name for name in names)

    def work() -> dict[str, int]:
        for path in paths:
            write_text(path, step)
        return {}

    workshop = Workshop(folder, lambda _: None)
    workshop.do(Step(step, (), paths, {"names": names}, work))
    return workshop


def test_what_other_settings_made_goes_and_the_users_own_stays(tmp_path: Path) -> None:
    make(tmp_path, "cut", "text/a", "text/b", "text/edited")
    make(tmp_path, "cut", "text/c")  # killed before it came to remove anything
    make(tmp_path, "fetch", "raw/archive")
    write_text(tmp_path / "text/edited", "by hand")
    write_text(tmp_path / "text/own", "by hand")
    make(tmp_path, "cut", "text/d", "text/b").keep_only(("text",))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("[!.]*/*")}
    assert left == {"text/b", "text/d", "text/edited", "text/own", "raw/archive"}
    # What is put there later is the user's, even where it is what a step once made.
    write_text(tmp_path / "text/a", "cut")
    make(tmp_path, "cut", "text/d", "text/b").keep_only(("text",))
    assert (tmp_path / "text/a").exists()
    assert {path.name for path in (tmp_path / STAMPS).iterdir()} == {"cut.json", "fetch.json"}


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the first test vector of FIPS 180-2
    assert sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
