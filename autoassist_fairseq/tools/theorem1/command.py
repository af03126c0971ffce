"""Check Theorem 1 by simulation (logic of ``autoassist theorem1``)."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import write_json, write_text
from autoassist_fairseq.tools.report.page import as_html
from autoassist_fairseq.tools.theorem1 import data, figures, optimum, page, runs
from autoassist_fairseq.tools.theorem1.optimum import Optimum
from autoassist_fairseq.tools.theorem1.problem import LOSSES, Problem
from autoassist_fairseq.tools.theorem1.runs import Curve

NOTE = """\
Means over the runs, at the last step. Steps avoided: the rule left the row out (shrink: the whole
step, as in the theorem; shrink-loss: all but the regulariser). Loss gradients: computed and
applied; beyond the hinge's margin there is none, with or without shrinking."""


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist theorem1``."""
    p = argparse.ArgumentParser(
        prog="autoassist theorem1",
        description="Show that shrinking with T_k = G/k keeps E||w_k - w*||^2 <= L/k, "
        "L = 4 max(D, 2G/mu)^2, and how many gradient steps it avoids (appendix A of the paper).",
    )
    p.add_argument("--file", type=Path, help="two classes in LIBSVM format (default: generated)")
    p.add_argument("--unit-rows", action="store_true", help="scale the file's rows to length 1")
    p.add_argument("--rows", type=int, default=2000, help="generated rows (default: 2000)")
    p.add_argument("--columns", type=int, default=20, help="generated columns (default: 20)")
    p.add_argument("--loss", choices=[*LOSSES, "both"], default="both", help="default: both")
    p.add_argument("--mu", type=float, default=1e-3, help="regularisation (default: 0.001)")
    p.add_argument("--steps", type=int, default=5000, help="of every run (default: 5000)")
    p.add_argument("--runs", type=int, default=100, help="seeds of each method (default: 100)")
    p.add_argument("--seed", type=int, default=1, help="of data and runs (default: 1)")
    p.add_argument(
        "--chunk", type=int, default=16, help="rows that importance sampling scores (default: 16)"
    )
    p.add_argument(
        "--out", type=Path, default=Path("theorem1"), help="folder of results (default: theorem1)"
    )
    p.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns 1 if the bound, or a condition of the theorem, does not hold."""
    args = parser().parse_args(argv)
    _check(args)
    if args.file is not None:
        rows = data.from_file(args.file, args.unit_rows)
    else:
        rows = data.generated(args.rows, args.columns, args.seed)
    losses = LOSSES if args.loss == "both" else (args.loss,)
    args.out.mkdir(parents=True, exist_ok=True)
    results = [_study(args, Problem(rows, args.mu, loss)) for loss in losses]
    options = {name: str(v) if isinstance(v, Path) else v for name, v in vars(args).items()}
    write_json(args.out / "theorem1.json", {"options": options, "results": results})
    write_text(args.out / page.NAME, as_html(page.page_of(args.out, results, NOTE)))
    text = "\n\n".join([*map(as_text, results), NOTE])
    print(json.dumps(results, indent=2) if args.json else text)
    print(f"curves and figures are in {args.out}", file=sys.stderr)
    return 0 if all(result["holds"] for result in results) else 1


def summary(problem: Problem, found: Optimum, curves: Sequence[Curve]) -> dict[str, Any]:
    """Return what was found of one problem, in plain types."""
    checks = conditions(problem, found, curves)
    return {
        "loss": problem.loss,
        "rows": len(problem.rows),
        "columns": problem.rows.shape[1],
        "mu": problem.mu,
        "G": problem.gradient_bound,
        "D": problem.radius,
        "L": problem.bound,
        "conditions": checks,
        "methods": {curve.method: _figures(problem, curve) for curve in curves},
        "holds": all(checks.values()) and all(curve.holds(problem.bound) for curve in curves),
    }


def conditions(problem: Problem, found: Optimum, curves: Sequence[Curve]) -> dict[str, bool]:
    """Return whether each condition of the theorem held, as measured.

    That F is mu-strongly convex needs no measuring: its regulariser alone is.
    """
    length = float(np.linalg.norm(found.point))
    longest = max(curve.longest for curve in curves)
    start = math.sqrt(max(float(curve.error[0]) for curve in curves))
    rounding = 1 + 1e-9
    return {
        f"||w*|| = {length:.4g} <= D": length + found.distance <= problem.radius * rounding,
        f"longest gradient {longest:.4g} <= G": longest <= problem.gradient_bound * rounding,
        f"||w_1 - w*|| = {start:.4g} <= G/mu": start
        <= problem.gradient_bound / problem.mu * rounding,
        f"w* is known to {found.distance:.1e}": found.distance
        <= 0.1 * math.sqrt(min(float(curve.error.min()) for curve in curves)),
    }


def as_text(result: dict[str, Any]) -> str:
    """Return one result as a table for people."""
    lines = [
        f"{result['loss']}: {result['rows']} rows, {result['columns']} columns, "
        f"mu {result['mu']:g}, G {result['G']:.4g}, D {result['D']:.4g}, L {result['L']:.4g}",
        *(f"  {'yes' if held else 'NO '}  {name}" for name, held in result["conditions"].items()),
        f"  {'method':<12} {'E||w_k-w*||^2':>14} {'bound L/k':>10} {'holds':>6} "
        f"{'steps avoided':>14} {'loss gradients':>15} {'rows looked at':>15}",
    ]
    for name, row in result["methods"].items():
        share = row["skipped"] / row["steps"]
        lines.append(
            f"  {name:<12} {row['error']:>14.4g} {row['bound']:>10.3g} "
            f"{'yes' if row['holds'] else 'NO':>6} {row['skipped']:>7.1f} ({share:4.1%}) "
            f"{row['computed']:>15.1f} {row['looked']:>15,}"
        )
    return "\n".join(lines)


def _figures(problem: Problem, curve: Curve) -> dict[str, Any]:
    steps = len(curve.error)
    return {
        "steps": steps,
        "error": float(curve.error[-1]),
        "bound": problem.bound / steps,
        "holds": curve.holds(problem.bound),
        "skipped": float(curve.skipped[-1]),
        "computed": float(curve.computed[-1]),
        "looked": curve.looked * steps,
    }


def _study(args: argparse.Namespace, problem: Problem) -> dict[str, Any]:
    found = optimum.solve(problem)
    methods = tqdm(runs.METHODS, desc=problem.loss, unit="method", leave=False)
    curves = [
        runs.simulate(
            problem,
            found.point,
            method,
            runs=args.runs,
            steps=args.steps,
            seed=args.seed,
            chunk=args.chunk,
        )
        for method in methods
    ]
    figures.draw(args.out / f"theorem1-{problem.loss}.png", problem, curves)
    return summary(problem, found, curves)


def _check(args: argparse.Namespace) -> None:
    least = {"rows": 2, "columns": 1, "steps": 2, "runs": 2, "seed": 0, "chunk": 1}
    problems = [
        f"`--{name}` must be at least {value}, but is {getattr(args, name)}"
        for name, value in least.items()
        if getattr(args, name) < value
    ]
    if not 0 < args.mu < math.inf:
        problems.append(f"`--mu` must be a finite number above 0, but is {args.mu:g}")
    if args.rows * args.columns > data.MOST_CELLS:
        problems.append(
            f"`--rows` times `--columns` must be at most {data.MOST_CELLS:,}, but is "
            f"{args.rows * args.columns:,}"
        )
    if problems:
        raise UserError("; ".join(problems) + ".")
