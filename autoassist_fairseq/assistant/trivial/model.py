"""Online logistic regression over a pair's features: P(not trivial)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus import features, kernels
from autoassist_fairseq.assistant.corpus.features import Corpus, Floats, Scaling, WordTable
from autoassist_fairseq.assistant.corpus.token_store import Ints, Ragged
from autoassist_fairseq.assistant.trivial import model_kernels
from autoassist_fairseq.assistant.trivial.learner import FIRST_SQUARE, Learner

Described = tuple[Floats, NDArray[np.int64]]


class Model(Learner):
    """g(x): dense features plus one weight per source and per target word.

    State: 8 bytes per dictionary word (a weight and its AdaGrad square, float32).

    Args:
        source_words, target_words: sizes of the dictionaries.
        families: of `settings.FEATURE_FAMILIES`.
        lr: AdaGrad step size.
    """

    def __init__(
        self, source_words: int, target_words: int, families: tuple[str, ...], lr: float
    ) -> None:
        self.families, self.lr = families, lr
        self.use = "tokens" in families
        self.scaling: Scaling | None = None
        self.arrays = {
            "dense": np.zeros(features.DENSE + 1, np.float32),
            "dense_squares": np.full(features.DENSE + 1, FIRST_SQUARE),
        }
        for side, words in (("source", source_words), ("target", target_words)):
            self.arrays[side] = np.zeros(words, np.float32)
            self.arrays[f"{side}_squares"] = np.full(words, FIRST_SQUARE)

    def attach(self, corpus: Corpus) -> None:
        """Take the corpus to score; the first one also fixes the scaling of the features."""
        self.corpus = corpus
        words = {"source": corpus.source_words, "target": corpus.target_words}
        self._tables = {side: table.table() for side, table in words.items()}
        if self.scaling is None:
            raw = features.raw_dense(*self._read(features.sample_pairs(len(corpus))))
            self.scaling = Scaling.of(raw, self.families)

    def predict(self, pairs: Ints, extra: Floats | None = None) -> NDArray[np.float32]:
        """Return P(not trivial) [P] for ``pairs`` [P].

        ``extra`` [P] is the feature ``expected`` of each pair, if that is used.
        """
        for side, table in self._tables.items():
            table[:, kernels.WEIGHT] = self.arrays[side]
        by_place, weights = np.empty(len(pairs), np.float32), self.arrays["dense"]
        model = self._scaling, weights[: features.DENSE], self.use
        # In the order of the corpus, whose pages neighbours then share; both in one number to sort.
        keys = np.sort(pairs.astype(np.int64) << 32 | np.arange(len(pairs)))
        model_kernels.logits(*self._read(keys >> 32), *model, by_place)
        logit = np.empty_like(by_place)
        logit[keys & (2**32 - 1)] = by_place
        if extra is not None:
            logit += weights[features.DENSE] * extra
        model_kernels.sigmoid(logit.astype(np.float64), logit)
        return logit

    def learn(
        self, pairs: Ints, labels: NDArray[np.float32], extra: Floats | None = None
    ) -> NDArray[np.float32]:
        """Learn ``labels`` [P] (1 = not trivial) of ``pairs`` in order; return the predictions.

        Each prediction was made before its own label was seen (prequential). ``extra`` [P] is the
        feature ``expected`` of each pair, if that is used.
        """
        corpus = self.corpus
        ragged = {"source": corpus.source.gather(pairs), "target": corpus.target.gather(pairs)}
        words = corpus.source_words, corpus.target_words
        source, target = (
            _describe_words(*both) for both in zip(ragged.values(), words, strict=True)
        )
        dense = np.zeros((len(pairs), features.DENSE + 1), np.float32)
        read = source[0], target[0], source[1], target[1]
        model_kernels.dense(*read, self._scaling, dense[:, : features.DENSE])
        if extra is not None:
            dense[:, features.DENSE] = extra
        out = np.empty(len(pairs), np.float32)
        sides = [
            (side.tokens, side.offsets, self.arrays[name], self.arrays[f"{name}_squares"])
            for name, side in ragged.items()
        ]
        model = (self.arrays["dense"], self.arrays["dense_squares"])
        model_kernels.learn(*sides, dense, labels.astype(np.float32), self.use, model, self.lr, out)
        return out

    def _read(self, pairs: Ints) -> tuple[Floats, Floats, NDArray[Any], NDArray[Any]]:
        """Return what `kernels.describe` says of the source and target sides, and their lengths.

        With the weights that the word tables held last.
        """
        tables = self._tables["source"], self._tables["target"]
        source, src_len = self.corpus.source.describe_and_size(pairs, tables[0])
        target, tgt_len = self.corpus.target.describe_and_size(pairs, tables[1])
        return source, target, src_len, tgt_len

    @property
    def _scaling(self) -> Floats:
        assert self.scaling is not None, "attach a corpus first"
        return self.scaling.both

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the weights, their AdaGrad squares and the feature scaling."""
        assert self.scaling is not None, "attach a corpus first"
        scaling = {"mean": self.scaling.mean, "deviation": self.scaling.deviation}
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return {"families": list(self.families), **arrays, **scaling}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; the feature families may have changed since."""
        for name, array in self.arrays.items():
            array[...] = np.asarray(state[name])
        mean, deviation = (np.array(state[k], np.float32) for k in ("mean", "deviation"))
        assert self.scaling is not None, "attach a corpus first"
        if tuple(state["families"]) == self.families:
            self.scaling = Scaling(mean, deviation)
        else:
            self.scaling = self.scaling.resumed(mean, deviation)


def _describe_words(ragged: Ragged, words: WordTable) -> Described:
    """Return what `TokenSide.describe_and_size` does, but zero for what depends on weights."""
    lengths = np.diff(ragged.offsets)
    out = np.zeros((len(lengths), kernels.DESCRIBED), np.float32)
    kernels.describe_idf(ragged.tokens, ragged.offsets, words.idf, np.float32(words.rare_idf), out)
    return out, lengths
