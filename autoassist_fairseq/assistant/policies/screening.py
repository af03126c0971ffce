"""Candidates, being screened."""
from __future__ import annotations
import numpy as np
from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.policies.keep_share import limit_for
from autoassist_fairseq.assistant.policies.warming import Warming
from autoassist_fairseq.assistant.wrong.standard import Standard, standard_of

RATE = 2 / 3  # of those below the limit that are dropped


class Screened(Warming):
    """Scores [pairs]: the lowest are dropped at RATE so that ``--autoassist-keep`` is met."""

    first = 2  # passes that all are kept

    def __init__(self, assistant, settings, ids):
        super().__init__(assistant, settings, ids)
        self.corpus = assistant.model.corpus
        n = len(self.corpus)
        self.sizes = np.maximum(self.corpus.target.sizes(np.arange(n)), 1)
        for name in ("loss", "before", "surprise", "score"):
            setattr(self, name, np.full(n, np.nan, np.float32))
        self.standard = Standard()

    def warm_passes(self, moment):
        return float(self.first)

    def freeze(self, moment):
        self.pass_index = moment.index
        everyone = np.arange(len(self.sizes))
        known = np.isfinite(self.surprise)
        self.standard = standard_of(
            self.surprise[known].astype(np.float64), self.sizes[known], np.ones(known.sum()))
        self.z = self.standard.apply(self.surprise, self.sizes)
        self.score[:] = self.scored(everyone)
        return {"index": float(moment.index), "limit": float("-inf")}

    def aimed(self, pairs, tokens, share):
        below = (1 - share) / RATE
        return {"limit": limit_for(below, self.score[pairs], tokens)}

    def chances(self, pairs):
        return np.where(self.score[pairs] < self.frozen["limit"], 1 - RATE, 1).astype(np.float32)

    def scored(self, pairs):
        raise NotImplementedError

    def declined(self, pairs):
        """Decline of the loss, in what is usual for the length; NaN unknown."""
        d = (self.before[pairs] - self.loss[pairs]) * np.sqrt(self.sizes[pairs])
        return d

    def learn(self, pairs, losses, expected=None):
        known = np.isfinite(losses) & (losses >= 0)
        p, l = pairs[known], losses[known]
        self.before[p] = self.loss[p]
        self.loss[p] = l
        if expected is not None:
            e = expected[known]
            ok = np.isfinite(e)
            self.surprise[p[ok]] = (l - e)[ok]

    def state_dict(self):
        return {**super().state_dict(), "screen": {k: getattr(self, k).copy() for k in ("loss", "before", "surprise", "score")}}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        for k, v in state.get("screen", {}).items():
            getattr(self, k)[...] = v


def ranks(values):
    """Ranks in (0, 1], unknown ones last."""
    out = np.empty(len(values))
    out[np.argsort(values, kind="stable")] = np.arange(len(values)) / len(values)
    return out


class Mastered(Screened):
    """Low surprise and no progress."""

    def scored(self, pairs):
        return (ranks(self.z[pairs]) + ranks(self.declined(pairs))).astype(np.float32)


class MasteredWeighted(Mastered):
    def weights(self, pairs):
        if self.warm == 1:
            return None
        return np.reciprocal(self.chances(pairs))


class Progress(Screened):
    def scored(self, pairs):
        return ranks(self.declined(pairs)).astype(np.float32)


class Redundant(Screened):
    """Near-duplicates by turns: of the pairs whose trigrams others have, one in three a pass."""

    first = 0

    def scored(self, pairs):
        n = len(pairs)
        total = np.zeros(n)
        for side in (self.corpus.source, self.corpus.target):
            some = side.gather(pairs)
            t, o = some.tokens.astype(np.uint64), some.offsets
            sizes = np.diff(o)
            rows = np.repeat(np.arange(n), sizes)
            h = t * np.uint64(0x9E3779B97F4A7C15)
            a = np.roll(h, -1) * np.uint64(31); b = np.roll(h, -2) * np.uint64(961)
            gram = h + a + b
            place = np.arange(len(t)) - np.repeat(o[:-1], sizes)
            whole = place < np.repeat(np.maximum(sizes - 2, 1), sizes)
            gram, rows = gram[whole], rows[whole]
            _, inverse = np.unique(gram, return_inverse=True)
            # in how many pairs
            firsts = np.unique(inverse.astype(np.int64) * n + rows)
            count = np.bincount(firsts // n)
            shared = (count[inverse] > 1).astype(float)
            total += np.bincount(rows, shared, n) / np.maximum(np.bincount(rows, minlength=n), 1)
        return (-total).astype(np.float32)

    def chances(self, pairs):
        turn = (exact_mix(pairs) + int(self.frozen["index"])) % 3 == 0
        low = self.score[pairs] < self.frozen["limit"]
        return np.where(low & ~turn, 0, 1).astype(np.float32)


def exact_mix(pairs):
    return ((pairs.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)).astype(np.int64)


class Middle(Screened):
    """Neither what the source explains best nor what it does not explain."""

    def scored(self, pairs):
        r = ranks(self.z[pairs])
        return np.minimum(r, 1 - r).astype(np.float32)


class Worth(Screened):
    """CBMI of pairs: all are kept, weights clip(1 - 0.3 z)."""

    scale = 0.3

    def aim(self, pairs, tokens, share):
        pass

    def scored(self, pairs):
        return self.z[pairs]

    def chances(self, pairs):
        return np.ones(len(pairs), np.float32)

    def weights(self, pairs):
        if self.warm == 1:
            return None
        w = np.clip(1 - self.scale * np.nan_to_num(self.score[pairs]), 0, 2)
        return w.astype(np.float32)


class Doubted(Screened):
    """Drops those that the source does not explain: highest surprise, at RATE."""

    def scored(self, pairs):
        return -self.z[pairs]


class Easy(Screened):
    """Easy first, by the worth of the text, within deciles of length."""

    first = 0

    def scored(self, pairs):
        from autoassist_fairseq.assistant.wrong.text_judge import TextJudge
        if np.isfinite(self.score).all():
            return self.score[pairs]
        seen = TextJudge(self.corpus, 1).examine(pairs)
        worth = np.minimum(seen.worth, seen.worth_back)
        out = np.empty(len(pairs))
        order = np.argsort(self.sizes, kind="stable")
        for some in np.array_split(order, 10):
            out[some] = ranks(-worth[some])
        return out.astype(np.float32)

    def freeze(self, moment):
        base = super().freeze(moment)
        # all of it is open halfway through the budget
        done = 0 if np.isnan(moment.progress) else moment.progress
        open_ = min(1.0, 0.35 + 0.65 * done / 0.5)
        return {**base, "limit": open_ if open_ < 1 else 2.0}

    def aim(self, pairs, tokens, share):
        pass

    def chances(self, pairs):
        return (self.score[pairs] < self.frozen["limit"]).astype(np.float32)


SCREENED = {
    "mastered": Mastered, "mastered-weighted": MasteredWeighted, "progress": Progress,
    "redundant": Redundant, "middle": Middle, "worth": Worth, "doubted": Doubted, "easy": Easy,
}
