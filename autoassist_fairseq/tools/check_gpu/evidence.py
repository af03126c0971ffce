"""``evidence``: arms of ``autoassist compare`` at a size that a CPU cannot, as many as fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from autoassist_fairseq.tools.check_gpu.checks import Check, NotRun, Outcome
from autoassist_fairseq.tools.check_gpu.runner import Runner
from autoassist_fairseq.tools.common.files import read_json
from autoassist_fairseq.tools.common.words import as_words, model_size
from autoassist_fairseq.tools.compare.command import NEEDS

PART = "evidence"
# Arms, each with those before it: what is done is not done again.
ROUNDS = (
    ("uniform", "shrink"),
    ("random=random --autoassist-rate {shrink}", "cut=uniform --autoassist-hopeless cut"),
    ("off", "loss-table", "self-paced"),
)
FULL_TOKENS, DRY_TOKENS = 4_000_000, 10_000


@dataclass(frozen=True)
class Evidence:
    """What is compared.

    Attributes:
        data: binarised corpus; None = the demo's, made here.
        folder: for runs, and for that corpus.
    """

    data: Path | None
    folder: Path

    @property
    def runs(self) -> Path:
        """The folder of the runs on this corpus."""
        return self.folder / f"compare{self.data or ''}".replace("/", "-")

    def corpus(self, runner: Runner) -> Path:
        """Return the corpus.

        Raises:
            NotRun: it cannot be made here.
        """
        if self.data is not None:
            return self.data
        _need(("babel", "num2words"), "the demo corpus", "give `--data DIR`")
        prepared = self.folder / "demo"
        fast = [] if runner.cuda else ["--fast"]
        runner.python("-m", "autoassist_fairseq.tools.check_gpu.demo_data", prepared, *fast)
        return prepared / "data" / "bin"


def _need(packages: Sequence[str], what: str, remedy: str) -> None:
    """Raise `NotRun` if packages that ``what`` needs are not installed."""
    if lacking := [name for name in packages if not find_spec(name)]:
        raise NotRun(f"{what} needs {' and '.join(lacking)}; {remedy}")


def checks(evidence: Evidence, cuda: bool) -> list[Check[Runner]]:
    """Return every check of this part, the most telling first."""
    found: list[Check[Runner]] = []
    arms: list[str] = []
    for more in ROUNDS:
        arms = [*arms, *more]
        names = ", ".join(arm.partition("=")[0] for arm in more)
        names += f", on {evidence.data}" * (evidence.data is not None)
        # The first one makes the corpus, too.
        seconds = (60.0 if cuda else 15.0) * len(more) + 30 * (not found)
        found.append(Check(PART, names, seconds, partial(compare, evidence, tuple(arms)), True))
    return found


def compare(evidence: Evidence, arms: Sequence[str], runner: Runner) -> Outcome:
    """Train ``arms`` on as many target tokens each; return what they came to."""
    _need(NEEDS, "`autoassist compare`", "install the extra `report`")
    data, out = evidence.corpus(runner), evidence.runs
    tokens = FULL_TOKENS if runner.cuda else DRY_TOKENS
    words = [word for arm in arms for word in ("--arm", arm)]
    runner.python(
        *("-m", "autoassist_fairseq", "compare", "--data", data, "--out", out, *words),
        *("--seeds", 1, "--budget", f"tokens={tokens}", "--jobs", 3 if runner.cuda else 2),
        "--decay",  # which tells self-paced where training ends, whatever the corpus
        *("--", *_model(runner.cuda)),
    )
    result = read_json(out / "compare.json") or {"arms": []}
    told = [f"{one['arm']} {one['bleu']:.2f}" for one in result["arms"] if one["bleu"] is not None]
    found = f"BLEU after {tokens:,} trained tokens each: {', '.join(told)}"
    return Outcome(len(told) == len(arms), found, {"arms": result["arms"]})


def _model(cuda: bool) -> list[object]:
    if not cuda:
        return [*as_words(model_size(layers=1, width=32, heads=2)), "--cpu"]
    base = model_size(layers=6, width=512, heads=8)
    return [*as_words(base), "--fp16", "--max-tokens", 4096, "--lr", 7e-4, "--num-workers", 2]
