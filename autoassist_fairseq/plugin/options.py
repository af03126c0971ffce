"""The ``--autoassist-*`` options: a strict superset of fairseq's translation options.

No ``from __future__ import annotations`` here: fairseq reads the types of the fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from fairseq.tasks.translation import TranslationConfig
from fairseq.utils import split_paths
from omegaconf import II

from autoassist_fairseq.assistant.policies.rules import OPEN_AFTER, OPEN_PASSES
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.python_options import problems_of_python
from autoassist_fairseq.plugin.rates import rates_from
from autoassist_fairseq.plugin.validation import problems_of_validation
from autoassist_fairseq.settings import (
    DIFFICULTIES,
    FEATURE_FAMILIES,
    HOPELESS,
    POLICIES,
    Settings,
)

DEFAULTS = Settings()
AUTO = "auto"  # of --autoassist-hopeless; settings hold what it comes to
# fairseq takes any number for these; less than this makes no batch, no update or no loader.
LEAST = {"batch-size": 1, "required-batch-size-multiple": 1, "update-freq": 1, "num-workers": 0}


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


# Types are plain (str, not an enumeration) so that every bad value is reported in one go.
@dataclass
class AutoAssistTranslationConfig(TranslationConfig):  # type: ignore[misc]
    """Options of the task; fairseq turns each field into a flag."""

    autoassist_policy: str = _option(
        DEFAULTS.policy,
        f"who decides which pairs are kept: {', '.join(POLICIES)} (uniform: every pair "
        "but hopeless ones; shrink: the paper's rule; off: fairseq's own batches; the others are "
        "what these are compared with)",
    )
    autoassist_base_prob: float = _option(
        DEFAULTS.base_prob, "lowest chance of a pair to be kept, in (0, 1]"
    )
    autoassist_keep: float = _option(
        DEFAULTS.keep,
        "share of the target tokens that a pass after the warm-up keeps, in (0, 1): shrink, "
        "random, self-paced and loss-table choose whom, and --autoassist-base-prob, "
        "--autoassist-rate and --autoassist-pace no longer say how many; 0: they do",
    )
    autoassist_warmup_passes: float = _option(
        DEFAULTS.warmup_passes,
        "passes over the data at the start that keep every pair; 0.2: the first fifth of the first "
        "pass (whole passes where a policy goes by losses of a pass)",
    )
    autoassist_warmup_updates: int = _option(
        DEFAULTS.warmup_updates,
        "the same in updates; 0: as --autoassist-warmup-passes says",
    )
    autoassist_window: int = _option(
        DEFAULTS.window, "pairs that are planned at a time; 0: chosen for the corpus, and logged"
    )
    autoassist_features: str = _option(
        ",".join(DEFAULTS.features),
        f"comma-separated feature families of the Assistant, of {', '.join(FEATURE_FAMILIES)}",
    )
    autoassist_lr: float = _option(DEFAULTS.lr, "step size of the Assistant's AdaGrad")
    autoassist_rate: str = _option(
        ",".join(map(str, DEFAULTS.rate)),
        "share of the pairs that random drops, or chance of an easy pair to be dropped by "
        "loss-table, in [0, 1): a number, one for each pass (0,0.3,0.4), or the log of a run, to "
        "drop what it dropped",
    )
    autoassist_pace: float = _option(
        DEFAULTS.pace,
        "full passes after which self-paced and competence have opened all pairs; 0: after "
        f"{OPEN_AFTER} of training, as --max-update or --max-epoch says, or a budget beside them, "
        f"competence after {OPEN_PASSES:g} full passes at the latest",
    )
    autoassist_difficulty: str = _option(
        DEFAULTS.difficulty,
        f"what competence goes by: {', '.join(DIFFICULTIES)} (worth: how well the source explains "
        "the target, by their text alone, among pairs that are as long)",
    )
    autoassist_presample: int = _option(
        DEFAULTS.presample, "candidates that importance scores for each pair that it trains on"
    )
    autoassist_hopeless: str = _option(
        AUTO,
        "what to do with hopeless pairs, which are no translations by their text and, from the "
        f"second pass on, by the Boss's losses: {AUTO}, {', '.join(HOPELESS)} (auto: cut, but off "
        "with the policies importance and off; off: do not look for them; keep: only log them; "
        "cut: leave them out; weight: train on them with little weight)",
    )
    autoassist_sure: float = _option(
        DEFAULTS.sure,
        "how probable it must be that a pair is wrong before it counts as hopeless, in (0, 1)",
    )
    autoassist_reexamine: float = _option(
        DEFAULTS.reexamine,
        "chance of a hopeless pair to be trained on again, or its weight, in (0, 1]",
    )
    autoassist_updates: int = _option(
        DEFAULTS.updates,
        "updates of the whole training, for the policies that go by its end (loss-table, "
        "self-paced, competence); 0: as --max-update says, or --max-epoch",
    )
    autoassist_timeout: float = _option(
        DEFAULTS.timeout,
        "seconds that training waits for a planned batch, while nothing moves, before it gives up",
    )
    autoassist_on_error: str = _option(
        DEFAULTS.on_error,
        "what to do when the Assistant fails: stop, or continue without it, keeping every pair",
    )

    # What the plug-in must know of other groups; no flags of their own.
    seed: int = II("common.seed")
    curriculum: int = II("dataset.curriculum")
    update_freq: Any = II("optimization.update_freq")
    batch_size: Any = II("dataset.batch_size")
    required_batch_size_multiple: int = II("dataset.required_batch_size_multiple")
    num_workers: int = II("dataset.num_workers")
    max_update: int = II("optimization.max_update")
    max_epoch: int = II("optimization.max_epoch")
    valid_subset: str = II("dataset.valid_subset")
    max_tokens_valid: Optional[int] = II("dataset.max_tokens_valid")  # noqa: UP045 (fairseq reads it)
    skip_invalid_size_inputs_valid_test: bool = II("dataset.skip_invalid_size_inputs_valid_test")
    disable_validation: bool = II("dataset.disable_validation")
    reset_optimizer: bool = II("checkpoint.reset_optimizer")
    no_save_optimizer_state: bool = II("checkpoint.no_save_optimizer_state")
    max_tokens: Any = II("dataset.max_tokens")


def settings_from(cfg: Any) -> Settings:
    """Return the checked settings of ``cfg`` (dataclass, DictConfig or Namespace).

    Raises:
        UserError: lists every problem at once.
    """
    features = str(cfg.autoassist_features).replace(" ", "")
    settings = Settings(
        policy=cfg.autoassist_policy,
        base_prob=float(cfg.autoassist_base_prob),
        keep=float(cfg.autoassist_keep),
        warmup_passes=float(cfg.autoassist_warmup_passes),
        warmup_updates=int(cfg.autoassist_warmup_updates),
        window=int(cfg.autoassist_window),
        features=tuple(name for name in features.split(",") if name),
        lr=float(cfg.autoassist_lr),
        rate=rates_from(str(cfg.autoassist_rate)),
        pace=float(cfg.autoassist_pace),
        difficulty=cfg.autoassist_difficulty,
        presample=int(cfg.autoassist_presample),
        hopeless=hopeless_from(cfg),
        sure=float(cfg.autoassist_sure),
        reexamine=float(cfg.autoassist_reexamine),
        updates=int(cfg.autoassist_updates or cfg.max_update or 0),
        passes=int(cfg.max_epoch or 0),
        folders=len(split_paths(cfg.data)),
        timeout=float(cfg.autoassist_timeout),
        on_error=cfg.autoassist_on_error,
        seed=int(cfg.seed),
    )
    problems = settings.problems()
    if settings.policy != "off":
        problems += _problems_of_planning(cfg)
    problems += [*problems_of_validation(cfg), *problems_of_python(cfg)]
    if cfg.dataset_impl == "fasta":
        problems.append(
            "`--dataset-impl` must be raw, lazy, cached, mmap or huffman, but is fasta, which is "
            "not for translations; leave it out, and files are read as what they are"
        )
    if problems:
        raise UserError("; ".join(problems) + ".")
    return settings


def settle_off(cfg: Any) -> None:
    """Write ``off`` where YAML without quotes has made ``False`` of it."""
    for name in ("autoassist_policy", "autoassist_hopeless"):
        if getattr(cfg, name) == "False":
            setattr(cfg, name, "off")


def hopeless_from(cfg: Any) -> str:
    """Return what is done about hopeless pairs: by default, what goes with the policy."""
    if cfg.autoassist_hopeless != AUTO:
        return str(cfg.autoassist_hopeless)
    return "off" if cfg.autoassist_policy in ("importance", "off") else DEFAULTS.hopeless


def _problems_of_planning(cfg: Any) -> list[str]:
    """Return one sentence for each of fairseq's own options that cannot be planned for."""
    problems = [
        f"`--{name}` must be {least} or more, but is {value}"
        for name, least in LEAST.items()
        for value in _values(getattr(cfg, name.replace("-", "_")))
        if value < least
    ]
    if int(cfg.curriculum or 0) > 0:
        problems.append(
            f"`--curriculum` must be 0 (passes come in random order), but is {cfg.curriculum}; "
            "leave it out, or use `--autoassist-policy off`"
        )
    if cfg.num_batch_buckets > 0 and cfg.max_tokens is None:
        problems.append("`--num-batch-buckets` must go with `--max-tokens`, but there is none")
    return problems


def _values(option: Any) -> list[int]:
    """Return the values of an option: one, several, or none."""
    if option is None:
        return []
    return [int(value) for value in ([option] if isinstance(option, int) else option)]


def update_freq_of(schedule: Sequence[int], epoch: int) -> int:
    """Return the micro-batches per update in ``epoch`` (from 1), as fairseq's train loop does."""
    return int(schedule[min(epoch, len(schedule)) - 1])
