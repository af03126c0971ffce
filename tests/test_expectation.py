"""The loss to expect on a pair, worked out again in plain Python."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from corpora import WORDS, corpus_of, random_sentences

from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.wrong import bigrams
from autoassist_fairseq.assistant.wrong.bigrams import Bigrams, bigram_costs, slots

EOS = 2


@pytest.fixture(scope="module")
def targets() -> list[list[int]]:
    rng = np.random.default_rng(3)
    # Skewed, so that some bigrams come often and some once.
    skewed = [(np.array(s) ** 2 // 60 + 4).tolist() for s in random_sentences(rng, 300, 12)]
    return [[*sentence, EOS] for sentence in skewed]


def corpus_with(targets: list[list[int]]) -> Corpus:
    return corpus_of(targets, targets)


def reference(sentences: list[list[int]], counted: list[int]) -> list[float]:
    """Absolute discounting, by dictionaries; a sentence's own occurrence is taken away."""
    pairs, after, words = Counter[tuple[int, int]](), Counter[int](), Counter[int]()
    for number in counted:
        for last, word in zip([EOS, *sentences[number]], sentences[number], strict=False):
            pairs[last, word] += 1
            after[last] += 1
            words[word] += 1
    kinds = Counter(last for last, _ in pairs)
    costs = []
    for number, sentence in enumerate(sentences):
        own, cost = int(number in set(counted)), 0.0
        for last, word in zip([EOS, *sentence], sentence, strict=False):
            seen = pairs[last, word] - own
            alone = (max(words[word] - own, 0) + 0.5) / (words.total() + 0.5 * WORDS)
            different = max(kinds[last] - (own and seen == 0), 1)
            rest = bigrams.DISCOUNT * different * alone
            chance = (max(seen - bigrams.DISCOUNT, 0) + rest) / max(after[last] - own, 1)
            cost -= math.log(chance) / len(sentence)
        costs.append(cost)
    return costs


def test_bigram_costs_are_those_of_absolute_discounting(targets: list[list[int]]) -> None:
    expected = reference(targets, list(range(len(targets))))
    assert bigram_costs(corpus_with(targets)) == pytest.approx(expected, rel=2e-3)


def test_only_some_pairs_are_counted_in_a_large_corpus(
    targets: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigrams, "COUNTED", 100)
    monkeypatch.setattr(bigrams, "CHUNK", 7)
    expected = reference(targets, list(range(0, len(targets), 3)))
    assert bigram_costs(corpus_with(targets)) == pytest.approx(expected, rel=2e-3)


def test_the_table_of_bigrams_is_bounded() -> None:
    assert slots(1) == 1024 and slots(1_000) == 2048 and slots(10**9) == bigrams.SLOTS


def test_the_line_follows_the_losses_of_the_boss(targets: list[list[int]]) -> None:
    base, rng = Bigrams(corpus_with(targets)), np.random.default_rng(0)
    assert np.isnan(base.expected(np.arange(3))).all(), "nothing is known at first"
    seen: list[tuple[float, float, float]] = []
    for update in range(6):
        pairs = rng.choice(len(targets), 60, replace=False)
        costs = base.costs[pairs].astype(np.float64)
        losses = (1 + 0.1 * update + 0.7 * costs + rng.normal(0, 0.1, 60)).astype(np.float32)
        base.learn(pairs, losses)
        fade = math.exp(-(5 - update) / bigrams.HORIZON)
        seen += [(c, loss, fade) for c, loss in zip(costs, losses, strict=True)]
    costs, losses, weights = np.array(seen).T
    slope, level = np.polyfit(costs, losses, 1, w=np.sqrt(weights))
    assert list(base.line) == pytest.approx([level, slope])
    pairs = np.arange(9)
    line = level + slope * base.costs[pairs].astype(np.float64)
    assert base.expected(pairs) == pytest.approx(line, rel=1e-5)


def test_what_is_saved_goes_on_to_the_bit(targets: list[list[int]]) -> None:
    one, two = (Bigrams(corpus_with(targets)) for _ in range(2))
    rng = np.random.default_rng(2)
    for update in range(8):
        pairs = rng.choice(len(targets), 50)
        losses = rng.random(50).astype(np.float32)
        for base in (one, two) if update > 4 else (one,):
            base.learn(pairs, losses)
        if update == 4:
            two.load_state_dict(one.state_dict())
    pairs = np.arange(len(targets))
    assert one.expected(pairs).tobytes() == two.expected(pairs).tobytes()
    assert not np.isnan(one.expected(pairs)).any()


def test_updates_of_one_pair_are_enough_in_time(targets: list[list[int]]) -> None:
    base = Bigrams(corpus_with(targets))
    for update in range(1_000):
        pair = np.array([update * 7 % len(targets)])
        base.learn(pair, 1 + 0.5 * base.costs[pair].astype(np.float32))
    assert base.line == pytest.approx((1, 0.5), abs=0.01)
