"""What `.ci/run` takes for a pass: tests ran, none for want of fairseq left out, a fair bench."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parents[1] / ".ci" / "run"
MISSING = (
    "SKIPPED [1] tests/test_plugin.py:3: could not import 'fairseq': No module named 'fairseq'"
)
ABSENT = "SKIPPED [1] tests/test_fairseq_data.py:9: the folder with Multi30k is absent"


@pytest.mark.parametrize(
    ("says", "status", "bench", "good"),
    [
        ("===== 12 passed in 3.21s =====", 0, 0, True),
        ("12 passed, 1 skipped in 3.21s", 0, 0, True),
        (f"{ABSENT}\n12 passed, 1 skipped in 3.21s", 0, 0, True),
        ("1 failed, 12 passed in 3.21s", 2, 0, False),
        ("no tests ran in 0.01s", 0, 0, False),
        ("3 skipped in 0.01s", 0, 0, False),
        (f"{MISSING}\n12 passed, 1 skipped in 3.21s", 0, 0, False),
        ("12 passed in 3.21s", 0, 1, False),
    ],
)
def test_what_passes(tmp_path: Path, says: str, status: int, bench: int, good: bool) -> None:
    (tmp_path / ".ci").mkdir()
    run = shutil.copy(CI, tmp_path / ".ci" / "run")
    make = tmp_path / "make"
    make.write_text(
        f'#!/bin/sh\ntest "$1" = bench-quick && exit {bench}\n'
        f"test \"$1\" = test || exit 9\ncat <<'X'\n{says}\nX\nexit {status}\n"
    )
    make.chmod(0o755)
    done = subprocess.run(
        ["bash", run],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == good
    assert says in done.stdout
