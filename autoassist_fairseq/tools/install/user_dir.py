"""``autoassist user-dir``: where the plug-in is."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import autoassist_fairseq


def main(argv: Sequence[str] | None = None) -> int:
    """Print the path."""
    argparse.ArgumentParser(
        prog="autoassist user-dir", description="Print the path to give to fairseq's --user-dir."
    ).parse_args(argv)
    print(user_dir())
    return 0


def user_dir() -> str:
    """Return the path to give to fairseq's ``--user-dir``, as ``import`` finds this package."""
    return os.path.abspath(autoassist_fairseq.__path__[0])
