"""One line of a fairseq log -> what it says; JSON and simple format, with and without prefix.

fairseq's stdout has ``TIME | LEVEL | NAME | message``; the file of ``--log-file`` has the bare
message, where only the content tells train from valid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["inner", "train", "valid"]
Figures = Mapping[str, float]

_PREFIX = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[,\d]* \| \w+ \| [\w.\-]+ \| ")
_INNER = re.compile(r"epoch (\d+):\s+\d+ / \d+ (.*)")
_END = re.compile(r"epoch (\d+) \| (.*)")
_SUBSET = re.compile(r"valid on '([^']*)' subset")


@dataclass(frozen=True)
class Line:
    """What a line says.

    Attributes:
        text: the message, without prefix.
        time: seconds on the log's clock (resolution 1 s); None if the line has no time.
        kind: of the statistics in it; None if it has none.
        figures: the statistics, without ``train_`` and ``valid_`` before their names.
        damaged: the line begins like statistics, but cannot be read.
    """

    text: str
    time: float | None = None
    kind: Kind | None = None
    figures: Figures = field(default_factory=dict)
    damaged: bool = False


def read_line(raw: str) -> Line:
    """Take one line apart."""
    found = _PREFIX.match(raw)
    text = raw[found.end() :] if found else raw
    try:
        time = datetime.fromisoformat(found[1]).timestamp() if found else None
    except ValueError:  # such as month 13
        time = None
    if text.startswith('{"'):
        return _json(text, time)
    if text.startswith("epoch "):
        return _simple(text, time)
    return Line(text, time)


def _json(text: str, time: float | None) -> Line:
    try:
        content = json.loads(text)
    except ValueError:
        return Line(text, time, damaged=True)
    kind: Kind = "inner"
    if "update" not in content:
        kind = "train" if any(name.startswith("train_") for name in content) else "valid"
    # Other subsets, such as valid1, are not this report's; nor is what is no statistics at all.
    prefix = "" if kind == "inner" else f"{kind}_"
    words = {name.removeprefix(prefix): value for name, value in content.items()}
    if kind == "valid" and "valid_num_updates" not in content:
        return Line(text, time)
    return _line(text, time, kind, words)


def _simple(text: str, time: float | None) -> Line:
    if found := _INNER.match(text):
        words = dict(pair.split("=", 1) for pair in found[2].split(", ") if "=" in pair)
        return _line(text, time, "inner", {**words, "epoch": found[1]})
    if found := _END.match(text):
        parts = [part.split() for part in found[2].split(" | ")]
        words = {part[0]: part[1] for part in parts if len(part) == 2}
        subset = _SUBSET.search(text)
        if subset and subset[1] != "valid":
            return Line(text, time)
        return _line(text, time, "valid" if subset else "train", {**words, "epoch": found[1]})
    return Line(text, time, damaged=True)


def _line(text: str, time: float | None, kind: Kind, words: Mapping[str, object]) -> Line:
    figures: dict[str, float] = {}
    for name, word in words.items():
        if isinstance(word, str | int | float):
            try:
                figures[name] = float(word)
            except ValueError:
                continue
    whole = {"epoch", "num_updates"} <= figures.keys()
    return Line(text, time, kind if whole else None, figures, damaged=not whole)
