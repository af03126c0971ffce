"""Packages of the extra parts, which may not be there."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from autoassist_fairseq.errors import UserError


def require(command: str, packages: Iterable[str]) -> None:
    """Look for packages that ``command`` imports only when its hours of work are done.

    Raises:
        UserError: one is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise lacking(command, package)


def lacking(command: str, package: str) -> UserError:
    """Return what to say of a package that ``command`` needs and that is not installed."""
    return UserError(
        f"`autoassist {command}` needs the package `{package}`, which is not installed; "
        "install this package with its extra parts, [demo,language-id,report] (without a "
        "network: pack it anew with `--extras demo,language-id,report`)."
    )
