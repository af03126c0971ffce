"""Compiled loops are kept between runs, never stale, and never needed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoassist_fairseq.assistant import compiling

PACKAGE = Path(__file__).resolve().parents[1] / "autoassist_fairseq"
# Compiles one loop, which takes its column from another file, and prints what it finds there.
RUN = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from autoassist_fairseq.assistant import compiling
from autoassist_fairseq.assistant.trivial import model_kernels
out = np.empty(10, np.float32)
described, scaling = np.arange(8, dtype=np.float32), np.array([[0] * 10, [1] * 10], np.float32)
model_kernels._dense(described[:4] / 2, described[4:] / 2, (1, 1), scaling, out)
print(out[4], compiling.FOLDER)
"""


def package(folder: Path) -> Path:
    """A copy of what the loops need, in ``folder``, without anything compiled."""
    ignored = shutil.ignore_patterns("__pycache__", "tools", "plugin")
    shutil.copytree(PACKAGE, folder / "autoassist_fairseq", ignore=ignored)
    return folder / "autoassist_fairseq" / "assistant"


def found(folder: Path, home: Path) -> list[str]:
    gone = {"NUMBA_CACHE_DIR", "PYTHONPATH", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in gone}
    command = [sys.executable, "-c", RUN, str(folder)]
    done = subprocess.run(
        command, env={**env, "HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_a_constant_of_another_file_is_never_stale(tmp_path: Path) -> None:
    assistant = package(tmp_path)
    before, kept = found(tmp_path, tmp_path)
    assert float(before) == 0.5 and Path(kept).parent == assistant / "__pycache__"
    assert any(Path(kept).rglob("*.nbc")), "something is kept"
    kernels = assistant / "corpus" / "kernels.py"
    text, columns = kernels.read_text(), "MEAN_WEIGHT, MEAN_IDF, "
    assert columns in text
    kernels.write_text(text.replace(columns, "MEAN_IDF, MEAN_WEIGHT, "))
    after, elsewhere = found(tmp_path, tmp_path)
    assert float(after) == 0 and elsewhere != kept


@pytest.mark.slow
def test_without_a_place_to_keep_them_they_are_compiled_all_the_same(tmp_path: Path) -> None:
    # A file where a folder must be made stops even root, whom permissions do not.
    (package(tmp_path) / "__pycache__").write_text("")
    (tmp_path / "home").write_text("")
    assert found(tmp_path, tmp_path / "home") == ["0.5", "None"]


def test_the_first_place_that_can_be_written_to_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = [tmp_path / "file" / "a", tmp_path / "new" / "b", tmp_path / "c"]
    assert compiling.writable(places) == places[1] and places[1].is_dir()
    assert compiling.writable(places[:1]) is None and not places[2].exists()


def test_loops_that_nobody_began_with_lately_go_when_new_ones_are_kept(tmp_path: Path) -> None:
    names = [f"numba-{digit * 16}" for digit in "0123"] + ["numba-of_others"]
    new, used, old, mine, others = (tmp_path / name for name in names)
    for folder in (used, old, mine, others):
        (folder / "assistant_1").mkdir(parents=True)
        os.utime(folder, (0, 0))
    compiling.writable([used])
    compiling.writable([mine])
    assert old.exists(), "nothing is looked at where nothing is new"
    compiling.writable([new])
    assert sorted(tmp_path.iterdir()) == [new, used, mine, others]


def test_a_place_that_is_lost_or_full_later_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "FOLDER", tmp_path / "kept")

    def twice(number: int) -> int:
        return 2 * number

    loop = compiling.compiled(twice)
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "kept").write_text("")
    assert loop(21) == 42


def test_loops_take_constants_only_from_files_that_name_their_folder() -> None:
    inside = [path.relative_to(PACKAGE.parent).with_suffix("") for path in compiling.sources()]
    known = {".".join(path.parts) for path in inside}
    assert len(known) > 4
    for path in compiling.sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("autoassist"):
                names = {f"{node.module}.{name.name}" for name in node.names}
                assert node.module in known or names <= known, f"{path.name}: {ast.unparse(node)}"
