"""A pack: right for the other machine, never mixed, and it installs there without a network."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from binarised import sentences, write_split
from training import LOGGED, MODEL, SHRINK, SMOOTHED

from autoassist_fairseq.__main__ import main
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install import doctor, interpreter, programs
from autoassist_fairseq.tools.install.interpreter import Interpreter
from autoassist_fairseq.tools.install.patient import Patient
from autoassist_fairseq.tools.pack import command, own_wheel
from autoassist_fairseq.tools.pack import resolve as resolving
from autoassist_fairseq.tools.pack.have import normal, read_have
from autoassist_fairseq.tools.pack.resolve import resolve

OTHER = "AUTOASSIST_OTHER_PYTHON"
PLAIN = """\
WARNING: a notice
Package           Version      Editable project location
----------------- ------------ -------------------------
Flask_SQLAlchemy  3.0          /somewhere
torch             2.11.0+cu130

[notice] A new release of pip is available
"""
FREEZE = "# a comment\nFlask.SQLAlchemy==3.0\ntorch==2.11.0+cu130\n"
JSON = (
    '[{"name": "Flask_SQLAlchemy", "version": "3.0"}, {"name": "torch", "version": "2.11.0+cu130"}]'
)
BARE = '[{"name": "numpy"}]'


@pytest.mark.parametrize("text", [PLAIN, FREEZE, JSON, "\ufeff" + FREEZE])
def test_a_list_is_read_in_each_format(tmp_path: Path, text: str) -> None:
    file = tmp_path / "have"
    file.write_text(text, encoding="utf-8")
    assert read_have(file) == {"flask-sqlalchemy": "3.0", "torch": "2.11.0+cu130"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "has none"),
        ("torch @ file:///a.whl\n", "has `torch @ file:///a.whl` in line 1"),
        ("a==1\n-e git+x#egg=b\n", "in line 2"),
        ("-" * 5 + " -----\n", "has none"),
        (BARE, "has damaged JSON .'version'"),
        ("[{", "has damaged JSON"),
    ],
)
def test_a_list_without_versions_is_refused(tmp_path: Path, text: str, found: str) -> None:
    file = tmp_path / "have"
    file.write_text(text)
    with pytest.raises(UserError, match=f"`--have` must be what .*{found}.*format json"):
        read_have(file)
    with pytest.raises(UserError, match="`--have` .* can be read: No such file"):
        read_have(tmp_path / "none")


def fake_python(path: Path, answer: str, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    where = "/dev/stderr" if status else "/dev/stdout"
    path.write_text(f"#!/bin/sh\necho '{answer}' > {where}\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_a_python_is_found_by_version_behind_a_shim_that_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_python(tmp_path / "shims" / "python3.12", "pyenv: python3.12: command not found", 127)
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    with pytest.raises(UserError, match="`--python` .* but 3.12 does not .*command not found.*apt"):
        interpreter.find("3.12")
    home = tmp_path / "pyenv" / "versions"
    real = fake_python(home / "3.12.1" / "bin" / "python3.12", '[[3, 12], "tag", true]')
    assert interpreter.find("3.12") == Interpreter(str(real), (3, 12), "tag", True)
    fake_python(real, '[[3, 12], "tag", false]')
    with pytest.raises(UserError, match=r"`--python` must have its headers.*python3.12-dev"):
        interpreter.find(str(real))
    with pytest.raises(UserError, match=r"but no does not \(no: No such file"):
        interpreter.find("no")


def test_this_python_is_what_it_says() -> None:
    found = interpreter.find(sys.executable)
    assert found == interpreter.this()
    assert found.version == sys.version_info[:2] and sys.implementation.cache_tag in found.tag


def made_up(folder: Path, name: str, version: str, *needs: str) -> Path:
    """A wheel that holds nothing."""
    info = f"{name}-{version}.dist-info"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(wheel, "w") as archive:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
        archive.writestr(f"{info}/METADATA", text)
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tag)
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip finds."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.slow
def test_versions_go_with_what_is_there(
    tmp_path: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = made_up(tmp_path, "autoassist_fairseq", "1", "bitarray", "numpy>=1.26", "there")
    made_up(index, "bitarray", "3.12.3", "numpy>=2")  # as this project pins it
    made_up(index, "bitarray", "2", "numpy<2", "cffi")
    made_up(index, "cffi", "1")
    made_up(index, "numpy", "2.4.6")
    have = {"there": "5+local", "odd": "1.1build1", "fairseq": "0.12.2"}
    python = interpreter.this()

    def lacking(name: str, **more: str) -> dict[str, str]:
        scratch = tmp_path / name
        scratch.mkdir()
        return resolve([str(wish)], python, have | more, scratch)

    assert lacking("new", numpy="2.5.0") == {"bitarray": "3.12.3"}
    assert "odd 1.1build1 is passed over" in capsys.readouterr().err
    assert lacking("old", numpy="1.26.4") == {"bitarray": "2", "cffi": "1"}
    assert "looking for others" in capsys.readouterr().err


def test_that_nothing_goes_with_what_is_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(arguments: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        constraints = Path(arguments[-1]).read_text()
        return subprocess.CompletedProcess(arguments, 1, f"conflict with {constraints}")

    monkeypatch.setattr(resolving, "call_pip", refuse)
    with pytest.raises(UserError, match="`--have` must leave room"):
        resolve(["wish"], interpreter.this(), {"numpy": "1.25"}, tmp_path)
    assert capsys.readouterr().err.endswith("looking for others\nconflict with numpy==1.25\n")


@pytest.fixture
def asked_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for building, resolving and pip; what pip was asked for."""
    asked: list[str] = []

    def run_pip(arguments: list[str], doing: str, python: str | None = None) -> None:
        asked.append(arguments[-1])
        if "fail" in arguments[-1]:
            raise UserError("no network")
        folder = Path(arguments[arguments.index("-w") + 1])
        folder.mkdir()
        made_up(folder, *arguments[-1].replace("-", "_").split("=="))

    def ours(name: str) -> Callable[..., Path]:
        return lambda *_, **__: made_up(tmp_path, name, "1")

    monkeypatch.setattr(command, "cached_wheel", ours("fairseq"))
    monkeypatch.setattr(command, "build_own", ours("autoassist_fairseq"))
    monkeypatch.setattr(command, "resolve", lambda *_: {"a-b": "1", "c": "2"})
    monkeypatch.setattr(command, "run_pip", run_pip)
    return asked


def test_a_pack_goes_on_where_it_was_interrupted(
    tmp_path: Path,
    asked_of_pip: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "my wheels"
    words = ["pack", "--out", str(out)]
    monkeypatch.setattr(command, "resolve", lambda *_: {"a-b": "1", "fail": "2"})
    with pytest.raises(UserError, match="no network"):
        main(words)
    assert not (out / command.INSTALL).exists() and not (out / command.SCRATCH).exists()
    record = json.loads((out / command.RECORD).read_text())
    record["lacking"] = {"a-b": "1", "c": "2"}  # the network is back
    (out / command.RECORD).write_text(json.dumps(record))
    assert main(words) == 0
    assert asked_of_pip == ["a-b==1", "fail==2", "c==2"]
    told = capsys.readouterr()
    names = {wheel.name.split("-")[0] for wheel in out.glob("*.whl")}
    assert names == {"a_b", "c", "fairseq", "autoassist_fairseq"}
    assert "pip install --no-index --no-deps 'my wheels'/*.whl\n" in told.out
    assert "4 wheels" in told.err
    assert main(words) == 0
    assert len(asked_of_pip) == 3 and "nothing to do" in capsys.readouterr().err


def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path, asked_of_pip: list[str]) -> None:
    assert asked_of_pip == []
    assert main(["pack", "--out", str(tmp_path / os.fsdecode(b"bad\xe9"))]) == 0


def test_packs_are_not_mixed(
    tmp_path: Path, asked_of_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, have = tmp_path / "wheels", tmp_path / "have"
    assert main(["pack", "--out", str(out)]) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    have.write_text("torch==2.11.0\n")
    with pytest.raises(UserError, match="`--out` must be a new folder.* is for other have and ext"):
        main(["pack", "--out", str(out), "--have", str(have), "--extras", "demo"])
    monkeypatch.setattr(command, "source_digest", lambda: "another")
    with pytest.raises(UserError, match="is for other sources"):
        main(["pack", "--out", str(out)])
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    with pytest.raises(UserError, match="`--out` must be a new folder.* is no pack"):
        main(["pack", "--out", str(tmp_path / "mine")])
    with pytest.raises(UserError, match="`--out` must be a folder, but .*have is a file"):
        main(["pack", "--out", str(have)])


def test_parts_that_there_are_not_are_refused(tmp_path: Path) -> None:
    declared = importlib.metadata.metadata("autoassist_fairseq").get_all("Provides-Extra")
    assert own_wheel.extras() == sorted(declared or [])
    assert command.extras_of(" report, Language_ID,,demo ") == ["demo", "language-id", "report"]
    with pytest.raises(UserError, match="`--extras` .*images, language-id, report.* but reprot is"):
        main(["pack", "--out", str(tmp_path / "wheels"), "--extras", "demo,reprot"])
    assert not (tmp_path / "wheels").exists()


def test_only_a_checkout_can_be_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_wheel, "ROOT", tmp_path)
    with pytest.raises(UserError, match="must run in a checkout"):
        main(["pack", "--out", str(tmp_path / "wheels")])


def test_what_lies_in_the_folder_installed_into_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "fairseq").mkdir(parents=True)
    (site / "fairseq" / "__init__.py").touch()
    monkeypatch.setattr(programs, "BESIDE_PACKAGE", site / "bin")
    assert not Patient().has_command("only-there")
    fake_python(site / "bin" / "only-there", "")
    assert Patient().has_command("only-there")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(sys.modules, "fairseq", raising=False)
    monkeypatch.syspath_prepend(site)
    assert Patient().fairseq_in_the_way() == site
    (site / "fairseq" / "autoassist_edits.py").touch()
    assert Patient().fairseq_in_the_way() is None


def test_a_command_whose_package_is_lacking_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(name: str) -> None:
        raise ModuleNotFoundError("none", name="babel")

    monkeypatch.setattr("importlib.import_module", lacking)
    with pytest.raises(UserError, match="`autoassist demo` needs the package `babel`"):
        main(["demo"])


LACKING = {"fairseq", "autoassist-fairseq", "hydra-core", "omegaconf", "antlr4-python3-runtime"}
# The doctor's checks that see where things were installed; each other one costs seconds more
EXAMINE = """
from autoassist_fairseq.tools.install import doctor
doctor.CHECKS = {name: doctor.CHECKS[name] for name in ("fairseq", "commands")}
raise SystemExit(doctor.run())
"""
TO_BUILD = {"setuptools", "wheel", "packaging"}


def as_wheel(one: importlib.metadata.Distribution, folder: Path) -> Path:
    """Make a wheel of what is installed; its programs are made anew by pip."""
    tag = (one.read_text("WHEEL") or "").split("Tag: ")[1].split()[0]
    wheel = folder / f"{normal(one.name).replace('-', '_')}-{one.version}-{tag}.whl"
    files = [file for file in one.files or [] if file.parts[0] != ".." and file.suffix != ".pyc"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in files:
            archive.write(str(file.locate()), str(file))
    return wheel


def lend(folder: Path) -> dict[str, str]:
    """Link what is installed here, without what is lacking there; return the versions."""
    lent = {}
    for one in importlib.metadata.distributions():
        name = normal(one.name)
        if name in LACKING or name in lent or one.read_text("WHEEL") is None:
            continue
        lent[name] = one.version
        for top in {file.parts[0] for file in one.files or []} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(str(one.locate_file(top)))
    return lent


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd="/",  # not the checkout, which would be imported
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install_there(python: Path, wheels: Path, site: Path) -> None:
    """Install into a folder, without an index."""
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    where = ["--no-index", "--no-deps", "--no-compile", "--target", str(site)]
    run(*pip, *where, *wheels.glob("*.whl"))


@pytest.mark.slow
def test_a_pack_for_this_python_is_all_that_lacked(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = tmp_path / "lent"
    lent.mkdir()
    have = lend(lent)
    assert {"torch", "numpy", "numba"} <= have.keys()
    (tmp_path / "have").write_text("".join(f"{name}=={have[name]}\n" for name in have))
    for name in (LACKING | TO_BUILD) - {"autoassist-fairseq"}:
        as_wheel(importlib.metadata.distribution(name), index)
    (fairseq,) = index.glob("fairseq-*.whl")
    monkeypatch.setattr(command, "cached_wheel", lambda *_, **__: fairseq)
    out = tmp_path / "wheels"
    assert main(["pack", "--out", str(out), "--have", str(tmp_path / "have")]) == 0
    assert {normal(wheel.name.split("-")[0]) for wheel in out.glob("*.whl")} == LACKING

    venv.create(tmp_path / "there", with_pip=False, symlinks=True)
    (site,) = tmp_path.glob("there/lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")
    python, there = tmp_path / "there" / "bin" / "python", tmp_path / "site"
    install_there(python, out, there)
    assert run(there / "bin" / "autoassist", "user-dir", PYTHONPATH=str(there)).startswith(
        str(there)
    )
    run(python, "-c", EXAMINE, PYTHONPATH=str(there))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_pack_for_another_python(tmp_path: Path) -> None:
    """Takes a minute to build fairseq, and the network."""
    python = os.environ.get(OTHER)
    if not python:
        pytest.skip(f"{OTHER} names no Python, of another version, that has torch and numba")
    have = tmp_path / "have.json"
    have.write_text(
        run(sys.executable, "-m", "pip", "--python", python, "list", "--format", "json")
    )
    out = tmp_path / "wheels"
    assert main(["pack", "--python", python, "--out", str(out), "--have", str(have)]) == 0
    site = tmp_path / "site"
    install_there(Path(python), out, site)
    said = run(site / "bin" / "autoassist", "doctor", PYTHONPATH=str(site)).splitlines()
    assert len(said) == len(doctor.CHECKS) and all(line.startswith("ok ") for line in said), said

    there = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for split, pairs in (("train", 200), ("valid", 20)):
        write_split(tmp_path, split, sentences(np.random.default_rng(pairs), pairs, 3, 12))
    prefixes = ("--trainpref", tmp_path / "train", "--validpref", tmp_path / "valid")
    languages = ("--source-lang", "de", "--target-lang", "en", "--destdir", tmp_path / "bin")
    run(site / "bin" / "fairseq-preprocess", *languages, *prefixes, **there)
    plug_in = run(site / "bin" / "autoassist", "user-dir", **there).strip()
    flags = [*MODEL, *SMOOTHED, *LOGGED, "--task", "autoassist_translation", "--user-dir", plug_in]
    flags += [*SHRINK, "--max-tokens", "100", "--max-epoch", "3"]
    flags += ["--save-dir", str(tmp_path / "run")]
    trained = run(site / "bin" / "fairseq-train", tmp_path / "bin", *flags, **there)
    (last,) = (line for line in trained.splitlines() if '"epoch": 3, "train_loss"' in line)
    assert 0.3 < float(json.loads(last.split(" | train | ")[1])["train_aa_keep"]) < 1
