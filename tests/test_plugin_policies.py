"""Every policy as `fairseq-train` runs it: exact after SIGKILL, the same on two ranks."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from binarised import Binarised, make_corpus
from exactness import Setup, assert_resumes_exactly, trace
from kills import Kill, micro_batches
from training import TASK, Server

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import Settings

pytestmark = pytest.mark.slow

INTERVAL, PASSES = 6, 3
POLICIES = {
    "shrink": "--autoassist-keep 0.6",
    "random": "--autoassist-rate 0.4",
    "self-paced": "--autoassist-pace 3",
    "importance": "--autoassist-presample 2",
    "loss-table": "--autoassist-rate 0.6",
    "competence": "--autoassist-difficulty length",
}


def setup_of(policy: str, data: Path, ranks: int, freq: int, *more: object) -> Setup:
    flags = (
        *("--autoassist-policy", policy, *POLICIES[policy].split(), "--batch-size", 8 // ranks),
        *("--max-epoch", PASSES, "--save-interval-updates", INTERVAL, "--num-workers", 0, *more),
    )
    return Setup(data, flags, ranks, (freq,))


def test_on_two_ranks_killed_and_resumed_equals_never_stopped(
    server: Server, few: Binarised, tmp_path: Path
) -> None:
    """With the policy that remembers a number for each pair; test_stock_flags kills them all."""
    policy, ranks = "loss-table", 2
    setup = setup_of(policy, few.data, ranks, 1)
    unbroken = setup.launch(server, tmp_path / "unbroken")
    assert [run.status for run in unbroken] == [0] * ranks, unbroken[0].output
    places, rng = micro_batches(unbroken), np.random.default_rng(len(policy))
    drawn = np.sort(rng.choice(len(places), 3, replace=False))
    kills = [Kill(int(rng.integers(ranks)), places[place]) for place in drawn]
    assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, tmp_path / "broken")


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "importance"])
def test_two_ranks_train_on_what_one_does(
    policy: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    """The same pairs in every update, and (to rounding) the same losses, weighted as they are."""
    more = ("--dropout", 0, "--autoassist-updates", 100, "--no-save")
    one, two = (setup_of(policy, few.data, ranks, 1, *more) for ranks in (1, 2))
    # One rank with two micro-batches of half the size: the same group of batches.
    one = Setup(one.data, (*one.flags, "--batch-size", 4), 1, (2,))
    first, second = (
        setup.launch(server, tmp_path / name) for setup, name in ((one, "1"), (two, "2"))
    )
    assert {run.status for run in (*first, *second)} == {0}, second[0].output
    whole, other = trace(first), trace(second)
    for index in range(1, PASSES + 1):
        assert whole.pairs(index) == other.pairs(index)
    chosen = [sum(map(len, whole.pairs(index))) for index in range(1, PASSES + 1)]
    assert min(chosen) < few.pairs, "some pass leaves pairs out"
    lines = [
        [float(line["loss"]) for line in runs[0].logged("train_inner")] for runs in (first, second)
    ]
    assert lines[0] == pytest.approx(lines[1], abs=0.002)


def test_weights_are_those_of_the_plan_and_reach_the_loss(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    """Dropping nothing, the loss table is uniform; dropping half, it trains on fewer pairs."""
    flags = ("--max-tokens", 80, "--max-epoch", 2, "--autoassist-updates", 10_000)
    runs = [
        server.train(corpus.data, tmp_path / name, *flags, *own.split())
        for name, own in {
            "uniform": "--autoassist-policy uniform",
            "nothing": "--autoassist-policy loss-table --autoassist-rate 0",
            "half": "--autoassist-policy loss-table --autoassist-rate 0.5",
        }.items()
    ]
    assert {run.status for run in runs} == {0}, runs[-1].output
    assert runs[0].losses == runs[1].losses
    assert len(runs[2].trained(2)) < 0.9 * corpus.pairs
    assert sorted(runs[2].considered(2)) == [*range(corpus.pairs)]


def test_importance_trains_on_a_part_of_each_chunk_and_says_what_scoring_costs(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = ("--max-tokens", 60, "--max-epoch", 2)
    chunks = (*TASK, "--autoassist-policy", "importance", "--autoassist-presample", 4)
    run = server.train(corpus.data, tmp_path / "a", *flags, *chunks)
    whole = server.train(corpus.data, tmp_path / "b", *flags, "--autoassist-policy", "uniform")
    assert run.status == whole.status == 0, run.output
    assert sorted(run.considered(2)) == [*range(corpus.pairs)]
    for line in run.logged("train"):
        assert float(line["train_aa_score"]) > 0
    trained, everything = (
        sum(float(line["wpb"]) for line in each.logged("train_inner")) for each in (run, whole)
    )
    assert 0.1 * everything < trained < 0.35 * everything


@pytest.mark.parametrize(
    ("policy", "given", "done"),
    [
        *(("uniform", "auto", "cut"), ("shrink", "auto", "cut"), ("uniform", "keep", "keep")),
        *(("importance", "auto", "off"), ("importance", "cut", "cut"), ("off", "auto", "off")),
    ],
)
def test_what_is_done_about_hopeless_pairs_goes_with_the_policy_unless_it_is_said(
    policy: str, given: str, done: str
) -> None:
    from autoassist_fairseq.plugin.options import hopeless_from

    cfg = SimpleNamespace(autoassist_policy=policy, autoassist_hopeless=given)
    assert hopeless_from(cfg) == done
    refused = policy == "importance" and done == "cut"
    assert bool(Settings(policy=policy, hopeless=done).problems()) == refused


def test_random_follows_the_log_of_a_run(server: Server, corpus: Binarised, tmp_path: Path) -> None:
    flags = ("--max-tokens", 80, "--max-epoch", 3, "--autoassist-base-prob", 0.2)
    log = tmp_path / "shrink.log"
    shrunk = server.train(corpus.data, tmp_path / "a", *flags, "--log-file", log)
    assert shrunk.status == 0, shrunk.output
    control = ("--autoassist-policy", "random", "--autoassist-rate", log)
    random = server.train(corpus.data, tmp_path / "b", *flags, *control)
    assert random.status == 0, random.output
    kept, matched = (
        [float(line["train_aa_keep_tokens"]) for line in run.logged("train")]
        for run in (shrunk, random)
    )
    assert kept[0] == matched[0] == 1 and kept[2] < 0.9
    assert matched == pytest.approx(kept, abs=0.06)


@pytest.mark.parametrize("layout", ["json", "simple"])
def test_rates_are_read_from_both_layouts(layout: str, tmp_path: Path) -> None:
    from autoassist_fairseq.plugin.rates import rates_from

    log = tmp_path / "train.log"
    lines = []
    for epoch, keep in ((1, 1), (2, 0.5), (2, 0.75)):  # said twice after a resume: the last counts
        figures = {"epoch": epoch, "train_loss": "3", "train_aa_keep_tokens": str(keep)}
        stamp = "[default0]:2026-01-01 10:00:00 | INFO | train | "
        json_line = stamp + json.dumps({**figures, "train_num_updates": str(9 * epoch)})
        told = f"loss 3 | aa_keep_tokens {keep} | ppl 8 | num_updates {9 * epoch}"
        simple = f"{stamp}epoch {epoch:03d} | {told}"
        lines += [json_line if layout == "json" else simple, "| INFO | train_inner | {}", "{"]
    log.write_text("\n".join(lines))
    assert rates_from(str(log)) == (0.0, 0.25)
    assert rates_from("0.5") == (0.5,) and rates_from("0, 0.3,0.4") == (0, 0.3, 0.4)


def test_the_rate_of_a_log_of_one_pass_is_that_pass_s(tmp_path: Path) -> None:
    """One number would be the rate of all passes, behind a warm-up that keeps every pair."""
    from autoassist_fairseq.plugin.rates import rates_from

    log = tmp_path / "train.log"
    told = "epoch 001 | loss 3 | aa_keep_tokens 0.75 | num_updates 9"
    log.write_text(f"2026-01-01 10:00:00 | INFO | train | {told}\n")
    assert rates_from(str(log)) == (0.25, 0.25)


@pytest.mark.parametrize("after", [0.1, None])
def test_the_rates_of_a_log_of_several_runs_are_those_of_the_last(
    after: float | None, tmp_path: Path
) -> None:
    from autoassist_fairseq.plugin.rates import rates_from

    log = tmp_path / "train.log"
    told = [(epoch, 0.5) for epoch in range(1, 6)] + [(epoch, after) for epoch in (1, 2)]
    kept = [(epoch, "" if share is None else f"aa_keep_tokens {share} | ") for epoch, share in told]
    lines = (f"epoch {epoch:03d} | loss 3 | {share}num_updates {epoch}\n" for epoch, share in kept)
    log.write_text("".join(lines))
    if after is None:  # a run without the Assistant
        with pytest.raises(UserError, match="has it for 0 epochs"):
            rates_from(str(log))
    else:
        assert rates_from(str(log)) == (0.9, 0.9)


@pytest.mark.parametrize("content", ["", "| train | {}", "| epoch 003 | aa_keep_tokens 0.5"])
def test_a_log_without_rates_is_one_sentence(content: str, tmp_path: Path) -> None:
    from autoassist_fairseq.plugin.rates import rates_from

    log = tmp_path / "train.log"
    log.write_text(content)
    with pytest.raises(UserError, match="--autoassist-rate.*aa_keep_tokens"):
        rates_from(str(log))


def test_two_data_folders_are_one_run_and_each_remembers_its_pairs(
    server: Server, tmp_path: Path
) -> None:
    big = make_corpus(server, tmp_path / "big", 300).data
    small = make_corpus(server, tmp_path / "small", 200, seed=1, dictionaries=big).data
    flags = (
        "--max-tokens",
        80,
        "--autoassist-policy",
        "loss-table",
        "--autoassist-hopeless",
        "cut",
    )
    both = f"{big}:{small}"
    whole = server.train(both, tmp_path / "whole", *flags, "--max-epoch", 5)
    first = server.train(both, tmp_path / "broken", *flags, "--max-epoch", 3)
    rest = server.train(both, tmp_path / "broken", *flags, "--max-epoch", 5)
    assert {whole.status, first.status, rest.status} == {0}, rest.output
    assert [rest.trained(epoch) for epoch in (4, 5)] == [whole.trained(epoch) for epoch in (4, 5)]
    assert [len(whole.trained(epoch)) for epoch in (1, 2)] == [300, 200]
    assert len(whole.trained(3)) < 290 and len(whole.trained(4)) < 195
