"""The corrected fairseq: its edits, its source, its cache, and what it loads."""

from __future__ import annotations

import ast
import io
import tarfile
from pathlib import Path

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install import edits as fairseq_edits
from autoassist_fairseq.tools.install import source as fairseq_source
from autoassist_fairseq.tools.install import wheel as fairseq_wheel
from autoassist_fairseq.tools.install.edit_list import EDITS, Edit
from autoassist_fairseq.tools.install.edits import ADDED_FILES, STAMP, apply_edits
from autoassist_fairseq.tools.install.source import SDIST_SHA256, fetch_sdist, unpack, verify
from autoassist_fairseq.tools.install.wheel import cache_dir, cached_wheel, check_python


def make_tree(root: Path, **files: str) -> Path:
    """A source tree: `fairseq` and the named files, `__` in a name standing for a slash."""
    for name, text in {"fairseq__version.txt": "0.12.2", **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


TWICE = Edit("twice", "a.py", "old", "new", count=2)


def test_edits_replace_literal_text_and_leave_the_rest(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, **{"a.py": "old (old)\r\nother\n"})
    then = Edit("then", "a.py", "new (", "[", count=1)
    apply_edits(tree, [TWICE, then])
    assert (tree / "a.py").read_bytes() == b"[new)\r\nother\n"
    assert {str(p.relative_to(tree)) for p in tree.rglob("*.py")} == {"a.py", *ADDED_FILES, STAMP}
    assert fairseq_edits.digest([TWICE, then]) in (tree / STAMP).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "found"), [("old", "found 1"), ("old old old", "found 3"), ("", "found 0")]
)
def test_a_wrong_count_names_the_edit_and_changes_nothing(
    tmp_path: Path, text: str, found: str
) -> None:
    tree = make_tree(tmp_path, **{"a.py": text, "b.py": "old"})
    before = contents(tree)
    with pytest.raises(UserError, match=f"`twice` must match 2 place.*a.py, but {found}"):
        apply_edits(tree, [Edit("first", "b.py", "old", "new"), TWICE])
    assert contents(tree) == before


def test_a_missing_file_names_the_edit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`twice` .* the file is missing"):
        apply_edits(make_tree(tmp_path), [TWICE])


def test_the_digest_follows_edits_and_added_files(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {fairseq_edits.digest(edits) for edits in (EDITS, EDITS[1:], EDITS[::-1])}
    monkeypatch.setattr(fairseq_edits, "added_files", lambda: {"fairseq/x.py": "other"})
    assert len(digests | {fairseq_edits.digest()}) == 4


def test_every_edit_has_a_name_of_its_own() -> None:
    assert len({edit.name for edit in EDITS}) == len(EDITS)


@pytest.mark.slow
def test_all_edits_match_the_official_source(tmp_path: Path) -> None:
    sdist = fetch_sdist(cache_dir(), tmp_path)
    tree = unpack(sdist, tmp_path / "source")
    apply_edits(tree)
    for name in {edit.file for edit in EDITS if edit.file.endswith(".py")} | {STAMP, *ADDED_FILES}:
        ast.parse((tree / name).read_text(encoding="utf-8"), name)
    assert (tree / "fairseq/version.txt").read_text(encoding="utf-8") == "0.12.2+autoassist.1"
    calls = (tree / "fairseq/checkpoint_utils.py").read_text(encoding="utf-8")
    assert "torch.load(" not in calls


def archive_of(path: Path, *members: tuple[str, bytes, bytes]) -> Path:
    """A tar of (name, type, data)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
            tar.addfile(info, io.BytesIO(data))
    return path


GOOD = ("top/a.txt", tarfile.REGTYPE, b"a")


def test_unpack_returns_the_top_folder(tmp_path: Path) -> None:
    top = unpack(archive_of(tmp_path / "x.tar.gz", GOOD), tmp_path / "into")
    assert (top.name, (top / "a.txt").read_bytes()) == ("top", b"a")


@pytest.mark.parametrize(
    "bad",
    [
        ("../evil", tarfile.REGTYPE, b"x"),
        ("top/../../evil", tarfile.REGTYPE, b"x"),
        ("/tmp/evil", tarfile.REGTYPE, b"x"),
        ("top/link", tarfile.SYMTYPE, b""),
        ("top/hard", tarfile.LNKTYPE, b""),
        ("top/pipe", tarfile.FIFOTYPE, b""),
    ],
)
def test_unpack_refuses_what_would_leave_its_folder(
    tmp_path: Path, bad: tuple[str, bytes, bytes]
) -> None:
    archive = archive_of(tmp_path / "x.tar.gz", GOOD, bad)
    with pytest.raises(UserError, match=f"`x.tar.gz` must hold .*but holds `{bad[0]}`"):
        unpack(archive, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_another_archive_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(arguments: list[str], doing: str) -> None:
        folder = Path(arguments[arguments.index("-d") + 1])
        folder.mkdir()
        (folder / "fairseq-0.12.2.tar.gz").write_bytes(b"another")

    monkeypatch.setattr(fairseq_source, "run_pip", serve)
    cache, scratch = tmp_path / "cache", tmp_path / "scratch"
    cache.mkdir()
    scratch.mkdir()
    # a damaged file in the cache is not used either
    (cache / "fairseq-0.12.2.tar.gz").write_bytes(b"damaged")
    with pytest.raises(UserError, match=f"must have the SHA-256 {SDIST_SHA256}, but it is "):
        fetch_sdist(cache, scratch)
    assert contents(cache) == {str(cache / "fairseq-0.12.2.tar.gz"): b"damaged"}
    # and pip itself was told the hash, so that it runs nothing of another archive
    assert f"--hash=sha256:{SDIST_SHA256}" in (scratch / "wish.txt").read_text(encoding="utf-8")


def test_verify_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="but it is missing"):
        verify(tmp_path / "none.tar.gz")


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for fetching, building and installing, and what they were called for."""
    done: list[str] = []

    def build(sdist: Path, scratch: Path, python: str) -> Path:
        done.append("build")
        wheel = scratch / "fairseq-1-py3.whl"
        wheel.write_bytes(b"wheel")
        return wheel

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fairseq_wheel, "fetch_sdist", lambda cache, scratch: cache / "sdist")
    monkeypatch.setattr(fairseq_wheel, "build", build)
    monkeypatch.setattr(fairseq_wheel, "install", lambda wheel: done.append("install"))
    monkeypatch.setattr(fairseq_wheel, "installed_digest", lambda: None)
    return done


def test_a_wheel_is_built_once_for_each_set_of_edits(tmp_path: Path, builds: list[str]) -> None:
    first = cached_wheel(tmp_path, "one")
    assert (cached_wheel(tmp_path, "one"), builds) == (first, ["build"])
    assert first.read_bytes() == b"wheel"
    assert cached_wheel(tmp_path, "two") != first
    cached_wheel(tmp_path, "one", force=True)
    assert builds == ["build"] * 3


def test_a_failed_build_leaves_no_wheel(
    tmp_path: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(sdist: Path, scratch: Path, python: str) -> Path:
        raise UserError("no compiler")

    monkeypatch.setattr(fairseq_wheel, "build", fail)
    with pytest.raises(UserError, match="no compiler"):
        cached_wheel(tmp_path, "one")
    assert contents(tmp_path) == {}


def test_a_second_call_does_nothing_and_says_so(
    builds: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fairseq_wheel.main([]) == 0
    assert builds == ["build", "install"]
    monkeypatch.setattr(fairseq_wheel, "installed_digest", fairseq_edits.digest)
    capsys.readouterr()
    assert fairseq_wheel.main([]) == 0
    assert builds == ["build", "install"]
    assert "nothing to do" in capsys.readouterr().err
    assert fairseq_wheel.main(["--force"]) == 0
    assert builds == ["build", "install"] * 2


def test_out_and_no_install(
    tmp_path: Path, builds: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "folder"
    assert fairseq_wheel.main(["--no-install", "--out", str(out)]) == 0
    assert builds == ["build"]
    assert [path.name for path in out.iterdir()] == ["fairseq-1-py3.whl"]
    assert capsys.readouterr().out.strip() == str(out / "fairseq-1-py3.whl")


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_built(
    tmp_path: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "file"
    taken.touch()
    with pytest.raises(UserError, match="`--out` must lead to a folder .*file"):
        fairseq_wheel.main(["--out", str(taken)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(taken))
    with pytest.raises(UserError, match="`XDG_CACHE_HOME` must lead to a folder"):
        fairseq_wheel.main([])
    assert builds == []


@pytest.mark.parametrize("version", [(3, 10), (3, 13)])
def test_a_python_that_will_do(version: tuple[int, int]) -> None:
    check_python(version)


@pytest.mark.parametrize("version", [(2, 7), (3, 9), (3, 14), (4, 0)])
def test_a_python_that_will_not_do(version: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=f"must be 3.10 to 3.13.*but is {version[0]}"):
        check_python(version)
