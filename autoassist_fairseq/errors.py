"""The one error family: what a user caused, in one sentence.

The message names the option in backticks, the rule, the value found and the next step. At the
border (command line, fairseq's hooks) it becomes that sentence on stderr and exit status 1.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

# How to train on other data from given weights. Without new meters, fairseq would save no
# checkpoint_best.pt until the loss falls below the best one on the other data.
ANEW = "`--finetune-from-model` and another `--save-dir`, or `--reset-dataloader --reset-meters`"

_UNREAD = 128 + 13  # the number of SIGPIPE


class AutoAssistError(Exception):
    """Base of every error that this package raises on purpose."""


class UserError(AutoAssistError):
    """Something that the user asked for cannot be done; the message says how to mend it."""


class StateError(UserError):
    """A saved state does not fit this run."""


class StarvedError(AutoAssistError):
    """The Boss waited too long for the BossQueue; the message holds rank, queues and window."""


def run_main(main: Callable[[], int | None]) -> None:
    """Run a script's ``main`` and exit: status 1 and one sentence for an `AutoAssistError`.

    Status 141, as a shell says of its own programs, where nobody reads what is printed any more.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale may know fewer characters than we print
            stream.reconfigure(errors="replace")
    status: str | int | None
    try:
        status = main() or 0
    except SystemExit as ended:  # argparse, after a command's help
        status = ended.code
    except AutoAssistError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        status = _UNREAD
    sys.exit(_printed(status))


def _printed(status: str | int | None) -> str | int | None:
    """Write out what was printed; return ``status``, or another one if that fails."""
    try:
        print(end="", flush=True)
    except OSError as error:
        # Python writes it out again at its end, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return _UNREAD
        if not status:
            told = f"must be writable, but is not ({error.strerror}); send it elsewhere."
            print(f"error: Standard output {told}", file=sys.stderr)
        return status or 1
    return status
