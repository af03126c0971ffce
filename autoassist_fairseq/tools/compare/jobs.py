"""One run of the comparison: what it is, in which folder, and what is written down of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import read_json, sha256, write_json
from autoassist_fairseq.tools.compare.arms import Arm
from autoassist_fairseq.tools.compare.budget import Budget

STARTED = "started.json"
DONE = "done.json"
LAST = "checkpoint_last.pt"


@dataclass(frozen=True)
class Test:
    """What is translated and how it is scored.

    Attributes:
        subsets: splits.
        references: raw lines of each.
        track: how the corpus was prepared, see `scoring.generated.Track`.
        flags: of fairseq-generate.
        samples: resamples of the paired bootstrap.
    """

    subsets: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    track: Any
    flags: tuple[str, ...]
    samples: int

    @property
    def reference(self) -> tuple[str, ...]:
        """All of them, laid end to end."""
        return tuple(line for lines in self.references for line in lines)

    def log(self, subset: str) -> str:
        """The name of the log in which ``subset`` is translated."""
        return "translate.log" if len(self.subsets) == 1 else f"translate-{subset}.log"


@dataclass(frozen=True)
class Corpus:
    """A binarised corpus.

    Attributes:
        data: its folder.
        languages: source and target.
        model: sentencepiece model, if there is one.
        digest: of dictionaries and of the splits that are used.
    """

    data: Path
    languages: tuple[str, str]
    model: Path | None
    digest: str


@dataclass(frozen=True)
class Job:
    """One arm with one seed.

    Attributes:
        flags: of fairseq-train, for all legs; references of the arm are in its own flags.
        device: flags that say where it runs.
        bound: tokens that an update has at most.
        average: last checkpoints of which the mean is translated with.
    """

    arm: Arm
    seed: int
    out: Path
    corpus: Corpus
    budget: Budget
    test: Test
    flags: tuple[str, ...]
    bound: int
    device: tuple[str, ...] = ()
    threads: int = 1
    average: int = 1

    @property
    def name(self) -> str:
        """ARM-SEED."""
        return f"{self.arm.name}-{self.seed}"

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.out / self.name

    @property
    def resolved(self) -> list[str]:
        """Its own flags, references replaced by the logs of the same seed."""
        return list(self.arm.resolved(self.needed))

    @property
    def needed(self) -> dict[str, Path]:
        """The log of each arm that its flags refer to, of the same seed."""
        names = sorted(self.arm.needs)
        return {name: self.out / f"{name}-{self.seed}" / "train.log" for name in names}

    def translated(self, subset: str) -> Path:
        """Where the translations of ``subset`` are."""
        return self.folder / f"{subset}.translated.{self.corpus.languages[1]}"

    @property
    def account(self) -> dict[str, Any]:
        """What must be the same for a result to be this job's; no place in it."""
        flags = [*self.flags, *self.arm.flags]
        place = flags.index("--user-dir")
        reference = "\n".join(self.test.reference).encode()
        needs = {name: sha256(log) if log.exists() else None for name, log in self.needed.items()}
        return {
            "arm": self.arm.name,
            "seed": self.seed,
            "budget": str(self.budget),
            "flags": [*flags[:place], *flags[place + 2 :]],
            "data": self.corpus.digest,
            "device": "cpu" if "--cpu" in self.device else "gpu",
            "generate": [",".join(self.test.subsets), self.test.track, *self.test.flags],
            "reference": hashlib.sha256(reference).hexdigest(),
            **({"average": self.average} if self.average > 1 else {}),
            **({"needs": needs} if needs else {}),
        }


class Validation(NamedTuple):
    """A validation: after which update, how many target tokens and seconds; NLL, bits per token."""

    update: int
    tokens: float
    seconds: float
    loss: float


@dataclass
class Result:
    """What a finished run came to.

    Attributes:
        updates, tokens, seconds: what it really spent.
        valid_loss: NLL of what is translated with, bits per token.
        bleu: detokenised sacreBLEU of the last checkpoint (or mean of them), with its signature.
        label: of that figure, with every doubt about it; empty in older results.
        epoch_tokens: mean over complete epochs, from the second on if there are two.
        epochs: complete ones.
        each: BLEU of each test set.
        validations: all of training; empty in older results.
    """

    updates: int
    tokens: float
    seconds: float
    valid_loss: float | None
    bleu: float
    signature: str
    epoch_tokens: float | None
    epochs: int
    legs: int
    hypotheses: list[str] = field(default_factory=list, repr=False)
    label: str = ""
    each: dict[str, float] = field(default_factory=dict)
    validations: list[Validation] = field(default_factory=list)


def check_started(job: Job, tuned: Sequence[str] = ()) -> None:
    """Require a folder that is new, or was begun as the same job.

    Args:
        job: whose folder it is.
        tuned: learning rates that tuning will choose from; in which of them it is may differ.

    Raises:
        UserError: names what differs.
    """
    before = read_json(job.folder / STARTED)
    if before is None:
        _check_empty(job.folder)
        return
    now = job.account
    if all(now.get("needs", {}).values()):
        before = {"needs": now.get("needs"), **before}  # which older accounts do not tell
    if tuned:
        before, now = (
            {**one, "flags": _untuned(one.get("flags", []), tuned)} for one in (before, now)
        )
    differ = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differ:
        told = "; ".join(_difference(name, before.get(name), now.get(name)) for name in differ)
        raise UserError(
            f"`--out` {job.folder} must go on as it began, but {told}; choose another `--out`, or "
            "remove that folder to run it anew."
        )


def _check_empty(folder: Path) -> None:
    # All that we leave in it before STARTED is there is the beginning of that file
    others = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if others := others - {f"{STARTED}.part"}:
        raise UserError(
            f"`--out` {folder} must be a run of autoassist compare, or empty, but has "
            f"{min(others)} and no {STARTED} that can be read; choose another `--out`."
        )


def begin(job: Job) -> None:
    """Make the folder, and write down what it is.

    Raises:
        UserError: it is another job's, or not of ours.
    """
    check_started(job)
    write_json(job.folder / STARTED, job.account)


def corpus_digest(data: Path, languages: tuple[str, str], splits: Sequence[str]) -> str:
    """Return one digest of the dictionaries and splits in ``data``."""
    names = [f"dict.{language}.txt" for language in languages]
    for split in splits:
        found = sorted(path.name for path in data.glob(f"{split}.*-*.*.???"))
        names += [name for name in found if name.split(".")[-2] in languages]
    told = [f"{name} {sha256(data / name)}" for name in names if (data / name).is_file()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _difference(name: str, before: Any, now: Any) -> str:
    if isinstance(before, list) and isinstance(now, list):
        gone, new = _beyond(before, now), _beyond(now, before)
        had, has = (" ".join(map(str, words)) or "nothing" for words in (gone, new))
        return f"its {name} had {had} where now is {has}"
    if name == "needs":
        others = {arm for arm, _ in (before or {}).items() ^ (now or {}).items()}
        return "; ".join(f"its {{{arm}}} was another run" for arm in sorted(others))
    if name in ("data", "reference"):
        return f"its {name} was another"
    return f"its {name} was {before} and is {now}"


def _beyond(words: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return the words that the others lack, each as often as they lack it."""
    left, found = Counter(others), []
    for word in words:
        if not left[word]:
            found.append(word)
        left[word] -= bool(left[word])
    return found


def _untuned(flags: Sequence[str], rates: Sequence[str]) -> list[str]:
    return [
        "(tuned)" if before == "--lr" and word in rates else word
        for before, word in zip(["", *flags], flags, strict=False)
    ]


def summary(result: Result) -> Mapping[str, Any]:
    """Return a result in plain types, without its translations."""
    return {name: value for name, value in vars(result).items() if name != "hypotheses"}
