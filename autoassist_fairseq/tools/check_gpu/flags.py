"""The flags of the runs that are checked: corpus, model, precision, arm."""

from __future__ import annotations

from pathlib import Path

from autoassist_fairseq.tools.bench.programs import OURS
from autoassist_fairseq.tools.common.words import as_words, model_size
from autoassist_fairseq.tools.synthetic.files import SOURCE, TARGET
from autoassist_fairseq.tools.synthetic.shape import Shape

STOCK = ("--task", "translation")
# What an arm's own flags come after.
ALONE = ("--autoassist-hopeless", "off")
# With fewer pairs the fed losses of wrong ones do not stand out as a kind of their own.
CORPORA = {
    "small": Shape(pairs=500, words=400, mean=12.0),
    # Text is read from 1,000 pairs on; a fifth of these targets say something else.
    "read": Shape(pairs=1_200, words=400, mean=12.0, translated=0.8),
}
PRECISIONS: dict[str, tuple[str, ...]] = {
    "fp16": ("--fp16",),
    "amp": ("--amp",),
    "bf16": ("--bf16",),
    "memory-efficient-fp16": ("--memory-efficient-fp16",),
    "fp32": (),
}
ARMS: dict[str, tuple[str, ...]] = {
    "shrink": ("--autoassist-policy", "shrink"),
    "loss-table": ("--autoassist-policy", "loss-table", "--autoassist-rate", "0.6"),
    "hopeless weight": ("--autoassist-policy", "uniform", "--autoassist-hopeless", "weight"),
    "hopeless cut": ("--autoassist-policy", "uniform", "--autoassist-hopeless", "cut"),
    "text cut": ("--autoassist-policy", "uniform", "--autoassist-hopeless", "cut"),
    "importance": ("--autoassist-policy", "importance", "--autoassist-presample", "2"),
    "self-paced": ("--autoassist-policy", "self-paced", "--autoassist-pace", "4"),
    "random": ("--autoassist-policy", "random", "--autoassist-rate", "0.4"),
    "competence": ("--autoassist-policy", "competence"),
    "uniform": ("--autoassist-policy", "uniform"),
    "off": ("--autoassist-policy", "off"),
}
# The Boss's losses tell hopeless pairs from the third pass on, text from the first; of five passes
# of competence the last has all pairs.
PASSES = {"hopeless cut": 4, "hopeless weight": 4, "competence": 5, "text cut": 2}
ALL = ("uniform", "off")  # arms that skip nothing
SAVE_EVERY = 5
COMMON = (
    "--optimizer adam --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --seed 1 "
    "--disable-validation --log-format json "
    f"--source-lang {SOURCE} --target-lang {TARGET}"
)


def passes_of(arm: str) -> int:
    """Return the passes of a run of ``arm``: such that it skips in two of them, if it ever does."""
    return PASSES.get(arm, 3)


def corpus_of(arm: str) -> str:
    """Return the name of the corpus of `CORPORA` that ``arm`` trains on."""
    return "read" if arm in ("text cut", "competence") else "small"


def precision_flags(precision: str, cuda: bool) -> list[str]:
    """Return the flags of a precision; what a CPU does not know is left out there."""
    flat = ["--fp16-no-flatten-grads"] if precision == "fp16" and not cuda else []
    return [*PRECISIONS[precision], *flat]


def small_run(data: Path, save: Path, arm: str) -> list[object]:
    """Return the flags of a run of ``arm`` on its corpus, with a tiny model."""
    task = STOCK if arm == "stock" else (*OURS, *ALONE, *ARMS[arm])
    return [
        *(data, "--arch", "transformer_tiny", *as_words(model_size(layers=1, width=32, heads=2))),
        *(*COMMON.split(), "--log-interval", 1, "--lr", 0.003, "--dropout", 0),
        *("--max-tokens", 400, "--num-workers", 0, "--max-epoch", passes_of(arm)),
        *("--save-dir", save, "--save-interval-updates", SAVE_EVERY, "--no-epoch-checkpoints"),
        *task,
    ]


def alone(cuda: bool) -> list[object]:
    """Return what makes a run one of one rank, on the device."""
    return ["--distributed-world-size", 1, *([] if cuda else ["--cpu"])]
