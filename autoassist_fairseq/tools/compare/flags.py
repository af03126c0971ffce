"""From an arm to the flags of ``fairseq-train``: the same for all arms, but for its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import autoassist_fairseq
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import OPENING
from autoassist_fairseq.tools.common.words import as_words, model_size, option_in, value_of
from autoassist_fairseq.tools.compare.arms import Arm

#: A Transformer of 1-2 million parameters for some ten thousand short pairs.
DEFAULTS: dict[str, object] = {
    "--arch": "transformer",
    **model_size(layers=2, width=128, heads=4),
    "--dropout": 0.3,
    "--criterion": "label_smoothed_cross_entropy",
    "--label-smoothing": 0.1,
    "--optimizer": "adam",
    "--adam-betas": "(0.9, 0.98)",
    "--clip-norm": 1.0,
    "--lr": 3e-3,
    "--lr-scheduler": "inverse_sqrt",
    "--warmup-updates": 400,
    "--warmup-init-lr": 1e-7,
    "--max-tokens": 2000,
    "--num-workers": 0,
    "--distributed-world-size": 1,
    "--autoassist-hopeless": "off",  # arms are policies alone, unless they say otherwise
}
#: The scheduler of ``--decay``.
DECAY = "autoassist_decay"
# The learning rate of these is a function of the update alone, given what else they need, or of
# what is spent of the budget; others go by epochs, by validation, or by --max-update, which differ
# between arms.
SCHEDULERS = {
    "inverse_sqrt": None,
    "polynomial_decay": "--total-num-update",
    "triangular": "--max-lr",
    DECAY: None,
}
# Defaults that fairseq knows with these choices only: another choice takes them away.
_SIZES = tuple(name for name in DEFAULTS if name.startswith(("--encoder-", "--decoder-")))
_GO_WITH: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("--arch", ("transformer",), _SIZES),
    ("--criterion", ("label_smoothed_cross_entropy",), ("--label-smoothing",)),
    ("--optimizer", ("adam",), ("--adam-betas",)),
    ("--lr-scheduler", ("inverse_sqrt", "polynomial_decay", DECAY), ("--warmup-updates",)),
    ("--lr-scheduler", ("inverse_sqrt",), ("--warmup-init-lr",)),
)
# What makes a comparison one; "--reset-" and the like stand for all flags that begin so.
_OURS = (
    *("--task", "--user-dir", "--seed", "--save-dir", "--restore-file", "--finetune-from-model"),
    *("--max-update", "--max-epoch", "--patience", "--continue-once", "--no-save"),
    *("--no-last-checkpoints", "--no-epoch-checkpoints"),
    # Checkpoints are found by name, and training goes on from the last.
    *("--checkpoint-suffix", "--use-sharded-state", "--no-save-optimizer-state"),
    *("--autoassist-policy", "--autoassist-updates", "--autoassist-budget"),
    *("--source-lang", "--target-lang"),
    # The last loss is that of what is translated with: training ends with a validation.
    *("--disable-validation", "--validate-interval", "--validate-after-updates"),
)
_OUR_KINDS = ("--stop-", "--reset-", "--log-", "--save-interval")


def check_flags(flags: Sequence[str], where: str, averaged: int = 1) -> None:
    """Require flags that leave the comparison fair and the runner in charge.

    Args:
        flags: of all arms, or of one.
        where: what holds them, for the error.
        averaged: how many checkpoints of a run are translated with.

    Raises:
        UserError: names the flag.
    """
    ours = (*_OURS, *(["--keep-last-epochs"] if averaged > 1 else []))
    for word in flags:
        flag, name = word.partition("=")[0], option_in(word)[0]
        if name in ours or name.startswith(_OUR_KINDS):
            raise UserError(
                f"`{where}` must leave {flag} to autoassist compare, which sets it for "
                "every run; leave it out."
            )
    scheduler = value_of(flags, "--lr-scheduler")
    if scheduler is not None and scheduler not in SCHEDULERS:
        raise UserError(
            f"`{where}` must have an --lr-scheduler that goes by updates alone "
            f"({', '.join(SCHEDULERS)}), since epochs and validations differ between arms, but has "
            f"{scheduler}."
        )


def check_paces(arms: Sequence[Arm], extra: Sequence[str], kind: str) -> None:
    """Require that arms which open the pairs by the end of training are told where it is.

    The updates that a budget comes to are known for certain only when it is nearly spent.

    Args:
        arms: all of them.
        extra: flags of all arms.
        kind: of the budget.

    Raises:
        UserError: names the arm.
    """
    for arm in arms:
        given = [*extra, *arm.flags]
        decays = kind == "tokens" and value_of(given, "--lr-scheduler") == DECAY
        paces = {value_of(given, f"--autoassist-{name}") for name in ("pace", "keep")}
        known = kind == "passes" or decays or paces - {None, "0", "0.0"}
        if arm.policy in OPENING and not known:
            raise UserError(
                f"`--arm {arm.name}` must know where training ends, for it opens the pairs by "
                f"that, but `--budget` {kind} tells it only as it comes; give the arm "
                "--autoassist-pace, or use `--budget tokens=N` with `--decay`, or passes=P."
            )


def common_flags(
    data: Path, languages: tuple[str, str], extra: Sequence[str], own: Sequence[str] = ()
) -> list[str]:
    """Return the flags of all arms: the defaults, and what follows ``--``, which overrides them.

    Args:
        data: binarised corpus.
        languages: source and target.
        extra: what follows ``--``.
        own: the arm's own flags; defaults that do not go with them are left out.

    Raises:
        UserError: a scheduler lacks what makes it a function of the update.
    """
    given = [*as_words({name: DEFAULTS[name] for name, _, _ in _GO_WITH}), *extra, *own]
    gone = {
        flag
        for name, choices, known in _GO_WITH
        if value_of(given, name) not in choices
        for flag in known
    }
    scheduler = value_of(given, "--lr-scheduler") or ""
    needed = SCHEDULERS.get(scheduler)
    if needed and value_of(given, needed) is None:
        raise UserError(
            f"`--lr-scheduler` {scheduler} needs {needed}, the same for all arms, but there is "
            "none; add it after --."
        )
    dictionaries = {(data / f"dict.{language}.txt").read_bytes() for language in languages}
    shared = len(dictionaries) == 1 and not any(word.startswith("--share-") for word in given)
    return [
        *as_words({name: value for name, value in DEFAULTS.items() if name not in gone}),
        *(["--share-all-embeddings"] if shared else []),
        *extra,
    ]


def arm_flags(arm: Arm, seed: int, languages: tuple[str, str], epochs: int = 0) -> list[str]:
    """Return the flags of one run that have nothing to do with its place; references stay.

    The checkpoints of the last ``epochs`` are kept.
    """
    epochs_kept = ["--keep-last-epochs", str(epochs)] if epochs else ["--no-epoch-checkpoints"]
    return [
        *("--user-dir", str(Path(autoassist_fairseq.__file__).parent)),
        *("--task", "autoassist_translation", "--autoassist-policy", arm.policy),
        *("--source-lang", languages[0], "--target-lang", languages[1], "--seed", str(seed)),
        # Every update is logged: tokens are counted, and time is measured, update by update.
        *("--log-format", "json", "--log-interval", "1", *epochs_kept),
    ]
