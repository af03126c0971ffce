"""The border to the user: our errors become one sentence and exit status 1, with no traceback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from autoassist_fairseq.errors import AutoAssistError

P = ParamSpec("P")
R = TypeVar("R")


def one_sentence(hook: Callable[P, R]) -> Callable[P, R]:
    """Wrap a hook that fairseq calls."""

    @functools.wraps(hook)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return hook(*args, **kwargs)
        except AutoAssistError as error:
            sys.exit(f"autoassist: error: {error}")

    return wrapped
