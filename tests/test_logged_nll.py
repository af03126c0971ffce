"""The NLL and perplexity in the log are those of the pairs trained on, whatever they weigh."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from binarised import Binarised
from faulty import GLOO
from test_plugin_data import lengths_of
from test_plugin_tap import CRITERIA, Boss, boss
from training import Run, Server, train_flags

pytestmark = pytest.mark.slow
__all__ = ["boss"]

WEIGHING = {
    "self-paced": "--autoassist-policy self-paced --autoassist-pace 3",
    "importance": "--autoassist-policy importance",
    "loss-table": "--autoassist-policy loss-table --autoassist-rate 0.6",
    # Nothing is hopeless in a corpus as small as this: weights may be, but are not.
    "hopeless": "--autoassist-hopeless weight",
}


def by_hand(run: Run, lengths: list[int]) -> tuple[list[float], list[float]]:
    """Return the NLL in bits of every batch, summed over tokens, and its tokens."""
    bits, tokens = [], []
    for batch in run.of("batch"):
        sizes = [lengths[pair] for pair in batch["ids"]]
        bits.append(float(np.dot(batch["rows"], sizes)) / math.log(2))
        tokens.append(float(sum(sizes)))
    return bits, tokens


def assert_logged(logged: Run, runs: list[Run], lengths: list[int]) -> None:
    """Compare the log of rank 0, of one epoch after the other, with sums over all ``runs``."""
    sums = np.array([by_hand(run, lengths) for run in runs]).sum(0)
    lines = logged.logged("train_inner")
    assert len(lines) == sums.shape[1] > 10
    told = [float(line["nll_loss"]) for line in lines]
    assert told == pytest.approx((sums[0] / sums[1]).tolist(), abs=6e-4)
    ends = [int(float(line["train_num_updates"])) for line in logged.logged("train")]
    for line, first, end in zip(logged.logged("train"), [0, *ends], ends, strict=False):
        bits, tokens = sums[:, first:end].sum(1)
        assert float(line["train_nll_loss"]) == pytest.approx(bits / tokens, abs=6e-4)
        assert float(line["train_ppl"]) == pytest.approx(2 ** (bits / tokens), rel=1e-3, abs=6e-3)


@pytest.mark.parametrize(
    ("policy", "criterion", "ranks"),
    [
        *((policy, "cross_entropy", 1) for policy in WEIGHING),
        *((policy, "cross_entropy", 2) for policy in ("importance", "loss-table")),
        ("loss-table", "label_smoothed_cross_entropy", 1),
    ],
)
def test_weights_are_not_in_the_logged_nll(
    policy: str, criterion: str, ranks: int, server: Server, few: Binarised, tmp_path: Path
) -> None:
    flags = ("--criterion", criterion, "--dropout", 0, "--batch-size", 8 // ranks)
    spread = ("--max-epoch", 2, "--num-workers", 0, *(("--cpu", *GLOO) if ranks > 1 else ()))
    given = train_flags(tmp_path, *flags, *WEIGHING[policy].split(), *spread)
    runs = server.run_ranks(
        "fairseq-train", few.data, *given, save_dir=tmp_path, ranks=ranks, probe={"rows": True}
    )
    assert {run.status for run in runs} == {0}, runs[0].output
    assert_logged(runs[0], runs, lengths_of(few.data, "train", "en"))


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("weight", [0.2, 1, 4])
def test_one_weight_of_all_pairs_changes_nothing_but_what_is_divided_by(
    name: str, weight: float, boss: Boss
) -> None:
    from fairseq.logging import metrics
    from tapping import make_criterion, step

    from autoassist_fairseq.plugin.loss_tap import LossTap
    from autoassist_fairseq.plugin.weighting import SIZES, add_weights, logged_by, resized

    criterion, sample = make_criterion(name, boss.task), dict(boss.sample)
    lengths = np.asarray(sample["target"].ne(boss.task.target_dictionary.pad()).sum(-1))
    (_, size, plain), _ = step(criterion, boss.model, boss.sample)
    LossTap(criterion, weighs=True).listening = True
    add_weights(sample, np.full(7, weight), lengths)
    result, _ = step(criterion, boss.model, sample)
    told: Any = resized(result, sample.get(SIZES, (size, size)), criterion.sentence_avg)[2]
    with metrics.aggregate(new_root=True) as found:
        logged_by(criterion, [told, told]).__class__.reduce_metrics([told, told])
    bits = float(plain.get("nll_loss", plain["loss"])) / plain["ntokens"] / math.log(2)
    assert found.get_smoothed_value("nll_loss") == pytest.approx(bits, abs=6e-4)
    assert found.get_smoothed_value("ppl") == pytest.approx(2**bits, rel=1e-3)
    loss = float(plain["loss"]) / size / math.log(2)
    assert found.get_smoothed_value("loss") == pytest.approx(loss, abs=6e-4)
