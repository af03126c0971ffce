"""What the ranks agree on is the same to the bit on all kinds of processors."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import make_planner, run_pass

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
# NumPy's loops and OpenBLAS's, as on a processor without AVX-512.
OLDER = {"NPY_DISABLE_CPU_FEATURES": "X86_V4", "OPENBLAS_CORETYPE": "Haswell"}
UNLIKE = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "dot", "matmul", "cbrt"}


def digest_of_a_run() -> str:
    digest, settings = hashlib.blake2b(), Settings(policy="shrink", hopeless="cut", warmup_passes=1)
    planner = make_planner(3_000, Budget(240, 0), settings, longest=30)
    for index in range(1, 5):
        for plan in run_pass(planner, index, 2):
            digest.update(plan.batches.pairs.tobytes())
    feed(digest, planner.state_dict())
    values = np.random.default_rng(0).gamma(3, 1, 2_000).astype(np.float32)
    feed(digest, exact.exp(-values).tolist() + exact.log(values).tolist())
    return digest.hexdigest()


def feed(digest: Any, value: Any) -> None:
    if isinstance(value, dict):
        feed(digest, [*value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            feed(digest, item)
    else:
        digest.update(value.tobytes() if hasattr(value, "tobytes") else repr(value).encode())


@pytest.mark.slow
def test_an_older_processor_finds_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import test_exact_numbers as t; print(t.digest_of_a_run())"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **OLDER},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest_of_a_run()


@pytest.mark.parametrize("ring", ["assistant", "schedule"])
def test_nothing_is_computed_with_what_rounds_differently(ring: str) -> None:
    for path in (ROOT / "autoassist_fairseq" / ring).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np":
                assert node.attr not in UNLIKE, f"{path.name}: np.{node.attr}"
            product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
            assert not product, f"{path.name}: {ast.unparse(node)}"


def test_they_are_what_numpy_finds() -> None:
    values = np.random.default_rng(0).gamma(3, 1, 500).astype(np.float32)
    assert exact.exp(values) == pytest.approx(np.exp(values.astype(float)))
    assert exact.log(values) == pytest.approx(np.log(values.astype(float)))
    assert exact.dot(values, values) == pytest.approx(float(values @ values))
