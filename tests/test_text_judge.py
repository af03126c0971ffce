"""Wrong pairs by text alone: the lexicon, decoys, what is learned of them, and verdicts."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, WordTable
from autoassist_fairseq.assistant.corpus.token_store import Ragged, Segment, TokenSide
from autoassist_fairseq.assistant.policies.competence import by_worth
from autoassist_fairseq.assistant.wrong import (
    decoys,
    detector_kernels,
    evidence,
    text_judge,
    verdicts,
)
from autoassist_fairseq.assistant.wrong import lexicon as lex
from autoassist_fairseq.assistant.wrong.judge import Judge, possible
from autoassist_fairseq.assistant.wrong.posterior import kind_shares
from autoassist_fairseq.assistant.wrong.text_judge import KINDS, TextJudge
from autoassist_fairseq.assistant.wrong.trees import Trees
from autoassist_fairseq.errors import StateError, UserError

HELP = Path(__file__).parents[2] / "shared" / "data" / "libreoffice-help"
END = 2
Sentences = list[list[int]]


def ragged(sentences: Sentences) -> Ragged:
    sizes = [len(sentence) for sentence in sentences]
    tokens = np.array([word for sentence in sentences for word in sentence], np.int32)
    return Ragged(tokens, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


def corpus_of(source: Sentences, target: Sentences, words: int) -> Corpus:
    sides = []
    for name, sentences in (("source", source), ("target", target)):
        some = ragged([[*sentence, END] for sentence in sentences])
        sizes = np.diff(some.offsets)
        sides.append(TokenSide([(Segment(some.tokens, some.offsets[:-1], sizes), 1)], words, name))
    tables = WordTable.of(sides[0]), WordTable.of(sides[1])
    return Corpus(sides[0], sides[1], *tables, np.arange(words))


def made_up(pairs: int, seed: int, words: int = 400) -> tuple[Sentences, Sentences]:
    """Sentences of Zipf words; a translation says each of them in another word, or in two."""
    rng = np.random.default_rng(seed)
    half = (words - 4) // 2
    chance = 1 / np.arange(5, half + 5)
    chance /= chance.sum()
    source = [rng.choice(half, rng.integers(3, 14), p=chance) + 4 for _ in range(pairs)]
    target = [
        [int(w) + half for w in line if rng.random() < 0.9] or [int(line[0]) + half]
        for line in source
    ]
    return [line.tolist() for line in source], target


def spoiled(share: float, seed: int) -> tuple[Corpus, NDArray[np.bool_]]:
    """A corpus of which that share has the translation of the line before."""
    source, target = made_up(4_000, seed)
    wrong = np.random.default_rng(seed).random(len(source)) < share
    noisy = [target[i - 1] if wrong[i] else target[i] for i in range(len(target))]
    return corpus_of(source, noisy, 400), wrong


def plain_model_1(source: Sentences, target: Sentences, words: int) -> NDArray[np.float64]:
    """P(y | x) [x, y] as `Way.learn` says, pair by pair."""
    counts = np.bincount(np.concatenate(target), minlength=words) + 0.5
    shares = counts / counts.sum()
    chances = np.ones((words, words))
    for number in range(lex.ROUNDS):
        links = np.zeros((words, words))
        for xs, ys in zip(source, target, strict=True):
            for y in ys:
                part = [1.0] * len(xs) if number == 0 else [chances[x, y] for x in xs]
                total = sum(part) + (1 if number == 0 else shares[y])
                for x, one in zip(xs, part, strict=True):
                    links[x, y] += one / total
        totals = links.sum(1, keepdims=True)
        taken = links if number == 0 else np.maximum(links - lex.DISCOUNT, 0)
        chances = taken / (totals + 1e-9)
        if number == 0:
            chances[chances <= shares] = 0
    return chances


def test_the_lexicon_is_model_1() -> None:
    source, target = made_up(60, seed=1, words=24)
    way = lex.Way.learn(lex.Sides(ragged(source), ragged(target)), (24, 24))
    counts = np.bincount(np.concatenate(target), minlength=24) + 0.5
    found = np.zeros((24, 24))
    for x in range(24):
        for e in range(way.begins[x], way.begins[x + 1]):
            found[x, way.words[e]] = way.lifts[e] * counts[way.words[e]] / counts.sum()
    expected = plain_model_1(source, target, 24)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(way.rest, np.maximum(1 - expected.sum(1), lex.LEAST_REST), atol=1e-5)


def test_lexicons_learned_side_by_side_are_those_learned_alone() -> None:
    parts = []
    for seed in (3, 4):
        source, target = made_up(80, seed=seed, words=24)
        parts.append(lex.Sides(ragged(source), ragged([[y + 6 for y in ys] for ys in target])))
    found = list(lex.Lexicon.learn(parts, (24, 30)))
    for sides, lexicon in zip(parts, found, strict=True):
        for way, given, words in (
            (lexicon.there, sides, (24, 30)),
            (lexicon.back, sides.turned(), (30, 24)),
        ):
            alone = lex.Way.learn(given, words)
            for name in ("begins", "words", "lifts", "rest", "fertility"):
                np.testing.assert_array_equal(getattr(way, name), getattr(alone, name))
            assert way.vocabulary == alone.vocabulary


def test_worths_as_their_formula_says() -> None:
    source, target = made_up(200, seed=2, words=24)
    sides = lex.Sides(ragged(source), ragged(target))
    way = lex.Way.learn(sides, (24, 24))
    found = evidence.worths(way, sides)
    for pair in range(20):
        xs, ys = source[pair], target[pair]
        expected = []
        rest = np.mean([way.rest[x] for x in xs])
        for j, y in enumerate(ys):
            place = (j + 0.5) / len(ys) * 16
            heavy = len(xs) * evidence.AROUND[int(place)]
            total = 1 + rest * heavy
            for i, x in enumerate(xs):
                near = evidence.NEAR[int(abs((i + 0.5) / len(xs) * 16 - place) + 1e-6)]
                entries = range(way.begins[x], way.begins[x + 1])
                total += near * sum(way.lifts[e] for e in entries if way.words[e] == y)
            expected.append(np.log(total / (1 + heavy)))
        assert found[pair, 0] == pytest.approx(np.mean(expected), abs=1e-4)
        half = (len(ys) + 1) // 2
        assert found[pair, 1] == pytest.approx(np.mean(expected[:half]), abs=1e-4)


def test_decoys_are_what_they_are_called() -> None:
    source, target = [[4, 5], [6], [7, 8, 9]], [[14, 15, 16, 17], [18], [19, 20, 21]]
    sides = lex.Sides(ragged(source), ragged(target))
    before = ragged([target[2], target[0], target[1]])
    stock = decoys.Stock(sides, before, np.arange(30), np.random.default_rng(0))
    made = {name: make(stock) for name, make in decoys.KINDS.items()}
    lines = {
        name: [some.tokens[a:b].tolist() for a, b in zip(some.offsets, some.offsets[1:])]  # noqa: B905
        for name, some in made.items()
        if some is not None
    }
    assert lines["neighbour"] == [target[2], target[0], target[1]]
    assert lines["half"] == [[14, 15], [18], [19]]
    assert lines["third"] == [[14], [18], [19]]
    assert lines["copy"] == source
    assert sorted(map(tuple, lines["random"])) == sorted(map(tuple, target))
    assert all(one != own for one, own in zip(lines["random"], target, strict=True))
    assert sorted(map(tuple, lines["matched"])) == sorted(map(tuple, target))
    strangers = decoys.Stock(sides, before, None, np.random.default_rng(0))
    assert decoys.copy(strangers) is None


def test_decoys_are_as_long_as_what_they_replace_and_never_the_same() -> None:
    rng = np.random.default_rng(3)

    def stock() -> decoys.Stock:
        return decoys.Stock(sides, before, None, np.random.default_rng(4))

    # Every line comes twice, so that another line often says the same.
    target = [rng.integers(4, 9, size).tolist() for size in rng.integers(1, 6, 300)] * 2
    sides = lex.Sides(ragged(target), ragged(target))
    before = ragged([*target[1:], target[0]])
    first = stock()
    changed = {name: make(first) for name, make in decoys.KINDS.items()}
    assert (matched := changed["matched"]) is not None
    apart = np.abs(np.diff(matched.offsets) - np.diff(sides.target.offsets))
    assert (apart > 0).sum() < 12  # where lengths meet
    found = decoys.made(stock())
    assert [*decoys.KINDS].index("copy") not in found
    for place, (rows, wrong) in found.items():
        every = changed[[*decoys.KINDS][place]]
        assert every is not None
        lines = [every.tokens[a:b].tolist() for a, b in zip(every.offsets, every.offsets[1:])]  # noqa: B905
        others = [row for row in range(600) if lines[row] != target[row]]
        assert rows.tolist() == others and len(others) < 600
        assert wrong.target.tokens.tolist() == sum((lines[row] for row in others), [])
        assert wrong.source.tokens.tolist() == sum((target[row] for row in others), [])


def test_only_decoys_that_the_corpus_could_hold_count() -> None:
    rng = np.random.default_rng(4)
    rows = {0: (500, 1.0), 1: (500, 0.01), 2: (99, 0.0)}  # decoys, and how their ratios spread
    real = np.zeros((4_000, evidence.EVIDENCE), np.float32)
    real[:, evidence.LONGER] = rng.uniform(-0.5, 0.5, len(real))
    made = {}
    for kind, (count, spread) in rows.items():
        made[kind] = np.zeros((count, evidence.EVIDENCE), np.float32)
        made[kind][:, evidence.LONGER] = spread * rng.standard_normal(count)
    found = possible(real, made)
    within = np.abs(made[0][:, evidence.LONGER]) < 0.4995
    assert 150 < len(found[0]) == pytest.approx(within.sum(), abs=3)
    assert len(found[1]) == 500 and 2 not in found  # 99 are too few
    assert {kind: len(some) for kind, some in possible(real + 9, made).items()} == {
        kind: count for kind, (count, _) in rows.items()
    }


def test_a_verdict_keeps_its_side_and_its_kind() -> None:
    odds = np.array([-np.inf, -0.01, 0, 0.01, 1, 9], np.float32)
    packed = verdicts.packed(np.array([0, 1, 2, 3, 4, 14], np.uint8), odds)
    assert (verdicts.posterior(packed) > 0.5).tolist() == [False, False, False, True, True, True]
    assert verdicts.kinds(packed).tolist() == [0, 1, 2, 3, 4, 14]
    assert (packed != verdicts.UNKNOWN).all()
    assert len(KINDS) < 2**verdicts.BITS


def test_pooled_neighbours_are_the_nearest_that_never_fall() -> None:
    rng = np.random.default_rng(3)
    heights, heavy = rng.random(30), rng.random(30) + 0.1
    cost = np.cumsum(heights * heavy), np.cumsum(heavy)

    def mean(a: int, b: int) -> float:
        before = (0.0, 0.0) if a == 0 else (cost[0][a - 1], cost[1][a - 1])
        return float((cost[0][b] - before[0]) / (cost[1][b] - before[1]))

    expected = [max(min(mean(a, b) for b in range(i, 30)) for a in range(i + 1)) for i in range(30)]
    detector_kernels.pool(heights, heavy)
    np.testing.assert_allclose(heights, expected)


def test_shares_of_kinds_that_look_like_each_other() -> None:
    rng = np.random.default_rng(4)
    places = np.array([[0.0, 0.0], [4.0, 1.5], [2.5, 5.0]])  # right ones, and two kinds

    def draw(kind: int, count: int) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = places[kind] + rng.standard_normal((count, 2))
        return drawn

    real = np.vstack([draw(0, 8_000), draw(1, 1_500), draw(2, 500)])
    shares = kind_shares(real, [draw(1, 5_000), draw(2, 5_000)])
    np.testing.assert_allclose(shares, [0.15, 0.05], atol=0.01)


def test_trees_never_turn_against_a_sign() -> None:
    rng = np.random.default_rng(5)
    rows = rng.random((4_000, 2)).astype(np.float32)
    # Truth bends back at the end of the first column; the second is a free bump.
    truth = (rows[:, 0] < 0.5) ^ (rows[:, 0] < 0.1) | (abs(rows[:, 1] - 0.5) < 0.1)
    trees = Trees.fit(rows, truth.astype(float), np.ones(4_000), np.array([-1, 0]))
    assert ((trees.score(rows) > 0) == truth).mean() > 0.85
    line = np.stack([np.linspace(0, 1, 200), np.full(200, 0.2)], 1).astype(np.float32)
    assert (np.diff(trees.score(line)) <= 1e-12).all()


def test_wrong_pairs_need_not_be_as_decoys_in_every_detail() -> None:
    rng = np.random.default_rng(9)
    real, decoy = (rng.standard_normal((n, evidence.EVIDENCE)) for n in (8_000, 4_000))
    wrong = np.arange(8_000) < 1_600
    real[wrong, 0] -= 5  # what tells wrong pairs
    decoy[:, 0] -= 5
    decoy[:, evidence.OVERLAP] += 0.5  # what tells decoys from them
    judge = Judge.fit(real.astype(np.float32), {0: decoy.astype(np.float32)})
    called = judge.of(real.astype(np.float32))[1] > 0
    assert called[wrong].mean() > 0.8  # 0.69, where wrong pairs count as right ones
    assert called[~wrong].mean() < 0.005


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_wrong_pairs_are_found_and_counted(share: float) -> None:
    corpus, wrong = spoiled(share, seed=6)
    judge = TextJudge(corpus, seed=1)
    told: list[float] = []
    judge.prepare(lambda what, done: told.append(done))
    found = judge.verdicts(np.arange(len(corpus)))
    called = verdicts.posterior(found) > 0.5
    assert (called & wrong).sum() / called.sum() > 0.93
    assert (called & wrong).sum() / wrong.sum() > 0.85
    examined = judge.examine(np.arange(len(corpus)))
    assert examined.posterior.mean() == pytest.approx(wrong.mean(), abs=0.07)
    assert ((examined.posterior > 0.5) == called).all()
    assert told == sorted(told) and told[-1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["matched", "filtered"])
def test_wrong_pairs_whose_lengths_agree_are_found(how: str) -> None:
    """As a corpus has them that was aligned by length, or filtered by its ratio."""
    source, target = made_up(6_000, seed=11)
    rng = np.random.default_rng(11)
    wrong = rng.random(len(source)) < 0.2
    places = np.flatnonzero(wrong)
    if how == "matched":
        sizes = np.array([len(target[place]) for place in places])
        places = places[np.lexsort((rng.random(len(places)), sizes))]
    taken = np.arange(len(target))
    taken[places] = np.roll(places, 1)
    target = [target[place] for place in taken]
    ratio = np.array([len(t) / len(s) for s, t in zip(source, target, strict=True)])
    kept = np.flatnonzero((ratio > 0.7) & (ratio < 1.3) if how == "filtered" else ratio > 0)
    corpus = corpus_of([source[i] for i in kept], [target[i] for i in kept], 400)
    called = verdicts.posterior(TextJudge(corpus, 1).verdicts(np.arange(len(kept)))) > 0.5
    wrong = wrong[kept]
    assert called[wrong].mean() > 0.9
    assert wrong[called].mean() > 0.9


@pytest.mark.slow
def test_easy_pairs_of_every_length_come_first_and_wrong_ones_last() -> None:
    corpus, wrong = spoiled(0.1, seed=12)
    everyone, text = np.arange(len(corpus)), TextJudge(corpus, seed=1)
    hardness = by_worth(corpus, text, everyone)
    # Ranks of ten parts, each of pairs that are about as long
    sizes = corpus.target.sizes(everyone)
    assert np.unique(hardness, return_counts=True)[1].tolist() == [10] * 400
    order = np.argsort(sizes, kind="stable")
    seen = text.examine(everyone)
    worth = np.minimum(seen.worth, seen.worth_back)
    for part in np.array_split(order, 10):
        assert (np.diff(worth[part[np.argsort(hardness[part])]]) <= 0).all()
        assert hardness[part].mean() == pytest.approx(0.5)
    assert hardness[wrong].min() > 0.5 and hardness[wrong].mean() > 0.9
    # What was read for it need not be read again.
    assert (text._verdicts == TextJudge(corpus, seed=1).verdicts(everyone)).all()
    with pytest.raises(UserError, match="must have 1,000 pairs to learn from, but `DATA` has 50"):
        few = corpus_of([[4]] * 50, [[5]] * 50, 50)
        by_worth(few, TextJudge(few, seed=1), np.arange(50))


@pytest.mark.slow
def test_nothing_is_called_wrong_where_nothing_is() -> None:
    corpus, _ = spoiled(0, seed=7)
    assert (verdicts.posterior(TextJudge(corpus, 1).verdicts(np.arange(4_000))) > 0.5).mean() < 0.01


@pytest.mark.slow
def test_verdicts_depend_neither_on_order_nor_on_company_nor_on_a_resume() -> None:
    corpus, _ = spoiled(0.2, seed=8)
    first, everyone = TextJudge(corpus, seed=1), np.arange(len(corpus))
    together = first.verdicts(everyone)
    other = TextJudge(corpus, seed=1)
    mixed = np.random.default_rng(0).permutation(everyone)
    for some in np.array_split(mixed[:1_000], 7):
        assert (other.verdicts(some) == together[some]).all()
    resumed = TextJudge(corpus, seed=1)
    resumed.load_state_dict(other.state_dict())
    assert (resumed.verdicts(mixed[:1_000]) == together[mixed[:1_000]]).all()
    assert not resumed._lexicons  # remembered, so nothing is learned again
    assert (resumed.verdicts(everyone) == together).all()


def test_verdicts_of_another_corpus_are_not_taken_over() -> None:
    state = TextJudge(spoiled(0.2, seed=8)[0], seed=1).state_dict()
    state["verdicts"][:] = 0
    other = TextJudge(spoiled(0.2, seed=9)[0], seed=1)
    other.load_state_dict(state)
    assert (other._verdicts == verdicts.UNKNOWN).all()
    few = TextJudge(corpus_of([[4]], [[5]], 50), seed=1)
    with pytest.raises(StateError, match="verdicts on 1 pairs"):
        few.load_state_dict(state)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ([[5, 6]], [[7]]),
        ([[]] * 1_200, [[]] * 1_200),
        ([[5, 6]] * 1_200, [[7]] * 1_200),
        ([[]] * 600 + [[5, 6]] * 900, [[7]] * 1_000 + [[]] * 500),
    ],
)
def test_corpora_that_say_nothing(source: Sentences, target: Sentences) -> None:
    judge = TextJudge(corpus_of(source, target, 20), seed=1)
    pairs = np.arange(len(source))
    assert verdicts.log_odds(judge.verdicts(pairs)).max() <= 8
    assert np.isfinite(judge.examine(pairs).posterior).all()
    assert (judge.verdicts(pairs[:0]) == 0).all()


@pytest.mark.slow
@pytest.mark.skipif(not HELP.exists(), reason=f"no {HELP.name} in ../shared/data")
def test_neighbours_in_real_text() -> None:
    english, german = (
        gzip.decompress((HELP / name).read_bytes()).decode("utf-8").splitlines()
        for name in ("train.en.gz", "train.de.gz")
    )
    wrong = np.random.default_rng(1).random(len(english)) < 0.15
    noisy = [german[i - 1] if wrong[i] else german[i] for i in range(len(german))]
    words = Counter(word for line in [*english, *noisy] for word in line.split())
    ids = {word: place + 4 for place, (word, _) in enumerate(words.most_common(8_000))}
    sides = [[[ids.get(w, 3) for w in line.split()] for line in text] for text in (english, noisy)]
    judge = TextJudge(corpus_of(sides[0], sides[1], 8_004), seed=1)
    called = verdicts.posterior(judge.verdicts(np.arange(len(wrong)))) > 0.5
    assert wrong[called].mean() > 0.8
    assert called[wrong].mean() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("seed", [10, 11])
@pytest.mark.parametrize("kind", ["language", "copy"])
def test_another_language_among_the_targets(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is all that is wrong: with seed 11 decoys find nothing beside it."""
    monkeypatch.setattr(text_judge, "LEAST_FOR_LANGUAGE", 1)
    source, target = made_up(4_000, seed=seed, words=600)
    wrong = np.random.default_rng(seed).random(len(source)) < 0.1
    # The same translations, but every word in another language, of the third hundreds.
    theirs = source if kind == "copy" else [[word + 298 for word in line] for line in target]
    other = [theirs[i] if wrong[i] else line for i, line in enumerate(target)]
    judge = TextJudge(corpus_of(source, other, 900), seed=1)
    found = judge.verdicts(np.arange(len(source)))
    called = verdicts.posterior(found) > 0.5
    assert (called & wrong).sum() / wrong.sum() > 0.9
    assert (called & ~wrong).mean() < 0.01
    assert (np.array(KINDS)[verdicts.kinds(found[called & wrong])] == kind).mean() > 0.9
    assert judge.share == pytest.approx(wrong.mean(), abs=0.01)


def with_empties(share: float, clean: bool) -> tuple[Corpus, NDArray[np.bool_]]:
    """A corpus of 2,000 pairs; that share of sources is empty, and as many targets of others."""
    source, target = made_up(2_000, 5)
    if not clean:
        target = [target[i - 1] if i % 4 == 0 else target[i] for i in range(len(target))]
    chance = np.random.default_rng(5).random(len(source))
    empty = chance < 2 * share
    source = [[] if chance[i] < share else line for i, line in enumerate(source)]
    target = [[] if empty[i] and source[i] else line for i, line in enumerate(target)]
    return corpus_of(source, target, 400), empty


@pytest.mark.parametrize("clean", [True, False])
def test_a_pair_with_one_empty_side_is_wrong(clean: bool) -> None:
    corpus, empty = with_empties(0.02, clean)
    about = TextJudge(corpus, 1).examine(np.arange(len(corpus)))
    assert (about.posterior[empty] > 0.99).all() and empty.sum() > 50
    assert {KINDS[kind] for kind in about.kind[empty]} == {"empty"}
    assert not (about.kind[~empty] == KINDS.index("empty")).any()


def test_where_most_pairs_have_an_empty_side_it_is_meant_so() -> None:
    corpus, empty = with_empties(0.3, True)
    judge = TextJudge(corpus, 1)
    assert empty.mean() > 0.5 and not judge.empty(np.arange(len(corpus))).any()


def test_two_empty_sides_are_no_mistake() -> None:
    source, target = made_up(1_100, 3)
    source[7] = target[7] = source[9] = []
    judge = TextJudge(corpus_of(source, target, 400), 1)
    assert np.flatnonzero(judge.empty(np.arange(1_100))).tolist() == [9]


def test_of_a_line_without_end_only_its_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that nobody split would take time and memory by the square of its words."""
    monkeypatch.setattr(text_judge, "LONGEST", 20)
    source, target = made_up(1_100, 3)
    source[5], target[5] = source[5] * 9, target[5] * 9
    judge = TextJudge(corpus_of(source, target, 400), 1)
    read = judge._read(np.array([4, 5]))
    assert np.diff(read.source.offsets).tolist() == [len(source[4]), 20]
    assert read.target.tokens[-20:].tolist() == target[5][:20]
    assert judge.examine(np.array([5])).source_length.tolist() == [len(source[5]) + 1]
