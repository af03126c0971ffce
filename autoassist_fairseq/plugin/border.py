"""The border to the user: an error whose cause is known becomes one sentence and exit status 1.

In fairseq's programs, errors in our hooks are turned around on the spot. What fairseq raises
elsewhere (a checkpoint that does not fit, a full disk) ends the program uncaught, and is turned
around there. A library call (to load a model, say) raises: only programs exit.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, TypeVar

from autoassist_fairseq.errors import AutoAssistError
from autoassist_fairseq.plugin.lost_ranks import of_a_lost_rank

P = ParamSpec("P")
R = TypeVar("R")

PREFIX = "autoassist: error: "
TRAINING = ("hydra_train", "train")  # the first one imports the other
# A file or folder that the user named cannot be used; other system errors are somebody's mistake.
_USERS_FILES = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
    | {errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
)
# What fairseq and torch say -> one sentence, from the groups found and the whole first line.
_KNOWN = [
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (
            r"Seed must be between",
            "`--seed` must be from 0 to 4294967295, but is not; give such a number.",
        ),
        (
            r"world size is (\d+) but have (\d+) available devices",
            "`--distributed-world-size` must be at most the number of GPUs here, {1}, but is {0}; "
            "lower it, or start one process for each rank with torchrun.",
        ),
        (
            r"not compiled with CUDA|No CUDA GPUs|Found no NVIDIA driver",
            "`--fp16` (or another option) must have a GPU, but torch sees none; on a CPU, use "
            "`--cpu` with `--bf16`, or with `--fp16 --fp16-no-flatten-grads`.",
        ),
        (r"process \d+ terminated with", "a training process ended; it said why above ({0})."),
        (
            r"DataLoader worker .*(exited unexpectedly|is killed)",
            "a process that loads data {0}; see whether the machine has enough memory (and shared "
            "memory), or lower `--num-workers`.",
        ),
        (
            r"must be divisible by num_heads",
            "`--encoder-embed-dim` and `--decoder-embed-dim` must be multiples of the "
            "`--encoder-attention-heads` and `--decoder-attention-heads`, but are not.",
        ),
        (
            r"cannot specify cutoff larger than vocab size",
            "`--adaptive-softmax-cutoff` must be below the number of words of the target "
            "dictionary, but is not; lower it.",
        ),
        (
            r"Error merging override (\w+)\.(\w+)=null",
            "`--{1}` must be given for the `--{0}` that was chosen, but is not.",
        ),
        (
            r"specify steps or phase_ratio",
            "`--lr-scheduler tri_stage` must have `--phase-ratio` with `--max-update`, or "
            "`--warmup-steps`, `--hold-steps` and `--decay-steps`, but has neither.",
        ),
        (r"optimizer is required", "`--optimizer` must be given, but is not; name one, say adam."),
        (
            r"dropout probability .* got (.*)",
            "`--dropout` (and its like) must be from 0 to 1, but is {0}.",
        ),
        (
            r": line \d+ column \d+ \(char \d+\)$",
            "`--eval-bleu-args` and `--eval-bleu-detok-args` must be JSON, such as "
            "'{{\"beam\": 4}}', but one of them is not ({0}).",
        ),
        (
            r"\(<(?:string|unknown)>, line \d+\)$|malformed node|non-iterable float",
            "an option that is read as Python must be that, but one is not ({0}); mend it.",
        ),
        (
            r"Attention is expected to be a list",
            "`--decoder-attention` must be True, False, or a list of them with one for each "
            "decoder layer, but is not; mend it.",
        ),
        (
            r"min_len cannot be larger than max_len",
            '`--eval-bleu-args` must let every translation have its "min_len" tokens (1, if it '
            'has none), but its "max_len_a" and "max_len_b", or `--max-target-positions`, let one '
            "have fewer; raise them.",
        ),
        (
            r"Interpolation key 'task\.(\w+)' not found",
            "`--arch` and `--criterion` must be for translation, say transformer and "
            "label_smoothed_cross_entropy, but one is for a task that has `--{0}`; name another.",
        ),
        (
            r"--use_plasma_view",
            "`--use-plasma-view` must have plasma, which pyarrow no longer holds; leave it out, as "
            "translation has no use for it.",
        ),
        (r"xla_device", "`--tpu` must have torch_xla, which is not here; leave it out."),
    )
]
# fairseq's own checks name the option that is wrong, or the package that is missing.
_CHECKS = (AssertionError, ValueError, ImportError, Exception)
_TELLS = re.compile(r"--[a-z]|[Pp]lease install")
_SPAWNED = re.compile(r"(?:autoassist_fairseq|fairseq\.autoassist)[\w.]*\.\w+Error: (.+)")


def program() -> str:
    """Return which of fairseq's programs runs (train, hydra_train, generate, ...); "" = none."""
    path = Path(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    if path.parent.name == "fairseq_cli":  # python -m, or torchrun
        return path.stem
    names = [name.partition(".")[2] for name in sys.modules if name.startswith("fairseq_cli.")]
    return next((name for name in TRAINING if name in names), (names or [""])[0])


def one_sentence(hook: Callable[P, R]) -> Callable[P, R]:
    """Wrap a hook that fairseq calls."""

    @functools.wraps(hook)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return hook(*args, **kwargs)
        except AutoAssistError as error:
            if not program():
                raise
            sys.exit(f"{PREFIX}{error}")

    return wrapped


def install() -> None:
    """In a training program, tell uncaught errors whose cause is known in one sentence."""
    hook = sys.excepthook
    if program() in TRAINING and getattr(hook, "func", None) is not tell:
        sys.excepthook = functools.partial(tell, hook)
    if program() == "hydra_train":
        os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # else hydra prints errors by itself


def tell(
    otherwise: Callable[..., object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Print one sentence for ``error``, or else do what ``otherwise`` does (a traceback)."""
    if issubclass(kind, KeyboardInterrupt):
        print("autoassist: interrupted", file=sys.stderr)
        return
    sentence = sentence_of(error)
    if sentence is None:
        otherwise(kind, error, trace)
    else:
        print(f"{PREFIX}{sentence}", file=sys.stderr)


def sentence_of(error: BaseException) -> str | None:
    """Return one sentence on ``error``; None if its cause is not known."""
    text = str(error)
    if isinstance(error, AutoAssistError) or getattr(error, "for_user", False):
        return text
    if isinstance(error, OSError):
        return _of_a_file(error)
    if type(error).__name__ == "ProcessRaisedException":  # fairseq spawned this rank itself
        told = _SPAWNED.findall(text)
        return told[-1] if told else None
    if isinstance(error, RuntimeError) and (lost := of_a_lost_rank(text)):
        return lost
    line = text.strip().partition("\n")[0].rstrip(".:")
    if option := _of_an_option(error, line):
        return option
    for pattern, sentence in _KNOWN:
        found = pattern.search(line)
        if found is not None:
            return sentence.format(*(part.replace("_", "-") for part in found.groups()), line)
    return f"{line}." if type(error) in _CHECKS and _TELLS.search(line) else None


def _of_an_option(error: BaseException, line: str) -> str | None:
    """Return one sentence on a value that argparse asked fairseq to read, as Python, in vain."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_get_value" and "arg_string" in frame.f_locals:
            option = frame.f_locals["action"].option_strings[0]
            return (
                f"`{option}` must be something that Python can read, say 1,2 or True, but is "
                f"{frame.f_locals['arg_string']!r} ({line}); mend it."
            )
    return None


def _of_a_file(error: OSError) -> str | None:
    frames = traceback.walk_tb(error.__traceback__)
    making = any(frame.f_code.co_name == "verify_checkpoint_directory" for frame, _ in frames)
    if not making and (error.errno not in _USERS_FILES or not error.filename):
        return None
    path = Path(os.fsdecode(error.filename))
    if path.name == "dummy":  # fairseq writes a file of this name to try `--save-dir`
        path = path.parent
    if path.is_file() and not os.access(path, os.R_OK):
        return (
            f"`{path}` must be a file that can be read, but is not ({error.strerror}); see to it."
        )
    return (
        f"`{path}` must be a place that can be written to, but is not ({error.strerror}); see to "
        "it, or name another, for checkpoints with `--save-dir`."
    )
