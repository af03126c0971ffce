"""Added to the corrected fairseq as ``fairseq/autoassist_runs.py``: how a run begins and ends.

It stands alone (torch only), because the corrected fairseq must run without this package.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import torch

logger = logging.getLogger(__name__)

# Which metrics a validation has is known for these tasks and criteria only.
_TASKS = frozenset({"translation", "autoassist_translation"})
_CRITERIA = frozenset({"cross_entropy", "label_smoothed_cross_entropy"})
_RISING = frozenset({"accuracy", "bleu"})
_RESETS = ("reset_optimizer", "reset_lr_scheduler", "reset_meters", "reset_dataloader")
# What `--patience` has counted: the best score, and the validations since; in checkpoints too.
patience: dict[str, Any] = {}


class RunError(Exception):
    """A run cannot begin as asked; the message is one sentence for the user."""

    for_user = True


def without_help(given: Sequence[str] | None) -> list[str]:
    """Return the command line without a wish for help, which the last of two readings answers."""
    words = sys.argv[1:] if given is None else given
    return [word for word in words if word not in {"-h", "--help"}]


def check_arch(given: Sequence[str] | None) -> None:
    """Raise `RunError` for a command line without ``--arch``, unless it only asks for help."""
    if len(without_help(given)) == len(sys.argv[1:] if given is None else given):
        raise RunError("`--arch` must be given, but is not; name one, such as transformer.")


def check_alignments(alignments: Sequence[Any], pairs: Sequence[Any], split: str) -> None:
    """Raise `RunError` unless there are as many of both."""
    if len(alignments) != len(pairs):
        raise RunError(
            f"`--load-alignments` must find one for each pair of {split}, but there are "
            f"{len(alignments)} for {len(pairs)} pairs; align all pairs, in a single split."
        )


def ranks_to_start(gpus: int, ranks: int) -> int:
    """Return how many ranks fairseq is to start on this machine, which has ``gpus``."""
    if not gpus:
        raise RunError(
            "`--distributed-world-size` must be the number of GPUs where fairseq starts the ranks "
            "itself, but torch sees no GPU on this machine; see to it (`nvidia-smi`, and what the "
            "job asks for), or start one process for each rank with torchrun, on CPUs with `--cpu`."
        )
    return min(gpus, ranks)


def usable_backend(cfg: Any) -> str:
    """Return ``--distributed-backend``, or gloo where tensors are on CPUs, which NCCL refuses."""
    backend = str(cfg.distributed_training.distributed_backend)
    on_cpu = cfg.common.cpu or not torch.cuda.is_available()
    return "gloo" if on_cpu and backend == "nccl" else backend


def check_start(cfg: Any) -> None:
    """Raise `RunError` for what fairseq itself would break at, or be wrong with, later."""
    scheduler = cfg.lr_scheduler
    if getattr(scheduler, "_name", "") == "inverse_sqrt" and scheduler.warmup_updates < 1:
        raise RunError("`--warmup-updates` must be 1 or more for inverse_sqrt, but is 0.")
    check_metric(cfg)


def no_iopath() -> None:
    """Tell what fairseq ended without a word, and without training, for."""
    raise RunError(
        "`--write-checkpoints-asynchronously` must have the package iopath, which is not "
        "installed; leave it out, or pip install iopath."
    )


def directed(cfg: Any, found: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Return source and target language: as given, and otherwise of the pair that was found."""
    given = cfg.source_lang or cfg.target_lang
    if not given or None in found:
        return found
    if given not in found:
        raise RunError(
            f"`--source-lang` and `--target-lang` must be of {' and '.join(map(str, found))}, "
            f"which the data have, but one is {given}; mend it, or give both."
        )
    other = found[given == found[0]]
    return (given, other) if cfg.source_lang else (other, given)


def check_metric(cfg: Any) -> None:
    """Raise `RunError` unless validations will have ``--best-checkpoint-metric``."""
    task, criterion, metric = cfg.task, cfg.criterion, cfg.checkpoint.best_checkpoint_metric
    known = getattr(task, "_name", "") in _TASKS and getattr(criterion, "_name", "") in _CRITERIA
    if cfg.dataset.disable_validation or not known:
        return
    smoothed = criterion._name != "cross_entropy"
    there = {
        "loss": True,
        "ppl": True,
        "nll_loss": smoothed or criterion.sentence_avg,
        "accuracy": smoothed and criterion.report_accuracy,
        "bleu": task.eval_bleu,
    }
    if not there.get(metric):
        needed = {"bleu": "`--eval-bleu`", "accuracy": "`--report-accuracy`"}.get(metric, "")
        raise RunError(
            f"`--best-checkpoint-metric` must be one that validations have "
            f"({', '.join(name for name in there if there[name])}), but is {metric}; name one of "
            f"them{f', or give {needed}' if needed else ''}."
        )
    if cfg.checkpoint.maximize_best_checkpoint_metric != (metric in _RISING):
        wrong, mend = ("higher", "give") if metric in _RISING else ("lower", "leave out")
        raise RunError(
            f"`--best-checkpoint-metric {metric}` is the better the {wrong} it is, but the worst "
            f"checkpoint would be taken for the best; {mend} `--maximize-best-checkpoint-metric`."
        )


def left_to_train(cfg: Any, trainer: Any, epoch: int) -> float:
    """Return the last epoch of this run; 0, and tell why, if nothing is left to do before it.

    Args:
        cfg: The whole configuration.
        trainer: Has loaded a checkpoint, if there is one.
        epoch: The next one, from 1.
    """
    _tell_what_begins_again(cfg.checkpoint)
    wish, hours = cfg.optimization, trainer._previous_training_time / 3600
    waited = patience.get("num_runs", 0)
    ends = {
        "--max-epoch": (wish.max_epoch, 0 < wish.max_epoch < epoch),
        "--max-update": (wish.max_update, 0 < wish.max_update <= trainer.get_num_updates()),
        "--stop-time-hours": (wish.stop_time_hours, 0 < wish.stop_time_hours < hours),
        "--patience": (cfg.checkpoint.patience, 0 < cfg.checkpoint.patience <= waited),
    }
    for option, (value, reached) in ends.items():
        if reached:
            logger.info(
                f"nothing is left to do: the checkpoint has reached {option} {value} "
                f"({trainer.get_num_updates()} updates); raise it to go on"
            )
            return 0
    return float(wish.max_epoch or "inf")


def _tell_what_begins_again(wish: Any) -> None:
    last = os.path.join(wish.save_dir, f"checkpoint_last{wish.checkpoint_suffix}.pt")
    again = [f"--{name.replace('_', '-')}" for name in _RESETS if wish[name]]
    if wish.restore_file != "checkpoint_last.pt":
        again = [f"--restore-file {wish.restore_file}"]
    if again and os.path.isfile(last):
        logger.warning(
            f"{', '.join(again)} begins again at every start, although {last} is there: leave it "
            "out to go on after a stop (--finetune-from-model counts for the first start only)"
        )
