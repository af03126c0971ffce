"""autoassist theorem1: files in, table and curves out, one sentence for what cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.theorem1 import command, data, runs

SCRIPT = Path(__file__).parents[1] / "scripts" / "theorem1.py"
SMALL = ["--rows", "100", "--columns", "4", "--steps", "80", "--runs", "10", "--mu", "0.01"]
PNG = b"\x89PNG\r\n\x1a\n"


def write_libsvm(path: Path, labels: tuple[int, ...] = (0, 1)) -> Path:
    rng = np.random.default_rng(0)
    lines = [
        f"{labels[i % len(labels)]} 1:{rng.normal():.3f} 3:{i % len(labels) + rng.normal():.3f}\n"
        for i in range(60)
    ]
    path.write_text("".join(lines))
    return path


@pytest.mark.slow
def test_table_json_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*SMALL, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "logistic: 100 rows, 4 columns, mu 0.01" in said
    assert "NO" not in said
    for loss in ("hinge", "logistic"):
        assert (tmp_path / f"theorem1-{loss}.png").read_bytes().startswith(PNG)
    assert "<td>yes</td>" in (tmp_path / "theorem1.html").read_text("utf-8")
    results = json.loads((tmp_path / "theorem1.json").read_text())["results"]
    for result in results:
        assert result["holds"] and set(result["methods"]) == set(runs.METHODS)
        assert result["methods"]["shrink"]["skipped"] > 1
        assert result["methods"]["sgd"]["skipped"] == 0


@pytest.mark.slow
def test_a_libsvm_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_libsvm(tmp_path / "two.svm")
    options = ["--file", str(file), "--loss", "hinge", "--json", "--out", str(tmp_path / "out")]
    assert command.main([*SMALL, *options]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert (result["rows"], result["columns"]) == (60, 3)


def test_rows_of_a_file_carry_their_labels_and_may_be_scaled(tmp_path: Path) -> None:
    file = tmp_path / "two.svm"
    file.write_text("-1 1:3 2:4\n+1 2:2\n")
    assert data.from_file(file, unit_rows=False).tolist() == [[-3, -4], [0, 2]]
    assert data.from_file(file, unit_rows=True) == pytest.approx(np.array([[-0.6, -0.8], [0, 1]]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "must be readable"),
        ("to be or not to be\n", "must be in LIBSVM format"),
        ("1 1:0.5\n1 1:2\n", "must hold two classes, but .* holds 1"),
        ("1 1:0.5\n2 1:2\n3 1:1\n", "must hold two classes, but .* holds 3"),
        ("1 1:nan\n2 1:2\n", "finite values"),
        ("1 1:0\n2 1:0\n", "not all zero"),
        ("1 900000000:1\n2 1:2\n", "at most 250,000,000 cells"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "data.svm"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=says):
        command.main(["--file", str(file), "--out", str(tmp_path / "out")])


def test_all_options_out_of_range_are_named_at_once() -> None:
    with pytest.raises(UserError) as caught:
        command.main(["--mu", "0", "--runs", "1", "--steps", "0"])
    for option in ("--mu", "--runs", "--steps"):
        assert f"`{option}`" in str(caught.value)


@pytest.mark.slow
def test_the_script_ends_with_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *SMALL, "--out", str(blocked / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
