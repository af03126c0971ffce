"""The border to the user: an error whose cause is known becomes one sentence and exit status 1.

Errors in our hooks are turned around on the spot. What fairseq raises elsewhere (a checkpoint that
does not fit, a full disk) ends the program uncaught, and is turned around there.
"""

from __future__ import annotations

import errno
import functools
import re
import sys
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from autoassist_fairseq.errors import AutoAssistError

P = ParamSpec("P")
R = TypeVar("R")

PREFIX = "autoassist: error: "
# A file or folder that the user named cannot be used; other system errors are somebody's mistake.
_USERS_FILES = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
    | {errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
)
_LOST = re.compile(r"connection (closed|reset|refused)|broken pipe|socket|remote process", re.I)
_SPAWNED = re.compile(r"(?:fairseq\.autoassist_checkpoints|autoassist_fairseq\.\S+)\.\w+Error: (.+)")


def one_sentence(hook: Callable[P, R]) -> Callable[P, R]:
    """Wrap a hook that fairseq calls."""

    @functools.wraps(hook)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return hook(*args, **kwargs)
        except AutoAssistError as error:
            sys.exit(f"{PREFIX}{error}")

    return wrapped


def install() -> None:
    """In a training program, tell uncaught errors whose cause is known in one sentence."""
    hook = sys.excepthook
    if "fairseq_cli.train" in sys.modules and getattr(hook, "func", None) is not tell:
        sys.excepthook = functools.partial(tell, hook)


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
    if type(error).__name__ == "ProcessRaisedException":  # fairseq spawned this rank itself
        told = _SPAWNED.findall(text)
        return told[-1] if told else None
    if type(error).__name__ == "ProcessExitedException":
        return f"a training process ended ({text}); what it said stands above."
    if isinstance(error, OSError) and error.errno in _USERS_FILES and error.filename:
        return (
            f"`{error.filename}` must be usable, but is not ({error.strerror}); mend that, or name "
            "another file or folder."
        )
    if isinstance(error, RuntimeError) and _lost_a_rank(text):
        return (
            "another rank has ended, so this one ends too; see what that one said, and give the "
            "same command again to go on from the last checkpoint."
        )
    if type(error) in (AssertionError, ValueError, Exception) and re.search(r"--[a-z]", text):
        # fairseq's own checks name the option that is wrong.
        return text.splitlines()[0].rstrip(".") + "."
    return None


def _lost_a_rank(text: str) -> bool:
    distributed = sys.modules.get("torch.distributed")
    joined = distributed is not None and distributed.is_initialized()
    return bool(joined and _LOST.search(text))
