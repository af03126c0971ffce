"""What text alone says of pairs: which are no translations, before the Boss has seen any."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, Floats, sample_pairs
from autoassist_fairseq.assistant.corpus.token_store import Ints, Ragged, TokenSide
from autoassist_fairseq.assistant.wrong import decoys
from autoassist_fairseq.assistant.wrong import evidence as columns
from autoassist_fairseq.assistant.wrong.empty_sides import EmptySides
from autoassist_fairseq.assistant.wrong.evidence import Evidence
from autoassist_fairseq.assistant.wrong.evidence_kernels import MEAN, WORTHS
from autoassist_fairseq.assistant.wrong.judge import Judge
from autoassist_fairseq.assistant.wrong.language import Language
from autoassist_fairseq.assistant.wrong.lexicon import Lexicon, Sides, stretch, words_of
from autoassist_fairseq.assistant.wrong.mixture import MOST
from autoassist_fairseq.assistant.wrong.verdicts import (
    LEVELS,
    UNKNOWN,
    Verdicts,
    packed,
    probability,
)
from autoassist_fairseq.errors import ANEW, StateError

# No decoy stands for the last one: that one side has no word is seen.
KINDS: tuple[str, ...] = (*decoys.KINDS, "language", "empty")
# Verdicts are the corpus's: the same for every seed of a run, and without one.
SEED = 1
# Counted up when verdicts change, so that remembered ones are judged anew.
VERSION = 7
# Pairs that lexicon and detectors are learned from at most; with fewer than the least, none is.
SAMPLE, LEAST = 100_000, 1_000
# In fewer, rare words of one subject have passed for another language.
LEAST_FOR_LANGUAGE = 10_000
# Decoys of each kind at most; parts of the sample, each judged by a lexicon of the others; how
# often decoys are made.
DECOYS, FOLDS, TIMES = 20_000, 2, 3
# A target in another language with more of its words than this in the source is a copy.
MOSTLY = 0.5
# Words of a sentence that are read at most: time and memory grow with their square.
LONGEST = 1_024
# Pairs that are judged at a time.
CHUNK = 16_384
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Examination:
    """What was found about pairs [P], unrounded.

    Attributes:
        posterior: float32 in [0, 1], that the pair is wrong.
        kind: uint8, place in `KINDS` of what it is if it is wrong.
        worth, worth_back: float32, what the source is worth for the target, and the reverse, nats
            per token.
        source_length, target_length: int64, words of both sides.
        overlap: float32 in [0, 1], share of target words that stand in the source.
        target_cost: float32, mean of -log P over the target's words, nats.
    """

    posterior: Floats
    kind: NDArray[np.uint8]
    worth: Floats
    worth_back: Floats
    source_length: Ints
    target_length: Ints
    overlap: Floats
    target_cost: Floats


class TextJudge:
    """Judges pairs by their text: one byte per pair, and tables of a fixed size.

    Args:
        corpus: the pairs; read when the first verdict is asked for.
        seed: of what is drawn for decoys.

    Attributes:
        seconds: that it took to get ready.
    """

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self._seed, self.seconds = seed, 0.0
        self.attach(corpus)

    def attach(self, corpus: Corpus) -> None:
        """Judge the pairs of ``corpus`` from now on; what was known is forgotten."""
        self._corpus = corpus
        self._verdicts = np.full(len(corpus), UNKNOWN, np.uint8)
        self._lexicons: list[Lexicon] = []
        self._judge: Judge | None = None
        self._language: Language | None = None
        self._told = 0.0  # share of the pairs that the language has told, which decoys do not see
        self._empties = EmptySides(corpus)
        self._ready = False

    def prepare(self, progress: Progress | None = None) -> None:
        """Learn from a sample what wrong pairs look like; done once.

        Args:
            progress: told what is done, and the share of all that is done, in [0, 1].
        """
        if self._ready:
            return
        begin = time.perf_counter()
        tell = progress or (lambda what, share: None)
        if len(self._corpus) >= LEAST:
            self._learn(tell)
        self._ready = True
        self.seconds = time.perf_counter() - begin
        tell("ready", 1.0)

    def _learn(self, tell: Progress) -> None:
        pairs = sample_pairs(len(self._corpus), SAMPLE)
        tell("reading", 0.0)
        sides, fold = self._read(pairs), folds(pairs)
        words = self._corpus.source.words, self._corpus.target.words
        others = [sides.part(np.flatnonzero(fold != this)) for this in range(FOLDS)]
        tell("lexicon", 0.1)
        for lexicon in Lexicon.learn(others, words, self._corpus.alike):
            self._lexicons.append(lexicon)
            tell("lexicon", 0.1 + 0.6 * len(self._lexicons) / FOLDS)
        idf = self._corpus.source_words.idf, self._corpus.target_words.idf
        self._evidence = Evidence(idf, self._corpus.alike)
        rows = sample_pairs(len(pairs), DECOYS)
        some, fold = sides.part(rows), fold[rows]
        real = self._measure(some, fold)
        way = self._lexicons[0].there
        if len(pairs) >= LEAST_FOR_LANGUAGE:
            self._language = Language.fit(some, way, idf[1], real[:, MEAN])
        if self._language is not None and self._language.other:  # what is in it has been told
            left = np.flatnonzero(self._language.log_odds(some.target) <= 0)
            self._told = 1 - len(left) / len(rows)
            some, fold, rows, real = some.part(left), fold[left], rows[left], real[left]
        self._judge = self._compare(pairs[rows], some, fold, real, tell)

    def _compare(
        self, pairs: Ints, sides: Sides, fold: Ints, real: Floats, tell: Progress
    ) -> Judge | None:
        """Compare ``pairs`` [P] with decoys, again and again: in the end of those that seem right.

        Half of what is half a translation is a quarter of one, and no decoy of a half. None if all
        targets are the same, so that there is no decoy.
        """
        judge = None
        right = np.arange(len(pairs))
        for number in range(TIMES):
            tell("decoys", 0.7 + 0.3 * number / TIMES)
            before = _words(self._corpus.target, (pairs[right] - 1) % len(self._corpus))
            rng = np.random.default_rng([self._seed, len(self._corpus)])
            stock = decoys.Stock(sides.part(right), before, self._corpus.alike, rng)
            if not (made := decoys.made(stock)):
                break
            parts = [(wrong, fold[right[rows]]) for rows, wrong in made.values()]
            # Compiled loops let others run; of more threads the allocator keeps 20 MiB more.
            with ThreadPoolExecutor(2, threading.current_thread().name) as pool:
                measured = pool.map(self._measure, *zip(*parts, strict=True))
                judge = Judge.fit(real, dict(zip(made, measured, strict=True)))
            seem_right = np.flatnonzero(judge.of(real)[1] <= 0)
            right = seem_right if len(seem_right) >= LEAST // 4 else right
        return judge

    def _read(self, pairs: Ints) -> Sides:
        return Sides(_words(self._corpus.source, pairs), _words(self._corpus.target, pairs))

    def _measure(self, sides: Sides, fold: Ints) -> Floats:
        out = np.empty((len(sides), columns.EVIDENCE), np.float32)
        for this, lexicon in enumerate(self._lexicons):
            rows = np.flatnonzero(fold == this)
            out[rows] = self._evidence.of(sides.part(rows), lexicon)
        return out

    def verdicts(self, pairs: Ints) -> Verdicts:
        """Return the verdicts [P] on ``pairs`` [P], one byte each (`verdicts.packed`)."""
        new = np.unique(pairs[self._verdicts[pairs] == UNKNOWN])
        for begin in range(0, len(new), CHUNK):
            some = new[begin : begin + CHUNK]
            kind, odds, _ = self._judged(some)
            self._verdicts[some] = packed(kind, odds)
        return self._verdicts[pairs]

    def _judged(self, pairs: Ints) -> tuple[NDArray[np.uint8], Floats, Floats]:
        """Return the likeliest kind [P], its log-odds [P], and the evidence on ``pairs`` [P]."""
        self.prepare()
        kind, odds, evidence = self._compared(pairs)
        empty = self.empty(pairs)
        kind = np.where(empty, KINDS.index("empty"), kind).astype(np.uint8)
        odds = odds if self.believed else np.full_like(odds, -np.inf)
        return kind, np.where(empty, LEVELS[-1], odds), evidence

    def seen(self, pairs: Ints) -> Verdicts:
        """Return the verdicts [P] on ``pairs`` [P] by empty sides alone; only those are kept."""
        empty = self.empty(pairs)
        odds = np.where(empty, LEVELS[-1], LEVELS[0])
        told = packed(np.full(len(pairs), KINDS.index("empty"), np.uint8), odds)
        self._verdicts[pairs[empty]] = told[empty]
        return told

    def empty(self, pairs: Ints) -> NDArray[np.bool_]:
        """Return which of ``pairs`` [P] have an empty side, by `EmptySides`."""
        return self._empties.of(pairs)

    def _compared(self, pairs: Ints) -> tuple[NDArray[np.uint8], Floats, Floats]:
        """Return what decoys say of ``pairs`` [P], as `_judged`."""
        if self._judge is None:
            evidence = np.zeros((len(pairs), columns.EVIDENCE), np.float32)
            none = np.full(len(pairs), -np.inf, np.float32)
            return np.zeros(len(pairs), np.uint8), none, evidence
        sides = self._read(pairs)
        evidence = self._measure(sides, folds(pairs))
        kind, odds = self._judge.of(evidence)
        if self._language is not None and self._language.other:
            other = self._language.log_odds(sides.target).astype(np.float32)
            same = evidence[:, columns.OVERLAP] > MOSTLY  # the other language is the source's
            named = np.where(same, KINDS.index("copy"), KINDS.index("language"))
            kind = np.where(other > odds, named, kind).astype(np.uint8)
            odds = np.maximum(odds, other)
        return kind, odds, evidence

    def examine(self, pairs: Ints) -> Examination:
        """Return what is found about ``pairs`` [P]; not `believed`, only empty sides are wrong."""
        kind, odds, evidence = self._judged(pairs)
        self._verdicts[pairs] = packed(kind, odds)
        return Examination(
            probability(odds),
            kind,
            evidence[:, MEAN],
            evidence[:, WORTHS + MEAN],
            self._corpus.source.sizes(pairs),
            self._corpus.target.sizes(pairs),
            evidence[:, columns.OVERLAP],
            evidence[:, columns.TARGET_COST],
        )

    @property
    def share(self) -> float:
        """The share of pairs that is taken for wrong, before any is judged."""
        self.prepare()
        of_others = 0.0 if self._judge is None else float(self._judge.shares.sum())
        return self._told + (1 - self._told) * of_others

    @property
    def believed(self) -> bool:
        """Whether the text is believed: what takes most pairs for wrong, or none, tells nothing."""
        return 0 < self.share <= MOST

    def state_dict(self) -> dict[str, Any]:
        """Return the verdicts so far, and a digest of what they rest on."""
        return {"verdicts": self._verdicts.copy(), "digest": self._digest()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; verdicts that rest on something else are forgotten.

        `StateError` if they are those of another number of pairs.
        """
        saved = np.asarray(state["verdicts"], np.uint8)
        if saved.shape != self._verdicts.shape:
            raise StateError(
                f"`--restore-file` must remember the verdicts on {len(self._verdicts):,} pairs, "
                f"one for each of `DATA`, but remembers {len(saved):,}; begin on this data with "
                f"{ANEW}."
            )
        same = state["digest"] == self._digest()
        self._verdicts[...] = saved if same else UNKNOWN

    def _digest(self) -> str:
        digest = hashlib.blake2b(repr((VERSION, self._seed, KINDS)).encode(), digest_size=16)
        pairs = sample_pairs(len(self._corpus), LEAST)
        for side in (self._corpus.source, self._corpus.target):
            digest.update(side.gather(pairs).tokens.tobytes())
        return digest.hexdigest()


def folds(pairs: Ints) -> Ints:
    """Return the part of the sample [P] to which ``pairs`` [P] belong, or would belong."""
    mixed = pairs.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    part: Ints = (mixed >> np.uint64(40)) % np.uint64(FOLDS)
    return part


def _words(side: TokenSide, pairs: Ints) -> Ragged:
    words = words_of(side.gather(pairs))
    sizes = np.diff(words.offsets)
    if sizes.max(initial=0) <= LONGEST:
        return words
    return stretch(words, words.offsets[:-1], np.minimum(sizes, LONGEST))
