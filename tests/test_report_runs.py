"""The report on what fairseq-train really leaves: either log format, and its checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from binarised import Binarised
from training import Server

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.report.corpus import read_text
from autoassist_fairseq.tools.report.fitting import trained_text
from autoassist_fairseq.tools.report.keeping import assistant_state, keeping
from autoassist_fairseq.tools.report.run import read_run

pytestmark = pytest.mark.slow

# Warm-up, a shrunk pass, and a validation in the middle of each.
OPTIONS = ("--max-tokens", 300, "--max-epoch", 2, "--validate-interval-updates", 5)


@pytest.mark.parametrize("form", ["json", "simple"])
def test_both_formats_tell_what_was_trained(
    form: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    file = tmp_path / "file" / "bare.log"
    file.parent.mkdir()
    options = (*OPTIONS, "--log-format", form, "--log-file", file)
    ran = server.train(corpus.data, tmp_path, *options)
    assert ran.status == 0, ran.output
    (tmp_path / "train.log").write_text(ran.output)
    run, bare = read_run(tmp_path, "run"), read_run(file, "bare")
    assert run.missing == [] and run.policy == "shrink"
    for epoch in run.epochs:
        pairs = ran.trained(epoch.number)
        trained = sum(read_text(corpus.data).corpus.target.sizes(pairs_of(pairs)))
        # the log rounds the tokens of an update to a tenth
        assert epoch.tokens == pytest.approx(trained, abs=0.05 * epoch.updates + 1)
        assert epoch.seconds is not None
    assert len(run.epochs) == 2 and len(run.points) > 2
    assert any(belief.accuracy for belief in run.beliefs)
    # `--log-file` leaves bare messages, and some of them twice
    assert [epoch.tokens for epoch in bare.epochs] == [epoch.tokens for epoch in run.epochs]
    assert [point.loss for point in bare.points] == [point.loss for point in run.points]


def test_keep_rates_of_a_real_checkpoint(server: Server, corpus: Binarised, tmp_path: Path) -> None:
    ran = server.train(corpus.data, tmp_path, *OPTIONS)
    assert ran.status == 0, ran.output
    state = assistant_state(tmp_path)
    found = keeping(state, "run", trained_text(state, corpus.data))
    assert found.pairs == corpus.pairs
    # every other target of this corpus repeats one word, which the Boss soon finds trivial
    assert 0.5 < found.keep < 1
    repeats = [len(set(example.target.split())) == 1 for example in found.examples]
    assert sum(repeats) > 0.8 * len(repeats)


def test_what_a_run_was_trained_on_is_known_again(
    server: Server, corpus: Binarised, few: Binarised, tmp_path: Path
) -> None:
    """The other way round than the corpus was prepared; some pairs do not fit the model."""
    limits = ("--max-source-positions", 12, "--max-target-positions", 13)
    given = ("--source-lang", "en", "--target-lang", "de", "--skip-invalid-size-inputs-valid-test")
    ran = server.train(corpus.data, tmp_path, *OPTIONS, *limits, *given)
    assert ran.status == 0 and "are left out" in ran.output, ran.output
    state = assistant_state(tmp_path)
    text = trained_text(state, corpus.data)
    assert text.pair(0) == read_text(corpus.data).pair(0)[::-1]
    with pytest.raises(UserError, match="but the training set of|but the source dictionary of"):
        trained_text(state, few.data)
    (tmp_path / "train.log").write_text(ran.output)
    assert read_run(tmp_path, "run").languages == ("en", "de")


def test_keep_rates_are_those_of_the_share_that_was_asked_for(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    ran = server.train(corpus.data, tmp_path, *OPTIONS, "--autoassist-keep", 0.4)
    assert ran.status == 0, ran.output
    text = read_text(corpus.data)
    found = keeping(assistant_state(tmp_path), "run", text)
    trained, considered = (
        text.corpus.target.sizes(pairs_of(pairs)).sum()
        for pairs in (ran.trained(2), ran.considered(2))
    )
    assert trained / considered == pytest.approx(0.4, abs=0.05)
    # Bins are of about as many pairs: the share of tokens, as it is for the next pass
    tokens = sum(one.value for one in found.by_length)
    share = sum(one.value * one.keep for one in found.by_length) / tokens
    assert share == pytest.approx(0.4, abs=0.08) and found.keep < 0.6


def pairs_of(ids: list[int]) -> Ints:
    return np.array(ids, np.int64)
