"""One line of a fairseq log -> what it says: the only place that knows how fairseq writes.

Formats: JSON, simple, and what ``tqdm`` leaves. stdout has ``TIME | LEVEL | NAME | message``,
`fairseq-hydra-train` ``[TIME][NAME][LEVEL] - message``, the file of ``--log-file`` the bare
message, where only the content tells train from validation. Launchers put a rank before it all
(``[default0]:`` by torchrun, ``0: `` by srun).
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

_PREFIX = re.compile(
    r"(?P<before>.{0,60}?)(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[,.\d]*"
    r"(?: \| \w+ \| [\w.\-]+ \| |\]\[[\w.\-]+\]\[\w+\] - )"
)
# What torchrun, srun and mpirun put before the lines of a rank
_RANK = re.compile(r"\[[a-zA-Z]\w*?(\d+)\]:|^\s*(\d+): |^\[\d+,(\d+)\]<")
_INNER = re.compile(r"epoch (\d+):\s+(\d+) / (\d+) (.*)")
_END = re.compile(r"epoch (\d+) \| (.*)")
_SUBSET = re.compile(r"valid on '([^']*)' subset")
_BAR = re.compile(r"\d%\|")  # what tqdm draws
_COUNT = "_num_updates"
_EVENTS = {
    name: re.compile(pattern)
    for name, pattern in (
        ("start", r"Start iterating over samples"),
        ("validation", r'begin validation on "(?P<subset>[^"]*)"'),
        ("saved", r"Saved .* @ (?P<updates>\d+) updates.*writing took (?P<seconds>[\d.]+)"),
        ("loaded", r"Loaded checkpoint .*\(epoch (?P<epoch>\d+) @ (?P<updates>\d+) updates\)"),
        ("fresh", r"No existing checkpoint found"),
        ("stopping", r"Stopping training due to"),
        ("ended", r"end of epoch (?P<epoch>\d+) "),
        ("done", r"done training in"),
        ("dictionary", r"^\[(?P<language>[^\]]+)\] dictionary: \d+ types"),
        (
            "policy",
            r"'autoassist_policy': '(?P<policy>[\w-]+)'"
            r"(?:.*'autoassist_warmup_passes': (?P<warmup>[\d.]+))?"
            r"(?:.*'autoassist_warmup_updates': (?P<updates>[1-9]\d*))?",
        ),
    )
}


@dataclass(frozen=True)
class Line:
    """What a line says.

    Attributes:
        time: seconds on the log's clock (resolution 1 s); None if the line has no time.
        rank: number that a launcher put before the line; empty if there is none.
        kind: of the statistics in it; None if it has none.
        subset: of a validation.
        figures: the statistics, without ``train_`` or the subset before their names.
        event: what happened; empty if nothing that matters here.
        words: what the event tells.
        damaged: the line begins like statistics, but cannot be read.
    """

    time: float | None = None
    rank: str = ""
    kind: Kind | None = None
    subset: str = ""
    figures: Figures = field(default_factory=dict)
    event: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    damaged: bool = False


def read_line(raw: str) -> Line:
    """Take one line apart."""
    found = _PREFIX.match(raw)
    text, rank, time = raw.strip(), "", None
    if found:
        text, rank = raw[found.end() :].strip(), _rank(found["before"])
        try:
            time = datetime.fromisoformat(found["time"]).timestamp()
        except ValueError:  # such as month 13
            time = None
    if text.startswith('{"'):
        return _json(text, time, rank)
    if text.startswith("epoch ") and not _BAR.search(text):
        return _simple(text, time, rank)
    for event, pattern in _EVENTS.items():
        if told := pattern.search(text):
            words = {name: word for name, word in told.groupdict().items() if word}
            if words.get("policy") == "False":  # what YAML makes of it without quotes
                words["policy"] = "off"
            return Line(time, rank, event=event, words=words)
    return Line(time, rank)


def _rank(before: str) -> str:
    found = _RANK.search(before)
    return next(filter(None, found.groups()), "") if found else ""


def _json(text: str, time: float | None, rank: str) -> Line:
    try:
        content = json.loads(text)
    except ValueError:
        return Line(time, rank, damaged=True)
    if "update" in content:
        return _line(time, rank, "inner", "", content)
    tags = [name.removesuffix(_COUNT) for name in content if name.endswith(_COUNT)]
    if not tags:  # no statistics of fairseq's
        return Line(time, rank)
    words = {name.removeprefix(f"{tags[0]}_"): value for name, value in content.items()}
    kind: Kind = "train" if tags[0] == "train" else "valid"
    return _line(time, rank, kind, "" if kind == "train" else tags[0], words)


def _simple(text: str, time: float | None, rank: str) -> Line:
    if found := _INNER.match(text):
        words = dict(pair.split("=", 1) for pair in found[4].split(", ") if "=" in pair)
        # As JSON has it: epochs done, with a fraction
        update = int(found[1]) - 1 + int(found[2]) / max(1, int(found[3]))
        return _line(time, rank, "inner", "", {**words, "epoch": found[1], "update": update})
    if found := _END.match(text):
        parts = [part.split() for part in found[2].split(" | ")]
        words = {part[0]: part[1] for part in parts if len(part) == 2}
        subset = _SUBSET.search(text)
        words["epoch"] = found[1]
        return _line(time, rank, "valid" if subset else "train", subset[1] if subset else "", words)
    return Line(time, rank, damaged=True)


def _line(
    time: float | None, rank: str, kind: Kind, subset: str, words: Mapping[str, object]
) -> Line:
    figures: dict[str, float] = {}
    for name, word in words.items():
        if isinstance(word, str | int | float):
            try:
                figures[name] = float(word)
            except ValueError:
                continue
    if {"epoch", "num_updates"} <= figures.keys():
        return Line(time, rank, kind, subset, figures)
    return Line(time, rank, damaged=True)
