"""Several ranks: one plan, one Assistant, and the same run however it is spread."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from binarised import Binarised
from exactness import Setup, Trace, differences, trace
from training import ENVIRONMENT, Run, Server, free_port, train_flags

pytestmark = pytest.mark.slow

SPREADS = ((1, 4), (2, 2), (4, 1))
PAIRS_PER_BATCH = 2
UPDATES = 110
FLAGS: tuple[object, ...] = (
    *("--batch-size", PAIRS_PER_BATCH, "--batch-size-valid", 40, "--dropout", 0),
    *("--num-workers", 0, "--no-save"),
)


def ended_well(runs: Sequence[Run]) -> Trace:
    assert [run.status for run in runs] == [0] * len(runs), runs[0].output
    return trace(runs)


def spread_runs(
    server: Server, data: Path, folder: Path, *flags: object, **probe: Any
) -> dict[int, list[Run]]:
    """Train on 1, 2 and 4 ranks, four batches an update; return the runs by number of ranks."""
    return {
        ranks: Setup(data, (*FLAGS, *flags), ranks, (freq,), probe).launch(
            server, folder / str(ranks)
        )
        for ranks, freq in SPREADS
    }


@pytest.fixture(scope="module")
def fixed(
    server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, list[Run]]:
    """Two passes and a bit with a Boss whose losses are a function of the pair."""
    folder = tmp_path_factory.mktemp("fixed")
    return spread_runs(server, corpus.data, folder, "--max-update", UPDATES, boss="fixed")


def test_ranks_agree_on_plan_and_assistant_at_every_update(fixed: dict[int, list[Run]]) -> None:
    for ranks, runs in fixed.items():
        whole = ended_well(runs)  # `trace` compares the digests of the ranks
        assert len(whole.updates) == UPDATES and whole.updates[-1][0] > 2, "two whole passes"
        for run in runs:
            # The losses of the very last update are learned only where a checkpoint is written.
            assert len(run.of("learned")) >= UPDATES - 1
            assert len(run.of("planned")) == len(whole.plans) >= 5
        assert {key[2] for key in whole.batches} == set(range(4))
        assert len(runs[0].of("batch")) == UPDATES * 4 // ranks


def test_the_same_run_however_it_is_spread(fixed: dict[int, list[Run]]) -> None:
    one, two, four = (trace(fixed[ranks]) for ranks in (1, 2, 4))
    for index in (1, 2):
        assert len(one.pairs(index)) > 16
        assert one.pairs(index) == two.pairs(index) == four.pairs(index)
    assert sum(map(len, one.pairs(2))) < 0.95 * sum(map(len, one.pairs(1)))
    for other in (two, four):
        assert not differences(other, one, only=("plans",))
        assert not differences(other, one, only=("learned",))


def test_batches_of_one_update_are_neighbours_in_length(fixed: dict[int, list[Run]]) -> None:
    whole = trace(fixed[4])
    longest: dict[tuple[int, int], list[int]] = {}
    for key, batch in whole.batches.items():
        longest.setdefault(key[:2], []).append(max(batch["source"][1], batch["target"][1]))
    for (index, _), plan in whole.plans.items():
        updates = range(plan["first"], plan["first"] + plan["updates"])
        spans = sorted(
            (min(longest[index, update]), max(longest[index, update]))
            for update in updates
            if (index, update) in longest
        )
        # No update holds a batch that another update's batches lie between.
        assert all(low[1] <= high[0] for low, high in zip(spans, spans[1:], strict=False))


@pytest.fixture(scope="module")
def real(
    server: Server, few: Binarised, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, list[Run]]:
    """More than one pass and a half with a Transformer without dropout."""
    folder = tmp_path_factory.mktemp("real")
    return spread_runs(server, few.data, folder, "--max-update", 43)


def test_a_transformer_learns_the_same_however_it_is_spread(real: dict[int, list[Run]]) -> None:
    one, *others = (ended_well(real[ranks]) for ranks in (1, 2, 4))
    assert one.updates[-1][0] == 2 and len(one.pairs(2)) > len(one.pairs(1)) / 2
    for other in others:
        # The first pass rests on no loss. From then on only a loss within float summation order
        # of the threshold (one in millions) could change who is kept.
        assert one.pairs(1) == other.pairs(1)
        assert one.pairs(2) == other.pairs(2)
        for key, batch in one.batches.items():
            loss = float.fromhex(batch["loss"])
            assert float.fromhex(other.batches[key]["loss"]) == pytest.approx(loss, rel=1e-4), key
        lines = [(key, float(line["loss"])) for key, line in one.lines.items() if "loss" in line]
        assert len(lines) == 43
        for key, loss in lines:
            assert float(other.lines[key]["loss"]) == pytest.approx(loss, abs=2e-3), key


def test_fairseqs_default_ddp_backend_trains_the_same(
    server: Server, few: Binarised, tmp_path: Path, real: dict[int, list[Run]]
) -> None:
    flags = (*FLAGS, "--max-update", 43, "--ddp-backend", "c10d")
    setup = Setup(few.data, flags, 2, (2,))
    whole, legacy = ended_well(setup.launch(server, tmp_path)), trace(real[2])
    assert [whole.pairs(index) for index in (1, 2)] == [legacy.pairs(index) for index in (1, 2)]
    for key, batch in legacy.batches.items():
        loss = float.fromhex(batch["loss"])
        assert float.fromhex(whole.batches[key]["loss"]) == pytest.approx(loss, rel=1e-4), key


def test_torchrun_on_two_nodes_logs_the_same_losses(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = ("--update-freq", 2, *FLAGS, "--max-update", 20)
    forked = Setup(corpus.data, flags, 2, (2,)).launch(server, tmp_path / "forked")
    ended_well(forked)
    torchrun = Path(sys.executable).with_name("torchrun")
    train = Path(sys.executable).with_name("fairseq-train")
    # How gradients are shared is left to fairseq's defaults.
    nodes, place = 2, ("--master-addr", "127.0.0.1", "--master-port", free_port())
    started = []
    for node in range(nodes):
        command = [
            *(torchrun, "--nnodes", nodes, "--nproc-per-node", 1, "--node-rank", node, *place),
            *(train, corpus.data, *train_flags(tmp_path / "torchrun", "--cpu", *flags)),
        ]
        started.append(start(command, tmp_path / f"{node}.log"))
    statuses = [process.wait(120) for process in started]
    logs = [(tmp_path / f"{node}.log").read_text() for node in range(nodes)]
    for status, log in zip(statuses, logs, strict=True):
        # Rarely, torch's gloo aborts while Python exits, when training has long ended.
        aborted = "terminate called without an active exception" in log.split("done training")[-1]
        assert status == 0 or ("done training" in log and aborted), log
    output = "".join(logs)
    lines = [
        line.split("| train_inner | ")[1] for line in output.splitlines() if "_inner |" in line
    ]
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses == [line["loss"] for line in forked[0].logged("train_inner")]
    assert len(losses) == 20


def start(command: Sequence[object], log: Path) -> subprocess.Popen[bytes]:
    """Start a command, all its output into ``log``."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [str(part) for part in command], env=ENVIRONMENT, stdout=file, stderr=file
        )
