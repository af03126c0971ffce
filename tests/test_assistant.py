"""The method: features, learning, threshold, policy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from corpora import WORDS, alone, corpus_of, random_sentences, side_of

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus import features, kernels
from autoassist_fairseq.assistant.corpus.features import WordTable
from autoassist_fairseq.assistant.corpus.token_store import Segment, TokenSide
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.trivial import model_kernels
from autoassist_fairseq.assistant.trivial.learner import FIRST_SQUARE
from autoassist_fairseq.assistant.trivial.model import Model
from autoassist_fairseq.assistant.trivial.threshold import Confidence, Threshold
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import FEATURE_FAMILIES, Settings


def test_gather_reads_spans_of_several_files_some_repeated() -> None:
    first, second = ([[5, 6], [7]], [[8, 9, 10]])
    parts = [
        (Segment(np.array([5, 6, 7], np.uint16), np.array([0, 4]), np.array([2, 1]), 1), 2),
        (Segment(np.array([8, 9, 10], np.int32), np.array([0]), np.array([3])), 1),
    ]
    side = TokenSide(parts, WORDS, "source")
    rows = [*first, *first, *second]
    assert len(side) == len(rows)
    got = side.gather(np.array([4, 1, 2, 3]))
    assert [
        got.tokens[a:b].tolist() for a, b in zip(got.offsets, got.offsets[1:], strict=False)
    ] == [rows[i] for i in (4, 1, 2, 3)]


def test_a_word_outside_the_dictionary_is_a_clear_error() -> None:
    with pytest.raises(UserError, match=r"target side .* word id 50, but the dictionary has 50"):
        side_of([[4], [WORDS]], name="target").gather(np.array([0, 1]))


def test_describe_against_a_worked_example() -> None:
    # Word 0 is half of the text, word 1 a quarter, words 2 and 3 an eighth each.
    words = WordTable.from_counts(np.array([4, 2, 1, 1]))
    ln2 = math.log(2)
    assert words.idf == pytest.approx([ln2, 2 * ln2, 3 * ln2, 3 * ln2])
    table = WordTable(words.idf, 2.5 * ln2).table()
    table[:, kernels.WEIGHT] = [1, 2, 4, 8]
    out = side_of([[3], [0, 1, 2]], words=4).describe(np.array([1]), table)
    assert out[0] == pytest.approx([(1 + 2 + 4) / 3, 6 * ln2 / 3, 3 * ln2, 1 / 3])


def test_a_word_outside_the_dictionary_is_an_error_and_not_a_wild_read() -> None:
    table = np.zeros((WORDS, kernels.TABLE), np.float32)
    with pytest.raises(UserError, match="word id 60000"):
        side_of([[4, 60_000]]).describe(np.array([0]), table)


def test_dense_features_of_one_pair() -> None:
    source = np.array([[0, 1.5, 3.0, 0.25]], np.float32)
    target = np.array([[0, 2.5, 4.0, 0.5]], np.float32)
    row = features.raw_dense(source, target, np.array([10]), np.array([5]))[0]
    ratio = math.log(2)
    expected = [1, math.log(10), math.log(5), ratio, 1.5, 3, 0.25, 2.5, 4, 0.5]
    assert row == pytest.approx(expected)


def test_words_are_counted_in_the_corpus_the_end_of_a_sentence_too() -> None:
    rng = np.random.default_rng(0)
    sentences = [[*sentence, 2] for sentence in random_sentences(rng, 500, 20)]
    words = WordTable.of(side_of(sentences))
    tokens = sum(map(len, sentences)) + 3  # three words never came and count as one each
    assert words.idf[2] == pytest.approx(math.log(tokens / 500)), "once in every sentence"
    sevens = sum(sentence.count(7) for sentence in sentences)
    assert words.idf[7] == pytest.approx(math.log(tokens / sevens))
    lengths = np.array([len(sentence) for sentence in sentences])
    means = [words.idf[sentence].mean() for sentence in sentences]
    assert words.idf[2] < words.idf[7] and np.corrcoef(lengths, means)[0, 1] > 0.3


def test_words_of_a_large_corpus_are_counted_in_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "COUNTED", 4)
    monkeypatch.setattr(features, "CHUNK", 3)
    words = WordTable.of(side_of([[4], [5], [4], [5], [4], [5], [6], [6]]))
    total = 4 + WORDS - 2  # pairs 0, 2, 4 and 6
    assert words.idf[[4, 6, 5]] == pytest.approx(np.log([total / 3, total, total]))


def test_a_constant_is_dropped_whatever_its_size_and_a_small_feature_is_not() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(60_000, features.DENSE)).astype(np.float32)
    dense[:, 5], dense[:, 8], dense[:, 6] = 17.123457, 0, 1e-8 * dense[:, 6]
    dense[:, 7] = 1e4 * (1 + 1e-6 * dense[:, 7])  # a constant, rounded differently
    found = features.Scaling.of(dense, ("length", "frequency"))
    assert np.flatnonzero(np.isinf(found.deviation)).tolist() == [5, 7, 8]
    assert apply(found, dense)[:, 6].std() == pytest.approx(1, abs=0.02)


def test_families_that_are_left_out_are_constant_zero() -> None:
    dense = np.random.default_rng(0).normal(size=(100, features.DENSE)).astype(np.float32)
    scaled = apply(features.Scaling.of(dense, ("length",)), dense)
    assert np.abs(scaled[:, features.LENGTH]).min() > 0
    assert not scaled[:, features.FREQUENCY].any()


class ReferenceModel:
    """AdaGrad logistic regression in plain float64, over an explicit feature matrix."""

    def __init__(self, columns: int, lr: float) -> None:
        self.weights = np.zeros(columns)
        self.squares = np.full(columns, float(FIRST_SQUARE))
        self.lr = lr

    def learn(
        self, matrix: np.ndarray, labels: np.ndarray, repeats: list[np.ndarray]
    ) -> np.ndarray:
        """Step over ``repeats``: the (column, value) steps of each row; a word counts each time."""
        out = []
        for row, label, steps in zip(matrix, labels, repeats, strict=True):
            p = 1 / (1 + math.exp(-float(row @ self.weights)))
            out.append(p)
            for column, value in steps:
                g = (p - label) * value
                self.squares[int(column)] += g * g
                if g:
                    self.weights[int(column)] -= self.lr * g / math.sqrt(self.squares[int(column)])
        return np.array(out)


def apply(scaling: features.Scaling, dense: Any) -> Any:
    scaled = (dense - scaling.mean) / scaling.deviation
    return np.clip(scaled, model_kernels.LOWEST, model_kernels.HIGHEST).astype(np.float32)


def scaled_dense(model: Model, pairs: Any) -> Any:
    """The dense features by NumPy, as the compiled loops must see them."""
    assert model.scaling is not None
    return apply(model.scaling, features.raw_dense(*model._read(pairs)))


def test_compiled_dense_features_are_those_of_numpy() -> None:
    rng = np.random.default_rng(5)
    model = Model(WORDS, WORDS, FEATURE_FAMILIES, lr=0.3)
    model.attach(corpus_of(*(random_sentences(rng, 500, 30) for _ in range(2))))
    pairs, out = np.arange(500), np.empty((500, features.DENSE), np.float32)
    read = model._read(pairs)
    model_kernels.dense(*read, model._scaling, out)
    assert out == pytest.approx(scaled_dense(model, pairs), abs=1e-5)
    assert np.abs(out).max() <= 5 and out.std(axis=0)[1:].min() > 0.5
    weights, logit = rng.random(features.DENSE, np.float32), np.empty(500, np.float32)
    model_kernels.logits(*read, model._scaling, weights, True, logit)
    words = read[0][:, 0] + read[1][:, 0]
    assert logit == pytest.approx(out @ weights + words, abs=1e-4)


def test_learning_equals_an_independent_adagrad() -> None:
    rng = np.random.default_rng(3)
    source, target = (random_sentences(rng, 60, 6) for _ in range(2))
    corpus = corpus_of(source, target)
    model = Model(WORDS, WORDS, FEATURE_FAMILIES, lr=0.3)
    model.attach(corpus)
    pairs = np.arange(60)
    labels = (rng.random(60) < 0.4).astype(np.float32)
    dense = scaled_dense(model, pairs).astype(np.float64)
    dense_n = features.DENSE
    matrix = np.zeros((60, dense_n + 2 * WORDS))
    matrix[:, :dense_n] = dense
    steps = []
    for i in pairs:
        mine = [(f, dense[i, f]) for f in range(dense_n)]
        for side, start in ((source[i], dense_n), (target[i], dense_n + WORDS)):
            for word in side:
                matrix[i, start + word] += 1 / len(side)
                mine.append((start + word, 1 / len(side)))
        steps.append(np.array(mine))
    reference = ReferenceModel(matrix.shape[1], 0.3)
    expected = reference.learn(matrix, labels, steps)
    assert model.learn(pairs, labels) == pytest.approx(expected, abs=2e-4)
    words = np.concatenate([model.arrays["source"], model.arrays["target"]])
    assert words == pytest.approx(reference.weights[dense_n:], abs=2e-3)
    after = 1 / (1 + np.exp(-(matrix @ reference.weights)))
    assert model.predict(pairs) == pytest.approx(after, abs=2e-3)


@pytest.mark.parametrize("families", [("tokens",), FEATURE_FAMILIES])
def test_it_learns_which_word_makes_a_pair_hard(families: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    source, target = (random_sentences(rng, 4000, 8) for _ in range(2))
    hard = np.array([7 in sentence for sentence in target])
    assistant = Assistant(corpus_of(source, target), alone(features=families), 1000)
    for start in range(0, 3600, 100):
        pairs = np.arange(start, start + 100)
        assistant.learn(pairs, np.where(hard[pairs], 5, 1).astype(np.float32))
    held_out = np.arange(3600, 4000)
    guess = assistant.model.predict(held_out) > 0.5
    assert (guess == hard[held_out]).mean() > 0.97 > 1 - hard.mean()
    assert assistant.confidence.value > 0.85


def test_losses_that_are_missing_or_not_finite_are_passed_over() -> None:
    rng = np.random.default_rng(1)
    corpus = corpus_of(*(random_sentences(rng, 50, 8) for _ in range(2)))
    clean, dirty = (Assistant(corpus, alone(), 10) for _ in range(2))
    pairs = np.arange(6)
    losses = np.array([1, np.nan, 2, np.inf, -1, 3], np.float32)
    lesson = dirty.learn(pairs, losses)
    assert lesson.pairs == 3
    clean.learn(np.array([0, 2, 5]), np.array([1, 2, 3], np.float32))
    assert np.array_equal(dirty.model.arrays["source"], clean.model.arrays["source"])
    assert dirty.threshold.value == clean.threshold.value == pytest.approx(2)
    assert dirty.learn(pairs[:1], np.array([np.nan], np.float32)).pairs == 0


def test_mean_threshold_forgets_at_its_horizon() -> None:
    threshold = Threshold(horizon=2)
    assert math.isnan(threshold.value)
    threshold.add(np.array([4, 2], np.float32))
    threshold.add(np.array([1, 1], np.float32))
    fade = math.exp(-1)
    assert threshold.value == pytest.approx((6 * fade + 2) / (2 * fade + 2))


def test_confidence_is_the_running_mean_of_the_paper() -> None:
    confidence = Confidence()
    for accuracy in (1.0, 0.0):
        confidence.add(accuracy)
    assert confidence.value == pytest.approx(0.95 * (0.95 * 0.5 + 0.05))


def test_shrinking_rule_against_worked_values() -> None:
    assert rules.safeguard_rate(0.5, 0.9) == 0.5
    assert rules.safeguard_rate(0.05, 0.9) == pytest.approx(0.1)
    g = np.array([0, 0.5, 1], np.float32)
    assert rules.shrink(g, 0.5) == pytest.approx([0.5, 0.75, 1])


def test_state_is_complete() -> None:
    rng = np.random.default_rng(2)
    corpus = corpus_of(*(random_sentences(rng, 300, 8) for _ in range(2)))
    settings = alone(features=FEATURE_FAMILIES)
    one, two = (Assistant(corpus, settings, 100) for _ in range(2))
    pairs = np.arange(100)
    one.learn(pairs, rng.random(100).astype(np.float32))
    two.load_state_dict(one.state_dict())
    more = rng.random(100).astype(np.float32)
    one.learn(pairs + 100, more)
    two.learn(pairs + 100, more)
    assert np.array_equal(one.keep_probability(pairs), two.keep_probability(pairs))
    assert (one.threshold.value, one.confidence.value) == (
        two.threshold.value,
        two.confidence.value,
    )


def test_feature_families_may_change_on_resume() -> None:
    rng = np.random.default_rng(3)
    corpus = corpus_of(*(random_sentences(rng, 300, 8) for _ in range(2)))
    before = Assistant(corpus, alone(features=("frequency", "tokens")), 100)
    before.learn(np.arange(100), rng.random(100).astype(np.float32))
    after = Assistant(corpus, alone(features=("length",)), 100)
    after.load_state_dict(before.state_dict())
    assert isinstance(after.model, Model)
    dense = scaled_dense(after.model, np.arange(300))
    assert dense[:, features.LENGTH].std(axis=0) == pytest.approx(1, abs=0.05)
    assert not dense[:, features.FREQUENCY].any() and not after.model.use


def test_all_problems_of_the_settings_are_told_at_once() -> None:
    bad = alone(policy="srink", base_prob=0, features=("length", "size"), lr=-1)
    with pytest.raises(UserError) as caught:
        bad.check()
    for option in ("policy", "base-prob", "features", "lr"):
        assert f"`--autoassist-{option}`" in str(caught.value)
    assert Settings().problems() == []
    assert alone(base_prob=float("nan")).problems()
