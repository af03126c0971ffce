"""Steps that are done once: each has a stamp that says from what, how and what it made.

A step is skipped when its stamp has the same key (its options and the SHA-256 of its inputs) and
its outputs are still what they were. So a changed option redoes just what depends on it, and a
run that was interrupted goes on at the step that it was in.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.common.files import LOCK, read_json, sha256, write_json

#: Folder of the stamps, inside the folder that the steps fill.
STAMPS = ".steps"
#: Folder in it for what no run keeps.
SCRATCH = f"{STAMPS}/scratch"
#: Numbers, and mappings of numbers where there is more to say than fits on a line.
Counts = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One piece of work from files to files.

    Attributes:
        name: unique in its folder; names the stamp.
        inputs: the files that it reads.
        outputs: the files that it leaves, all of them.
        options: everything else that the outputs depend on (JSON values).
        work: does it; returns figures for the manifest, such as pairs in and out.
    """

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    options: Mapping[str, Any]
    work: Callable[[], Counts]


@dataclass(frozen=True)
class Record:
    """What a finished step leaves behind; ``seconds`` is wall time, ``outputs`` are SHA-256."""

    name: str
    key: str
    options: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    counts: Counts = field(default_factory=dict)
    seconds: float = 0.0


def strange(folder: Path, stem: str = "") -> list[str]:
    """Say that ``folder`` holds files of others, if so: no steps were done in it.

    ``stem`` is how the name of a step begins that is always among them.
    """
    if not folder.is_dir() or not any(path.name != LOCK for path in folder.iterdir()):
        return []
    stamps = [*(folder / STAMPS).glob("*.json")]
    if (folder / STAMPS).is_dir() and (
        not stamps or any(stamp.name.startswith(stem) for stamp in stamps)
    ):
        return []
    return [
        f"`--out` must be new, empty or an earlier result, but {folder} holds other files; choose "
        "another folder"
    ]


class Workshop:
    """Does steps in a folder, each at most once, and remembers their records."""

    def __init__(
        self, folder: Path, say: Callable[[str], None], before: Sequence[Record] = ()
    ) -> None:
        """``say`` gets one line of human text per step; ``before`` are records of earlier steps."""
        self.folder = folder
        self.records = list(before)
        self._say = say
        self._first_change: Callable[[], None] | None = None

    def before_first_change(self, action: Callable[[], None]) -> None:
        """Call ``action`` before the first step that is not skipped."""
        self._first_change = action

    def do(self, step: Step) -> Record:
        """Do ``step``, or skip it when that has been done; returns its record."""
        digests = {path: sha256(path) for path in step.inputs}
        key = _key(step, [digests[path] for path in step.inputs])
        record = self._finished(step, key)
        if record is None:
            inputs = {_label(self.folder, path): digest for path, digest in digests.items()}
            record = self._run(step, key, inputs)
        else:
            self._say(f"{step.name}: done before, skipped")
        self.records.append(record)
        return record

    def keep_only(self, folders: Collection[str]) -> None:
        """Remove from ``folders`` what steps of other settings have made; say what else stays.

        A file goes only if it is what the step left: any other is the user's.
        """
        made = {name for record in self.records for name in record.outputs}
        for stamp in self._earlier_stamps():
            outputs = (read_json(stamp) or {}).get("outputs", {})
            if not all(Path(name).parts[0] in folders for name in outputs):
                continue
            for name in outputs.keys() - made:
                path = self.folder / name
                if path.is_file() and sha256(path) == outputs[name]:
                    path.unlink()
            stamp.unlink()
        found = [path for name in folders for path in sorted((self.folder / name).rglob("*"))]
        others = {_label(self.folder, path) for path in found if not path.is_dir()} - made
        if others:
            self._say(f"not made here, left as it is: {', '.join(sorted(others))}")

    def _earlier_stamps(self) -> set[Path]:
        now = {self._stamp(record.name) for record in self.records}
        return set((self.folder / STAMPS).glob("*.json")) - now

    def _stamp(self, name: str) -> Path:
        return self.folder / STAMPS / f"{name}.json"

    def _put_by(self, stamp: Path) -> None:
        """Keep a stamp that another is to follow: `keep_only` goes by it."""
        if stamp.exists():
            stamp.replace(stamp.with_name(f"{stamp.stem}.{sha256(stamp)[:16]}.json"))

    def _finished(self, step: Step, key: str) -> Record | None:
        stamp = read_json(self._stamp(step.name))
        if stamp is None or stamp.get("key") != key:
            return None
        if not all(path.is_file() for path in step.outputs):
            return None
        same = _digests(self.folder, step.outputs) == stamp["outputs"]
        return Record(**stamp) if same else None

    def _run(self, step: Step, key: str, inputs: Mapping[str, str]) -> Record:
        if self._first_change is not None:
            self._first_change()
            self._first_change = None
        self._say(f"{step.name} ...")
        # The folder shows whose it is, also when the first step fails.
        stamp = self._stamp(step.name)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        self._put_by(stamp)
        start = time.monotonic()
        counts = dict(step.work())
        seconds = round(time.monotonic() - start, 2)
        outputs = _digests(self.folder, step.outputs)
        record = Record(step.name, key, dict(step.options), inputs, outputs, counts, seconds)
        write_json(stamp, asdict(record))
        self._say(f"{step.name}: {_summary(record)}")
        return record


def _key(step: Step, inputs: Sequence[str]) -> str:
    # Where the inputs lie does not matter, only what is in them, each as often and in the order
    # in which it is given.
    content = [step.name, dict(step.options), inputs]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digests(folder: Path, paths: tuple[Path, ...]) -> dict[str, str]:
    return {_label(folder, path): sha256(path) for path in paths}


def _label(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _summary(record: Record) -> str:
    counts = record.counts
    figures = [f"{name} {value:,}" for name, value in counts.items() if isinstance(value, int)]
    # A pair is a line of each side.
    lines = counts.get("lines", 2 * counts.get("in", 0))
    times = [f"{record.seconds:.1f} s"]
    if lines and record.seconds:
        times.append(f"{lines / record.seconds:,.0f} lines/s")
    return " ".join([", ".join(figures), f"({', '.join(times)})"]).strip()
