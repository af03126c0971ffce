"""Packages of the extra parts, which may not be there."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from autoassist_fairseq.errors import UserError

EXTRAS = "demo,language-id,report"


def require(command: str, packages: Iterable[str], extras: str = EXTRAS) -> None:
    """Look for packages that ``command`` imports only when its hours of work are done.

    ``extras`` are the parts of ``setup.py`` that have them.

    Raises:
        UserError: one is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise lacking(command, package, extras)


def lacking(command: str, package: str, extras: str = EXTRAS) -> UserError:
    """Return what to say of a package of ``extras`` that ``command`` needs and that is missing."""
    return UserError(
        f"`autoassist {command}` needs the package `{package}`, which is not installed; "
        f"install this package with its extra parts, [{extras}] (without a network: pack it anew "
        f"with `--extras {extras}`)."
    )
