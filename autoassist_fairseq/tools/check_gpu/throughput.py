"""``throughput``: tokens and updates per second, Transformer base and big, arms in turns."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from autoassist_fairseq.tools.bench.programs import OURS
from autoassist_fairseq.tools.check_gpu.checks import Check, Outcome
from autoassist_fairseq.tools.check_gpu.flags import ALONE, COMMON, alone, precision_flags
from autoassist_fairseq.tools.check_gpu.runner import Runner
from autoassist_fairseq.tools.common.words import as_words, model_size
from autoassist_fairseq.tools.synthetic.files import write_corpus
from autoassist_fairseq.tools.synthetic.shape import SPECIAL, Shape
from autoassist_fairseq.tools.training.recipes import RECIPES

PART = "throughput"
ARMS = ("off", "uniform", "shrink")
# What skips must cost no more time for a token than what does not.
SLOWEST = 1.10


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        corpus: what is trained on.
        warm, updates: updates that are not measured, and that are, in each round.
        rounds: how often each arm has its turn.
    """

    corpus: Shape
    warm: int
    updates: int
    rounds: int


FULL = Size(Shape(1_000_000, 32_000 - SPECIAL), 60, 60, 2)
DRY = Size(Shape(1_000, 400, 12.0), 2, 5, 1)
FULL_CARD = 0.8  # of its memory


class Corpus:
    """The corpus, which is made when it is first asked for."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.size, self._folder = size, folder
        self._lock = threading.Lock()

    def folder(self) -> Path:
        """Return its folder."""
        with self._lock:
            if not self._folder.exists():
                write_corpus(self._folder, self.size.corpus)
        return self._folder


@dataclass(frozen=True)
class Speed:
    """What was measured of an arm, over all its turns.

    Attributes:
        tokens, updates: per second.
        wait: milliseconds per update that it waited for the BossQueue.
        memory: bytes of the GPU at most.
    """

    tokens: float
    updates: float
    wait: float
    memory: float

    def __str__(self) -> str:
        memory = f", {self.memory / 2**30:.1f} GiB" if self.memory else ""
        return f"{self.tokens:,.0f} tokens/s, {self.updates:.2f} updates/s{memory}"


def checks(corpus: Corpus, cuda: bool) -> list[Check[Runner]]:
    """Return every check of this part, the most telling first."""
    found = []
    for filled in (False, True):
        for precision in ("fp16", "bf16"):
            for name in RECIPES:
                tokens = "filling the card" if filled else f"{_of_paper(name)} tokens"
                seconds = ((150.0 if name == "base" else 170.0) + 80 * filled) if cuda else 8.0
                run = partial(compare, corpus, name, precision, filled)
                found.append(Check(PART, f"{name}, {precision}, {tokens}", seconds, run, True))
    return found


def _of_paper(name: str) -> int:
    return RECIPES[name].tokens_per_gpu


def compare(corpus: Corpus, name: str, precision: str, filled: bool, runner: Runner) -> Outcome:
    """Train the arms in turns."""
    tokens = _of_paper(name) if runner.cuda else 256
    if filled:
        tokens = _filling(corpus, name, precision, tokens, runner) if runner.cuda else 512
    turns: dict[str, list[Speed]] = {arm: [] for arm in ARMS}
    for _ in range(corpus.size.rounds):
        for arm, speeds in turns.items():
            speeds.append(measure(corpus, name, precision, arm, tokens, runner))
    mean = {arm: _mean(speeds) for arm, speeds in turns.items()}
    # Time of a pass: tokens / (tokens / s). Their ratio, over that of the tokens:
    ratio = mean["uniform"].tokens / mean["shrink"].tokens
    told = [f"{arm}: {speed}" for arm, speed in mean.items()]
    told += [
        f"shrink beside uniform, (time ratio) / (token ratio): {ratio:.3f}",
        f"shrink waits {mean['shrink'].wait:.3f} ms an update",
        f"{tokens:,} padded tokens a batch",
    ]
    figures = {arm: vars(speed) for arm, speed in mean.items()} | {"ratio": ratio}
    return Outcome(not runner.cuda or ratio <= SLOWEST, "; ".join(told), figures)


def _mean(speeds: list[Speed]) -> Speed:
    columns = zip(*(vars(speed).values() for speed in speeds), strict=True)
    tokens, updates, wait, memory = (tuple(column) for column in columns)
    return Speed(fmean(tokens), fmean(updates), fmean(wait), max(memory))


def _filling(corpus: Corpus, name: str, precision: str, tokens: int, runner: Runner) -> int:
    """Return tokens of a batch that fill the card, by what ``tokens`` take."""
    few = Corpus(corpus.folder(), Size(corpus.size.corpus, 2, 4, 1))
    peak = measure(few, name, precision, "uniform", tokens, runner).memory
    return int(tokens * FULL_CARD * runner.memory / peak)


def measure(
    corpus: Corpus, name: str, precision: str, arm: str, tokens: int, runner: Runner
) -> Speed:
    """Train one arm, and time its updates."""
    recipe, size = RECIPES[name], corpus.size
    job = f"throughput-{name}-{precision}-{arm}"
    shape = {} if runner.cuda else model_size(layers=1, width=32, heads=2)
    args: list[object] = [
        *(corpus.folder(), "--arch", recipe.arch, *as_words(shape)),
        *(*COMMON.split(), "--log-interval", 10, "--lr", 1e-4, "--dropout", recipe.dropout),
        *("--share-all-embeddings", "--max-tokens", tokens, "--num-workers", 2, "--no-save"),
        # cuBLAS takes 0.2 ms to think about each new shape in half precision: few, or it is all
        # that is measured.
        *("--required-seq-len-multiple", 8),
        *("--save-dir", runner.folder / job / "save", *alone(runner.cuda), *OURS, *ALONE),
        *("--autoassist-policy", arm, "--autoassist-warmup-passes", 0),
        *("--max-update", size.warm + size.updates + 1, *precision_flags(precision, runner.cuda)),
    ]
    probe = {"time": {"warm": size.warm, "updates": size.updates}}
    (seen,) = runner.train(job, args, probe)
    (timed,) = seen.ended().of("timed")
    return Speed(
        timed["tokens"] / timed["seconds"],
        timed["updates"] / timed["seconds"],
        1e3 * timed["wait"] / timed["updates"],
        timed["memory"],
    )
