"""Wrong pairs are left out from the first pass on, by their text; later the Boss has a vote."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpora import side_of, train_passes, trained
from hypothesis import given
from hypothesis import strategies as st
from noisy_pairs import WORDS, spoiled
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, WordTable
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.wrong import hopeless, verdicts
from autoassist_fairseq.assistant.wrong.hopeless import Hopeless
from autoassist_fairseq.assistant.wrong.surprise import LIKELY, OTHER, SURE
from autoassist_fairseq.assistant.wrong.text_judge import KINDS, TextJudge
from autoassist_fairseq.assistant.wrong.vote import MOST, Vote, vote_of
from autoassist_fairseq.plugin import announcing
from autoassist_fairseq.schedule import passes
from autoassist_fairseq.schedule.folder import CORPUS, Folder
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.worker import Worker
from autoassist_fairseq.settings import Settings

pytestmark = pytest.mark.slow

PAIRS = 1_500
CUT = Settings(policy="uniform", hopeless="cut", reexamine=0.1)


def folder_of(share: float, seed: int = 0, last: bool = False) -> tuple[Folder, NDArray[np.bool_]]:
    """Return pairs and which are wrong [P]; ``last``: those stand at the end."""
    source, target, wrong = spoiled(PAIRS, share, seed)
    order = np.argsort(wrong, kind="stable") if last else np.arange(PAIRS)
    source, target = [source[i] for i in order], [target[i] for i in order]
    wrong = wrong[order]
    sizes, tables = map(sizes_of, (source, target)), map(table_of, (source, target))
    corpus = Corpus(
        side_of(source, WORDS), side_of(target, WORDS, "target"), next(tables), next(tables)
    )
    fits = {CORPUS: f"{share} of {seed}"}
    return Folder(corpus, PairIds(PAIRS), next(sizes), next(sizes), fits), wrong


def sizes_of(sentences: list[list[int]]) -> NDArray[np.int32]:
    return np.array([len(words) for words in sentences], np.int32)


def table_of(sentences: list[list[int]]) -> WordTable:
    words = np.concatenate([np.array(one) for one in sentences])
    return WordTable.from_counts(np.bincount(words, minlength=WORDS))


FOLDER, WRONG = folder_of(0.25)


def planner_of(folder: Folder = FOLDER, **changes: Any) -> Planner:
    return Planner(folder, Budget(200, 0), replace(CUT, **changes))


def hopeless_of(planner: Planner) -> Hopeless:
    assert isinstance(planner.policy, Hopeless)
    return planner.policy


def run(
    planner: Planner, passes: range, learned: Any = None, stop: int | None = None
) -> list[list[int]]:
    """Train; return the pairs of every update. The Boss loses 1 nat less on those ``learned``."""
    learned = ~WRONG if learned is None else learned

    def losses_of(pairs: NDArray[np.int64], index: int) -> Any:
        noise = np.random.default_rng([index, int(pairs[0])]).normal(0, 0.3, len(pairs))
        return np.maximum(4 - learned[pairs] + noise, 0).astype(np.float32)

    return train_passes(planner, passes, 2, losses_of, stop)


@pytest.mark.parametrize("at_once", [PAIRS, 100], ids=["judged at once", "by the window"])
@pytest.mark.parametrize("policy", ["uniform", "shrink"])
def test_the_first_pass_leaves_wrong_pairs_out(
    policy: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hopeless, "AT_ONCE", at_once)
    planner = planner_of(policy=policy)
    kept = np.bincount(trained(run(planner, range(1, 2))), minlength=PAIRS)
    assert kept.max() == 1, "no pair twice"
    classes = hopeless_of(planner).opinion.surprise.classes(np.arange(PAIRS))
    assert classes[WRONG].mean() > 0.7 and kept[~WRONG].mean() > 0.97
    assert kept[classes == SURE].mean() == pytest.approx(0.1, abs=0.05)
    assert LIKELY not in classes  # what text says is calibrated
    counts = hopeless_of(planner).counts(np.arange(PAIRS))
    assert sum(counts.values()) == hopeless_of(planner).hopeless(np.arange(PAIRS)).sum()
    assert "surprise" not in counts and 0.7 < sum(counts.values()) / WRONG.sum() < 1.05


def test_from_a_clean_corpus_nothing_is_cut() -> None:
    planner = planner_of(folder_of(0.0)[0])
    assert len(trained(run(planner, range(1, 3), np.ones(PAIRS, np.bool_)))) == 2 * PAIRS


def test_a_pair_with_one_empty_side_is_cut_from_the_first_pass_on() -> None:
    """Where text tells no other wrong pairs, and in each of the passes after it."""
    source, target, _ = spoiled(PAIRS, 0.0, 0)
    empty = np.arange(PAIRS) % 50 == 0
    for pair in np.flatnonzero(empty):
        (source if pair % 100 else target)[pair] = [2]
    sides = side_of(source, WORDS), side_of(target, WORDS, "target")
    corpus = Corpus(sides[0], sides[1], table_of(source), table_of(target))
    fits = {CORPUS: "with empty sides"}
    sizes = sizes_of(source), sizes_of(target)
    planner = planner_of(Folder(corpus, PairIds(PAIRS), sizes[0], sizes[1], fits))
    for index in range(1, 5):
        kept = np.bincount(trained(run(planner, range(index, index + 1), empty)), minlength=PAIRS)
        assert kept[empty].mean() < 0.3 and kept[~empty].mean() > 0.98
    assert hopeless_of(planner).counts(np.arange(PAIRS)) == {"empty": int(empty.sum())}
    state = planner.policy.state_dict()["text"]["verdicts"]
    assert np.flatnonzero(verdicts.kinds(state) == KINDS.index("empty")).tolist() == list(
        np.flatnonzero(empty)
    )


def test_weights_are_small_from_the_first_pass_on() -> None:
    planner = planner_of(hopeless="weight", reexamine=0.2)
    planner.begin_pass(1, 2)
    plan = planner.plan_next()
    assert plan.weights is not None and plan.stats.kept == plan.stats.considered
    light = plan.weights < 1
    assert light[WRONG[plan.batches.pairs]].mean() > 0.7
    assert set(plan.weights.tolist()) <= {1.0, np.float32(0.2)}


def test_how_sure_it_must_be_is_the_user_s_choice() -> None:
    found = {}
    for sure in (0.01, 0.5, 0.999):
        planner = planner_of(hopeless="keep", sure=sure)
        planner.begin_pass(1, 2)
        found[sure] = hopeless_of(planner).hopeless(np.arange(PAIRS)).sum()
    assert found[0.01] >= found[0.5] > found[0.999]


@pytest.mark.parametrize("sure", [0.05, 0.999])
def test_a_pass_goes_on_as_sure_as_it_began(sure: float) -> None:
    """Its quotas are those of whom it was to keep."""
    stopped, resumed = planner_of(), planner_of(sure=sure)
    head = run(stopped, range(1, 2), stop=0)
    resumed.load_state_dict(stopped.state_dict())
    kept = trained([*head, *run(resumed, range(1, 2))])
    assert kept.tolist() == trained(run(planner_of(), range(1, 2))).tolist()
    resumed.begin_pass(2, 2)
    assert hopeless_of(resumed).frozen["sure"] == sure
    old = stopped.state_dict()
    del old["policy"]["hopeless"]["sure"]  # of a version that did not say
    resumed.load_state_dict(old)
    assert hopeless_of(resumed).frozen["sure"] == sure


def test_of_many_pairs_the_log_tells_of_those_that_the_pass_begins_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not of the first in the file: the worst part of a corpus often comes last."""
    for module, name in ((hopeless, "AT_ONCE"), (announcing, "AT_ONCE"), (passes, "SAMPLE")):
        monkeypatch.setattr(module, name, 500)
    folder, wrong = folder_of(0.3, last=True)
    assert not wrong[: PAIRS // 2].any()
    planner = planner_of(folder)
    planner.begin_pass(1, 2)
    judged = hopeless_of(planner).opinion.text.state_dict()["verdicts"] != verdicts.UNKNOWN
    with caplog.at_level("INFO"):
        announcing.announce_hopeless(planner)
    told = re.search(r"([0-9]+) of 500 pairs \(", caplog.text)
    assert told and 0.7 < int(told[1]) / wrong[judged].sum() < 1.05 and judged.sum() == 500
    after = hopeless_of(planner).opinion.text.state_dict()["verdicts"] != verdicts.UNKNOWN
    assert (after == judged).all(), "no more text is read for that line"


def test_a_pair_that_the_boss_learns_comes_back() -> None:
    planner = planner_of(reexamine=0.5)
    run(planner, range(1, 2))
    found = hopeless_of(planner).hopeless(np.arange(PAIRS))
    mistaken = np.flatnonzero(found)[::10]  # say that these are none
    learned = ~WRONG
    learned[mistaken] = True
    run(planner, range(2, 12), learned)
    after = hopeless_of(planner).hopeless(np.arange(PAIRS))
    assert after[mistaken].mean() < 0.75 and after[found & ~learned].mean() > 0.9


def test_the_boss_adds_pairs_that_text_is_not_sure_of() -> None:
    planner = planner_of(hopeless="keep", sure=0.95)
    run(planner, range(1, 2))
    policy, everyone = hopeless_of(planner), np.arange(PAIRS)
    before = policy.hopeless(everyone)
    planner.begin_pass(2, 2)
    after = policy.hopeless(everyone)
    assert (after & WRONG).sum() > (before & WRONG).sum() and (after & ~WRONG).sum() < 15


def test_classes_are_those_of_the_log_odds() -> None:
    policy, pairs = hopeless_of(planner_of()), np.arange(6)
    chances = np.array([0.29, 0.31, 0.49, 0.51, 0.89, 0.91])
    odds = np.log(chances / (1 - chances))
    for before, told, classes in (
        (False, -1, [OTHER, OTHER, OTHER, LIKELY, LIKELY, SURE]),
        (True, -1, [OTHER, LIKELY, LIKELY, LIKELY, LIKELY, SURE]),
        (False, 1, [OTHER, OTHER, OTHER, SURE, SURE, SURE]),
    ):
        policy._set_classes(pairs, odds, np.full(6, told, np.float32), np.full(6, before))
        assert policy.opinion.surprise.classes(pairs).tolist() == classes


@pytest.mark.parametrize("stop", [0, 3, 25])
@pytest.mark.parametrize("index", [1, 2])
def test_what_is_saved_within_a_pass_goes_on_as_if_never_stopped(index: int, stop: int) -> None:
    whole, stopped, resumed = planner_of(), planner_of(), planner_of()
    head = run(stopped, range(1, index + 1), stop=stop)
    resumed.load_state_dict(stopped.state_dict())
    assert head + run(resumed, range(index, 4)) == run(whole, range(1, 4))
    told = [planner.policy.state_dict()["text"]["verdicts"] for planner in (whole, resumed)]
    assert told[0].tobytes() == told[1].tobytes()


def test_each_of_several_folders_has_its_own_verdicts() -> None:
    other, wrong = folder_of(0.25, seed=1)
    planner = planner_of()
    run(planner, range(1, 2))
    planner.turn_to(other)
    kept = np.bincount(trained(run(planner, range(2, 3), ~wrong)), minlength=PAIRS)
    assert kept[wrong].mean() < 0.65 and kept[~wrong].mean() > 0.97
    planner.turn_to(FOLDER)
    run(planner, range(3, 4))
    policy = hopeless_of(planner)
    assert policy.frozen["pass"] == 2 and not policy.opinion.seconds, "it is not read again"
    found = policy.hopeless(np.arange(PAIRS))
    assert found[WRONG].mean() > 0.7 and found[~WRONG].mean() < 0.02


def test_a_state_without_text_goes_on_and_reads_it_when_a_pass_begins() -> None:
    planner, older = planner_of(), planner_of()
    run(older, range(1, 3), stop=4)
    state = older.state_dict()
    del state["policy"]["text"], state["policy"]["hopeless"]["believed"]
    planner.load_state_dict(state)
    run(planner, range(2, 4))
    assert hopeless_of(planner).hopeless(np.arange(PAIRS))[WRONG].mean() > 0.7


def test_a_vote_by_hand() -> None:
    vote = Vote(slope=2.0, middle=1.0, most=1.5)
    votes = vote.apply(np.array([1, 1.5, 9, 0, -9, np.nan]))
    assert votes.tolist() == [0, 1, 1.5, -2, -MOST, 0]


def test_the_vote_is_the_ratio_of_the_densities_that_labelled_pairs_have() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.random(20_000) < 0.3
    values = rng.normal(np.where(wrong, 2.0, 0.0), 1.0)
    vote = vote_of(values, np.where(wrong, 8.0, -8.0), np.ones(len(values)))
    # N(2, 1) over N(0, 1) is e^(2 x - 2); at the mean of the wrong ones, e^2.
    assert (vote.slope, vote.middle, vote.most) == pytest.approx((2, 1, 2), abs=0.06)
    # What is known beforehand may be little, if it is true: the log-odds of another measurement.
    told = 2 * rng.normal(np.where(wrong, 1.0, -1.0), 1) + np.log(0.3 / 0.7)
    unsure = vote_of(values, told, np.ones(len(values)))
    assert (unsure.slope, unsure.middle) == pytest.approx((2, 1), abs=0.1)


@given(st.integers(0, 1000), st.floats(-3, 3))
def test_a_vote_never_falls_with_surprise(seed: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 3, 300)
    values = rng.normal(np.where(odds > 0, apart, 0), 1)
    votes = vote_of(values, odds, np.ones(300)).apply(np.linspace(-9, 9, 100))
    assert (np.diff(votes) >= 0).all() and np.isfinite(votes).all()


def test_too_few_wrong_pairs_or_wrong_ones_that_surprise_less_make_no_vote() -> None:
    rng = np.random.default_rng(0)
    values, ones = rng.normal(0, 1, 1_000), np.ones(1_000)
    assert vote_of(values, np.full(1_000, -6.0), ones) == Vote()
    copies = np.arange(1_000) < 300
    lower = vote_of(values - 3 * copies, np.where(copies, 8.0, -8.0), ones)
    assert lower.apply(values).tolist() == [0] * 1_000


@pytest.mark.parametrize(("method", "sound"), [("prepare", 0), ("verdicts", 0), ("verdicts", 3)])
def test_without_a_judge_that_fails_the_run_goes_on(
    method: str, sound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hopeless, "AT_ONCE", 100)
    asked, whole = [0], getattr(TextJudge, method)

    def fails(judge: TextJudge, *args: Any) -> Any:
        asked[0] += 1
        if asked[0] > sound:
            raise RuntimeError("planted")
        return whole(judge, *args)

    monkeypatch.setattr(TextJudge, method, fails)
    worker = Worker(planner_of(on_error="continue"), 0, 5)
    planner = worker.planner
    for index in (1, 2):
        now = worker.attempt(lambda index=index: planner.begin_pass(index, 2))  # type: ignore[misc]
        kept: list[int] = []
        while planner.learned < now.updates:
            while planner.may_plan():
                worker.attempt(planner.plan_next)
            pairs = np.concatenate(planner.live[0].update(planner.learned))
            kept += pairs.tolist()
            planner.learn(Feedback(index, planner.learned, np.ones(len(pairs), np.float32)))
        assert len(set(kept)) == len(kept)
    assert planner.failed == "RuntimeError: planted" and sorted(kept) == list(range(PAIRS))


def test_a_curriculum_by_worth_does_not_begin_with_wrong_pairs() -> None:
    planner = planner_of(policy="competence", difficulty="worth", pace=6.0)
    passes = [trained(run(planner, range(number, number + 1))) for number in range(1, 5)]
    sizes = [len(pairs) for pairs in passes]
    assert sizes == sorted(sizes) and sizes[-1] < 0.75 * PAIRS
    for pairs in passes:  # 25% are wrong; a tenth of them would come if they were examined again
        assert WRONG[pairs].mean() < 0.01
    # Its reader is the one who looks for wrong pairs: it has all verdicts already.
    assert hopeless_of(planner).opinion.text is hopeless_of(planner).inner.text
    assert hopeless_of(planner).opinion.seconds > 0


@pytest.mark.parametrize("at_once", [PAIRS, 300], ids=["judged at once", "more than are judged"])
@pytest.mark.parametrize("difficulty", ["length", "rarity"])
def test_a_curriculum_opens_an_update_of_pairs_that_are_not_cut(
    difficulty: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would find too few otherwise, and the pass would keep every pair, wrong ones as well."""
    monkeypatch.setattr(hopeless, "AT_ONCE", at_once)
    planner, group = planner_of(policy="competence", difficulty=difficulty, pace=6.0), 16
    now = planner.begin_pass(1, group)
    assert not now.keep_all and now.updates >= 1
    keep = planner.policy.keep_probability(np.arange(PAIRS)) == 1
    assert group <= keep.sum() < 0.1 * PAIRS
    assert not hopeless_of(planner).hopeless(np.flatnonzero(keep)).any()
    first = trained(run(planner, range(1, 2)))
    assert (planner.policy.keep_probability(first) > 0).all(), "closed pairs fill no update"
