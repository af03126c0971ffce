"""autoassist compare with real trainings: interrupted, resumed, done; the report of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_child import processes_in, within

from autoassist_fairseq.tools.compare.updates import read_updates

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    f"--{side}-{what}={value}"
    for side in ("encoder", "decoder")
    for what, value in (
        ("layers", 1),
        ("embed-dim", 16),
        ("ffn-embed-dim", 32),
        ("attention-heads", 2),
    )
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's small corpus, 2,000 pairs, as check-gpu makes it for its evidence."""
    folder = tmp_path_factory.mktemp("demo")
    words = ("-m", "autoassist_fairseq.tools.check_gpu.demo_data", folder, "--fast")
    subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, check=True)
    return folder / "data" / "bin"


def compare(data: Path, out: Path) -> subprocess.Popen[str]:
    words = ["--data", data, "--out", out, "--budget", "tokens=20000", "--seeds", "1"]
    words += ["--arms", "shrink", "--generate", "--beam 1 --max-len-b 20"]
    words += ["--bootstrap-samples", "20", "--", *TINY, "--max-tokens", "1000", "--lr", "0.01"]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "compare.py"), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )


@pytest.mark.slow
def test_an_arm_interrupted_and_resumed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with compare(data, out) as first:
        reached = within(60, lambda: len(read_updates(out / "shrink-1" / "updates.csv")) > 20)
        first.send_signal(signal.SIGINT)
        stdout, stderr = first.communicate()
    assert reached, stderr
    assert (first.returncode, stdout) == (130, "")
    assert stderr.rstrip().endswith("interrupted: the same command goes on from here")
    assert "Traceback" not in stderr
    assert processes_in(out) == []

    with compare(data, out) as second:
        stdout, stderr = second.communicate()
    assert second.returncode == 0, stderr
    content = json.loads((out / "compare.json").read_text())
    for arm in content["arms"]:
        run = arm["runs"]["1"]
        assert abs(run["tokens"] - 20_000) < 500
        assert run["seconds"] > 0
    assert "Loaded checkpoint" in (out / "shrink-1" / "train.log").read_text()
    # (And a warning, where models that are as young as these write no capital.)
    rows = [line.split()[:2] for line in stdout.splitlines() if not line.startswith("warning: ")]
    assert rows == [["arm", "policy"], ["shrink", "shrink"]]
    page = (out / "report" / "report.html").read_text()
    assert "shrink" in page and "data:image/png" in page
