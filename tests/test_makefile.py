"""The Makefile: a folder of `VENV` that holds other files keeps them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# A Python whose `-m venv --clear` does what the real one does to the folder, and no more.
PYTHON = """\
#!/bin/sh
if test "$2" = venv; then rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; fi
"""


@pytest.mark.parametrize("goal", ["setup", "clean"])
@pytest.mark.parametrize(
    ("held", "refused"),
    [(None, False), ([], False), (["pyvenv.cfg", "x"], False), (["x"], True), ([".x"], True)],
)
def test_a_folder_with_other_files_is_no_place_for_the_environment(
    goal: str, held: list[str] | None, refused: bool, tmp_path: Path
) -> None:
    shutil.copy(Path(__file__).parents[1] / "Makefile", tmp_path)
    for name in ("constraints.txt", "setup.py", "python"):
        (tmp_path / name).write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    folder = tmp_path / "envs"
    if held is not None:
        folder.mkdir()
        for name in held:
            (folder / name).touch()
    variables = [f"VENV={folder}", f"PYTHON={tmp_path / 'python'}"]
    # `make test` tells a make within it its own options.
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", goal, *variables], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode != 0) == refused, done.stderr
    if refused:
        assert "error: `VENV` must be a new folder, an empty one or a Python" in done.stderr
        assert f"but {folder} holds other files" in done.stderr
        assert [path.name for path in folder.iterdir()] == held
    else:
        assert (folder / "bin" / "python").exists() == (goal == "setup")
        assert not (folder / "x").exists()
