"""``lines``: every line of ours in a step of its own, where waiting for the GPU is an error."""

from __future__ import annotations

from functools import partial

from autoassist_fairseq.tools.check_gpu.checks import Check, Outcome
from autoassist_fairseq.tools.check_gpu.runner import Runner

PART = "lines"
SHAPES, DTYPES = ("base", "big"), ("float16", "bfloat16", "float32")


def checks(cuda: bool) -> list[Check[Runner]]:
    """Return every check of this part, the most telling first."""
    return [
        Check(PART, f"{shape}, {dtype}", 15.0 if cuda else 3.0, partial(run, shape, dtype), True)
        for dtype in DTYPES
        for shape in SHAPES
    ]


def run(shape: str, dtype: str, runner: Runner) -> Outcome:
    """Run every line of ours in a Transformer; on a CPU in a tiny one."""
    size = {"shape": shape, "tokens": 3000, "repeats": 30}
    if not runner.cuda:
        size = {"shape": "tiny", "tokens": 100, "repeats": 3}
    probe = {**size, "dtype": dtype, "device": runner.device}
    seen = runner.job("lines", f"lines-{shape}-{dtype}", [], probe)[0].ended()
    lines = seen.of("line")
    found = "; ".join(("" if line["ok"] else "FAILED: ") + line["found"] for line in lines)
    return Outcome(bool(lines) and all(line["ok"] for line in lines), found)
