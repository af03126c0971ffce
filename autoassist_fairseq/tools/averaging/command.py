"""Average the parameters of several checkpoints (logic of ``autoassist average``).

The flags of fairseq's own script work; ``--num-best-checkpoints`` is added. The result takes its
settings from the first input (the newest, or the best) and leaves out what no longer fits the
averaged parameters: the optimiser's state, a moving average kept beside the model, the Assistant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.averaging.choice import (
    Candidate,
    best_checkpoints,
    candidates,
    last_checkpoints,
    ways_on,
)
from autoassist_fairseq.tools.averaging.sums import ModelMean
from autoassist_fairseq.tools.common.checkpoints import (
    State,
    read_checkpoint,
    setting,
    write_checkpoint,
)

RECORD = "autoassist_average"
"""Key in ``extra_state`` under which an averaged checkpoint lists what went into it."""

_DROPPED_EXTRA = ("ema", "ema_fp32_params")


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist average``."""
    p = argparse.ArgumentParser(
        prog="autoassist average", description="Average the parameters of checkpoints."
    )
    add = p.add_argument
    inputs = "checkpoint files, or one folder together with a --num- option"
    add("--inputs", required=True, nargs="+", type=Path, metavar="PATH", help=inputs)
    add("--output", required=True, type=Path, metavar="FILE", help="where to write")
    number = p.add_mutually_exclusive_group()
    for kind, what in (
        ("epoch", "the last N checkpoint{EPOCH}.pt of the folder"),
        ("update", "the last N checkpoint_{EPOCH}_{UPDATE}.pt of the folder"),
        ("best", "the N best of the folder by fairseq's --best-checkpoint-metric"),
    ):
        number.add_argument(f"--num-{kind}-checkpoints", type=int, metavar="N", help=what)
    bound = "with the last N: take no epoch (or update) after this one"
    add("--checkpoint-upper-bound", type=int, metavar="N", help=bound)
    suffix = "what stands before .pt in the names, as in training (--checkpoint-suffix=-a)"
    add("--checkpoint-suffix", default="", metavar="TEXT", help=suffix)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; the path of the result goes to stdout."""
    print(run(parser().parse_args(argv)))
    return 0


def run(args: argparse.Namespace) -> Path:
    """Average what the options choose, write it, and return the file's path."""
    paths = choose_inputs(args)
    if args.output.resolve() in {p.resolve() for p in paths}:
        raise UserError(f"`--output` {args.output} must not be one of the inputs; name a new file.")
    write_checkpoint(average(paths), args.output, "--output")
    return Path(args.output)


def choose_inputs(args: argparse.Namespace) -> list[Path]:
    """Return the files to average, the one that gives the settings first.

    Raises:
        UserError: options that do not go together, or too few checkpoints.
    """
    counts = {
        kind: getattr(args, f"num_{kind}_checkpoints") for kind in ("epoch", "update", "best")
    }
    kind, count = next(((k, n) for k, n in counts.items() if n is not None), (None, 0))
    _check_options(args, kind, count)
    if kind is None:
        return list(args.inputs)
    folder: Path = args.inputs[0]
    names = [p.name for p in folder.iterdir() if p.is_file()]
    if kind == "best":
        return [folder / name for name in _best_names(folder, names, count, args)]
    limits = args.checkpoint_upper_bound, args.checkpoint_suffix
    chosen = last_checkpoints(names, count, "epoch" if kind == "epoch" else "update", *limits)
    return [folder / name for name in chosen]


def average(paths: Sequence[Path]) -> State:
    """Return a checkpoint with the mean parameters of ``paths`` and the first one's settings.

    Holds one model's float64 sums and one mapped input at a time.
    """
    mean, records = ModelMean(), []
    settings: State = {}
    for path in paths:
        # One name for the state, cleared before the next is read: two models at most.
        state = read_checkpoint(path, "--inputs")
        mean.add(state.pop("model"), path.name)
        records.append(_record(path, state))
        print(_describe(records[-1]), file=sys.stderr)
        settings = settings or _settings(state)
        del state
    settings["model"] = mean.result()
    settings.setdefault("extra_state", {})[RECORD] = records
    return settings


def _check_options(args: argparse.Namespace, kind: str | None, count: int) -> None:
    if kind is None:
        folders = [p for p in args.inputs if p.is_dir()]
        if folders:
            raise UserError(
                f"`--inputs` {folders[0]} is a folder: say how many of its checkpoints, for "
                "example `--num-epoch-checkpoints 10`, or list files."
            )
        missing = [str(p) for p in args.inputs if not p.is_file()]
        if missing:
            raise UserError(
                f"`--inputs` must be checkpoints that are there, but {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not."
            )
    elif count < 1:
        raise UserError(f"`--num-{kind}-checkpoints` must be at least 1, but is {count}.")
    elif len(args.inputs) != 1 or not args.inputs[0].is_dir():
        given = " ".join(map(str, args.inputs))
        raise UserError(
            f"`--num-{kind}-checkpoints` needs one existing folder as `--inputs`, but got {given}."
        )
    if args.checkpoint_upper_bound is not None and kind not in ("epoch", "update"):
        raise UserError(
            f"`--checkpoint-upper-bound` {args.checkpoint_upper_bound} needs "
            "`--num-epoch-checkpoints` or `--num-update-checkpoints`."
        )


def _best_names(
    folder: Path, names: Sequence[str], count: int, args: argparse.Namespace
) -> list[str]:
    found, recorded = [], set()
    for name in candidates(names, args.checkpoint_suffix):
        state = read_checkpoint(folder / name, "--inputs", verify=False)
        facts = _record(folder / name, state)
        found.append(Candidate(name, facts["updates"], facts["value"]))
        recorded.add(
            (facts["metric"], setting(state, "checkpoint", "maximize_best_checkpoint_metric"))
        )
    if len({metric for metric, _ in recorded}) > 1:
        told = ", ".join(sorted(f"`{m}`" for m, _ in recorded))
        raise UserError(
            f"`--num-best-checkpoints` must rank by one metric, but {folder} records {told}; "
            "average files of your choice (autoassist average)."
        )
    maximize = any(m for _, m in recorded)
    others = ways_on(names, None, len(found), args.checkpoint_suffix)
    return [c.name for c in best_checkpoints(found, count, maximize, others)]


def _settings(state: State) -> State:
    kept = {k: v for k, v in state.items() if k not in ("model", "last_optimizer_state")}
    extra = dict(kept.get("extra_state") or {})
    kept["extra_state"] = {k: v for k, v in extra.items() if k not in _DROPPED_EXTRA}
    position = extra.get("train_iterator") or {}
    # what the Assistant knows is of one model, and may be large
    kept["extra_state"]["train_iterator"] = {k: v for k, v in position.items() if k != "autoassist"}
    return kept


def _record(path: Path, state: State) -> dict[str, Any]:
    extra = state.get("extra_state") or {}
    history = state.get("optimizer_history") or [{}]
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "epoch": (extra.get("train_iterator") or {}).get("epoch"),
        "updates": history[-1].get("num_updates", 0),
        "metric": setting(state, "checkpoint", "best_checkpoint_metric"),
        "value": extra.get("val_loss"),
    }


def _describe(record: dict[str, Any]) -> str:
    value = "" if record["value"] is None else f", {record['metric']} {record['value']}"
    return f"+ {record['file']} (update {record['updates']}{value})"
