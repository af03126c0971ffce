"""``--arms`` and ``--arm``: what is compared.

::

    shrink                                   a policy, which gives the arm its name
    random43=random --autoassist-rate 0.43   a name of its own, and flags of fairseq-train
    matched=random --autoassist-rate {shrink}   {NAME}: train.log of that arm's run, same seed
    clean=off --data OTHER                   another corpus
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import POLICIES

_NAME = re.compile(r"\w[\w.+-]*")
_REFERENCE = re.compile(r"\{(\w[\w.+-]*)\}")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_ITEM = re.compile(rf"""(?:[^,'"]|{_QUOTED.pattern})+""")
_DATA = "--data"


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        name: for people and folders; unique.
        policy: of `POLICIES`.
        flags: of fairseq-train, for this arm alone; may hold references.
        data: its corpus; None for that of all arms.
    """

    name: str
    policy: str
    flags: tuple[str, ...] = ()
    data: Path | None = None

    @property
    def needs(self) -> frozenset[str]:
        """Names of the arms that its flags refer to."""
        return frozenset(name for flag in self.flags for name in _REFERENCE.findall(flag))

    def resolved(self, logs: dict[str, Path]) -> tuple[str, ...]:
        """Return its flags with the ``logs`` that they refer to."""
        return tuple(
            _REFERENCE.sub(lambda found: str(logs[found[1]]), flag) if self.needs else flag
            for flag in self.flags
        )


def split_arms(text: str) -> list[str]:
    """Split ``--arms`` at commas outside quotes.

    Raises:
        UserError: a quote has no end.
    """
    if set(_QUOTED.sub("", text)) & {"'", '"'}:
        raise UserError(f"`--arms` must have closed quotes, but is {text!r}.")
    return [word.strip() for word in _ITEM.findall(text) if word.strip()]


def parse_arm(text: str) -> Arm:
    """Read one arm.

    Raises:
        UserError: no such policy, or a name that makes no folder.
    """
    try:
        first, *words = shlex.split(text)
    except ValueError as error:
        raise UserError(
            f"`--arm` must be [NAME=]POLICY and flags, but is {text!r}; see --help."
        ) from error
    name, sign, policy = first.partition("=")
    policy = policy if sign else name
    if policy not in POLICIES:
        raise UserError(
            f"`--arm` must be [NAME=]POLICY and flags, with a policy of {', '.join(POLICIES)}, but "
            f"is {text!r}."
        )
    if not _NAME.fullmatch(name):
        raise UserError(
            f"`--arm` must have a name of letters, digits and . _ + -, but has {name!r}; choose "
            "another one."
        )
    data, flags = _take_data(words, text)
    return Arm(name, policy, tuple(flags), data)


def _take_data(words: Sequence[str], text: str) -> tuple[Path | None, list[str]]:
    data, flags, rest = None, [], iter(words)
    for word in rest:
        if word == _DATA or word.startswith(f"{_DATA}="):
            value = word.partition("=")[2] or next(rest, "")
            if not value:
                raise UserError(f"`--data` in `--arm` must name a folder, but {text!r} ends there.")
            data = Path(value)
        else:
            flags.append(word)
    return data, flags


def check_arms(arms: Sequence[Arm]) -> None:
    """Require arms that can be run: at least one, names once, references that end.

    Raises:
        UserError: one rule is broken.
    """
    names = [arm.name for arm in arms]
    if not arms:
        raise UserError("`--arms` must name at least one policy, but there is none; see --help.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"`--arm` must have names of their own, but {', '.join(twice)} is there twice; name "
            "one: NAME=POLICY."
        )
    for arm in arms:
        unknown = sorted(arm.needs - set(names))
        if unknown:
            raise UserError(
                f"`--arm` {arm.name} must refer to arms that are compared, but "
                f"{{{unknown[0]}}} is none of {', '.join(names)}; add it."
            )
    _check_ends(arms)


def _check_ends(arms: Sequence[Arm]) -> None:
    try:
        TopologicalSorter({arm.name: arm.needs for arm in arms}).prepare()
    except CycleError as error:
        waiting = [arm.name for arm in arms if arm.name in error.args[1]]
        raise UserError(
            f"`--arm` must not refer to itself, but {' and '.join(waiting)} wait for each other."
        ) from error
