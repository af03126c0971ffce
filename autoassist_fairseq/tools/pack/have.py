"""What the other machine has: the output of ``pip list`` there, in any of its formats."""

from __future__ import annotations

import json
import re
from pathlib import Path

from autoassist_fairseq.errors import UserError

HOW = "make it there by `python -m pip list --format json > have.json`"
_RULE = re.compile(r"-{2,} -{2,}")
_CHATTER = re.compile(r"\s*$|#|WARNING|DEPRECATION|\[notice\]")
_PIN = re.compile(r"([\w.-]+)===?(\S+)(?: ;.*)?")
_ROW = re.compile(r"([\w.-]+) +(\d\S*)(?: .*)?")


def normal(name: str) -> str:
    """Return the one spelling of a distribution's name that all its spellings share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_have(path: Path) -> dict[str, str]:
    """Return what a list of packages says: name, as `normal` spells it, to version.

    Raises:
        UserError: it cannot be read, holds something else, or no version of a package.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8"
        raise UserError(f"`--have` {path} must be a text that can be read: {reason}.") from error
    found = _json(text) if text.lstrip().startswith("[{") else _lines(text)
    if isinstance(found, str) or not found:
        raise UserError(
            f"`--have` must be what `pip list` prints, plain, freeze or JSON, with the version of "
            f"each package, but {path} has {found or 'none'}; {HOW}."
        )
    return found


def _json(text: str) -> dict[str, str] | str:
    try:
        return {normal(one["name"]): str(one["version"]) for one in json.loads(text)}
    except (ValueError, KeyError, TypeError) as error:
        return f"damaged JSON ({error})"


def _lines(text: str) -> dict[str, str] | str:
    """Read rows under a rule of dashes, or else lines like ``name==1.0``."""
    lines = text.splitlines()
    rule = next((at for at, line in enumerate(lines) if _RULE.match(line)), None)
    found = {}
    for at, line in enumerate(lines):
        if _CHATTER.match(line) or (rule is not None and at <= rule):
            continue
        one = (_PIN if rule is None else _ROW).fullmatch(line.rstrip())
        if one is None:
            return f"`{line.strip()[:80]}` in line {at + 1}"
        found[normal(one[1])] = one[2]
    return found
