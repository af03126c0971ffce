"""``python -m autoassist_fairseq``: where the plug-in is, and whether all is well with it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import autoassist_fairseq
from autoassist_fairseq.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Without the program's name; None takes the program's.

    Returns:
        The exit status.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.user_dir:
        print(user_dir())
        return 0
    if options.command == "doctor":
        from autoassist_fairseq.tools import doctor

        return doctor.run(as_json=options.json)
    parser.print_help(sys.stderr)
    return 2


def user_dir() -> str:
    """Return the path to give to fairseq's `--user-dir`, as `import` finds this package."""
    return os.path.abspath(autoassist_fairseq.__path__[0])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m autoassist_fairseq", description=__doc__)
    parser.add_argument("--version", action="version", version=autoassist_fairseq.__version__)
    parser.add_argument(
        "--user-dir", action="store_true", help="print the path to give to fairseq's --user-dir"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor", help="check Python, fairseq, torch and the rest; exit status 0 or 1"
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


if __name__ == "__main__":
    run_main(main)
