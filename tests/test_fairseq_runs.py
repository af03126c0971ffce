"""How runs of the corrected fairseq begin, go on and end, with the plug-in and without it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from binarised import Binarised, binarise, sentences, write_split
from training import Run, Server

from autoassist_fairseq.tools.install import runs as runs

pytestmark = pytest.mark.slow

STOCK = ("--task", "translation")
FLAGS = ("--batch-size", 20, "--batch-size-valid", 40, "--num-workers", 0)
BLEU = '{"beam": 1, "max_len_a": 0, "max_len_b": 0, "min_len": 0}'
ENDED = "nothing is left to do"


def settings(**changed: Any) -> SimpleNamespace:
    """What `check_metric` reads; ``criterion__name`` is that of a group."""
    groups: dict[str, dict[str, Any]] = {
        "task": {"_name": "translation", "eval_bleu": False},
        "criterion": {"_name": "label_smoothed_cross_entropy", "report_accuracy": False},
        "dataset": {"disable_validation": False},
        "checkpoint": {"best_checkpoint_metric": "loss", "maximize_best_checkpoint_metric": False},
    }
    for name, value in changed.items():
        group, _, key = name.partition("_")
        groups[group][key] = value
    return SimpleNamespace(**{name: SimpleNamespace(**keys) for name, keys in groups.items()})


METRIC, RISING = "checkpoint_best_checkpoint_metric", "checkpoint_maximize_best_checkpoint_metric"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({METRIC: "nll_loss"}, ""),
        ({METRIC: "bleu"}, "(loss, ppl, nll_loss), but is bleu; .* or give `--eval-bleu`."),
        ({METRIC: "blue"}, "(loss, ppl, nll_loss), but is blue; name one of them."),
        ({METRIC: "accuracy"}, "give `--report-accuracy`"),
        ({METRIC: "bleu", "task_eval_bleu": True, RISING: True}, ""),
        ({METRIC: "bleu", "task_eval_bleu": True}, "higher it is.* give `--maximize-best"),
        ({RISING: True}, "lower it is.* leave out `--maximize-best"),
        ({METRIC: "blue", "dataset_disable_validation": True}, ""),
        ({METRIC: "blue", "task__name": "language_modeling"}, ""),
        ({METRIC: "score", "criterion__name": "my_own"}, ""),
    ],
)
def test_the_best_metric_must_be_there_and_go_the_right_way(
    changed: dict[str, Any], told: str
) -> None:
    if told:
        with pytest.raises(runs.RunError, match=told.replace("(", r"\(").replace(")", r"\)")):
            runs.check_metric(settings(**changed))
    else:
        runs.check_metric(settings(**changed))


@pytest.mark.parametrize(
    ("cpu", "gpus", "given", "used"),
    [(True, True, "nccl", "gloo"), (False, False, "nccl", "gloo"), (True, False, "mpi", "mpi")]
    + [(False, True, "nccl", "nccl"), (False, True, "gloo", "gloo")],
)
def test_tensors_on_cpus_are_sent_by_what_can(
    cpu: bool, gpus: bool, given: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus)
    cfg = SimpleNamespace(
        common=SimpleNamespace(cpu=cpu),
        distributed_training=SimpleNamespace(distributed_backend=given),
    )
    assert runs.usable_backend(cfg) == used


def test_as_many_ranks_are_started_as_there_are_gpus() -> None:
    assert [runs.ranks_to_start(8, 16), runs.ranks_to_start(8, 4)] == [8, 4]
    with pytest.raises(runs.RunError, match="sees no GPU on this machine"):
        runs.ranks_to_start(0, 0)


@pytest.mark.parametrize(
    ("source", "target", "right"),
    [(None, None, ("de", "en")), ("de", None, ("de", "en")), ("en", None, ("en", "de"))]
    + [(None, "en", ("de", "en")), (None, "de", ("en", "de")), ("fr", None, "one is fr")],
)
def test_one_language_given_says_the_direction(
    source: str | None, target: str | None, right: Any
) -> None:
    cfg = SimpleNamespace(source_lang=source, target_lang=target)
    if isinstance(right, tuple):
        assert runs.directed(cfg, ("de", "en")) == right
    else:
        with pytest.raises(runs.RunError, match=right):
            runs.directed(cfg, ("de", "en"))


def test_alignments_are_those_of_all_pairs() -> None:
    runs.check_alignments([0, 0], ["a", "b"], "train")
    with pytest.raises(runs.RunError, match="each pair of train, but there are 2 for 3 pairs"):
        runs.check_alignments([0, 0], ["a", "b", "c"], "train")


def epochs(run: Run) -> list[int]:
    """The epochs that a run trained in."""
    assert run.status == 0, run.output
    return [int(line["epoch"]) for line in run.logged("train")]


def last(folder: Path) -> tuple[bytes, int]:
    path = folder / "checkpoint_last.pt"
    return path.read_bytes(), path.stat().st_mtime_ns


def test_a_run_has_ended_by_any_of_its_ends(caplog: pytest.LogCaptureFixture) -> None:
    ends = {"max_epoch": 3, "max_update": 20, "stop_time_hours": 2.0}
    cfg = SimpleNamespace(optimization=SimpleNamespace(**ends), checkpoint=Checkpoint())
    caplog.set_level("INFO")
    for updates, hours, epoch, told in (
        (0, 0.0, 1, ""),
        (19, 1.9, 3, ""),
        (20, 1.9, 3, "--max-update 20 (20 updates)"),
        (19, 2.1, 3, "--stop-time-hours 2.0 (19 updates)"),
        (19, 1.9, 4, "--max-epoch 3 (19 updates)"),
    ):
        trainer = SimpleNamespace(
            _previous_training_time=hours * 3600, get_num_updates=lambda done=updates: done
        )
        assert runs.left_to_train(cfg, trainer, epoch) == (0 if told else 3)
        assert told in caplog.text and bool(told) == bool(caplog.text)
        caplog.clear()


class Checkpoint(dict[str, Any]):
    """The group of that name, without any reset."""

    save_dir, checkpoint_suffix, restore_file, patience = "nowhere", "", "checkpoint_last.pt", -1

    def __missing__(self, name: str) -> bool:
        return False


def test_patience_is_kept_and_an_ended_run_stays_ended(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    def train(*flags: object) -> Run:
        return server.train(corpus.data, tmp_path, *FLAGS, "--lr", "0", *flags)

    first = train("--patience", 2, "--max-epoch", 2)
    assert epochs(first) == [1, 2]
    before = last(tmp_path)
    again = train("--patience", 2, "--max-epoch", 2)
    assert (
        epochs(again) == [] and f"{ENDED}: the checkpoint has reached --max-epoch 2" in again.output
    )
    assert last(tmp_path) == before
    # Without counters in the checkpoint it goes on to epoch 5.
    second = train("--patience", 2, "--max-epoch", 9)
    assert epochs(second) == [3] and "early stop" in second.output
    before = last(tmp_path)
    for flags, name in (
        (("--patience", 2), "--patience 2"),
        (("--max-update", 20), "--max-update 20"),
    ):
        ended = train(*flags)
        assert epochs(ended) == [] and f"{ENDED}: the checkpoint has reached {name}" in ended.output
    assert last(tmp_path) == before
    assert epochs(train("--patience", 3, "--max-epoch", 9)) == [4]


def test_empty_translations_have_bleu_0(server: Server, corpus: Binarised, tmp_path: Path) -> None:
    flags = ("--eval-bleu", "--eval-bleu-args", BLEU, "--max-update", 2)
    best = ("--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric")
    run = server.train(corpus.data, tmp_path / "0", *FLAGS, *flags, *best)
    assert [line["valid_bleu"] for line in run.logged("valid")] == ["0"], run.output
    told = server.train(corpus.data, tmp_path / "1", *FLAGS, *best)
    assert told.status == 1 and not told.checkpoints()
    assert "error: `--best-checkpoint-metric` must be one" in told.output.splitlines()[-1]
    assert "Traceback" not in told.output


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--write-checkpoints-asynchronously",), "`--write-checkpoints-asynchronously` must"),
        (("--lr-scheduler", "inverse_sqrt", "--warmup-updates", 0), "`--warmup-updates` must be 1"),
        (("--lr-scheduler", "polynomial_decay"), "`--total-num-update` must be given for the"),
        (("--encoder-embed-dim", 15), "`--encoder-embed-dim` and"),
        (("--eval-bleu", "--eval-bleu-args", "{beam:4}"), "must be a JSON object, such as"),
        (("--adam-betas", "(0.9"), "`--adam-betas` must be two numbers"),
        (("--num-batch-buckets", 3), "`--num-batch-buckets` must go with `--max-tokens`"),
    ],
)
def test_what_fairseq_would_break_at_is_one_sentence(
    flags: tuple[object, ...], told: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    run = server.train(corpus.data, tmp_path, *FLAGS, *flags)
    assert run.status == 1 and not run.checkpoints()
    assert "Traceback" not in run.output and told in run.output.splitlines()[-1]


def test_ranks_that_nobody_starts_are_an_error(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    meet = ("--distributed-world-size", 2, "--distributed-init-method", "tcp://127.0.0.1:1")
    run = server.train(corpus.data, tmp_path, *FLAGS, *meet, "--cpu")
    assert run.status == 1
    assert "`--distributed-world-size` must be the number of GPUs" in run.output.splitlines()[-1]


def test_help_names_every_flag_of_what_is_chosen(server: Server) -> None:
    chosen = ("--criterion", "label_smoothed_cross_entropy", "--arch", "transformer")
    more = ("--optimizer", "adam", "--lr-scheduler", "inverse_sqrt", "--help")
    run = server.train("DATA", Path("nowhere"), *chosen, *more)
    assert run.status == 0, run.output
    for flag in ("--autoassist-policy", "--eval-bleu", "--label-smoothing", "--encoder-layers"):
        assert flag in run.output
    assert "--adam-betas" in run.output and "--warmup-init-lr" in run.output


def test_old_formats_train_the_same(server: Server, tmp_path: Path) -> None:
    import numpy as np

    for split in ("train", "valid"):
        write_split(tmp_path, split, sentences(np.random.default_rng(1), 300, 3, 15))
    found = {}
    for form, workers in (("mmap", 0), ("lazy", 2), ("cached", 2)):
        data = tmp_path / form
        binarise(server, tmp_path, data, "--dataset-impl", form)
        flags = (*STOCK, *FLAGS[:4], "--num-workers", workers, "--max-epoch", 2)
        run = server.train(data, tmp_path / f"{form}-run", *flags, "--dataset-impl", form)
        assert run.status == 0, run.output
        found[form] = run.losses, run.logged("valid")[0]["valid_loss"]
    assert found["lazy"] == found["cached"] == found["mmap"]


def test_averages_begin_later_and_go_on_as_never_stopped(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    ema = ("--store-ema", "--ema-decay", 0.9, "--ema-update-freq", 3, "--ema-fp32")
    flags = (*FLAGS, "--save-interval-updates", 8)
    assert server.train(corpus.data, tmp_path, *flags, "--max-update", 8).status == 0
    begun = server.train(corpus.data, tmp_path, *flags, *ema, "--max-update", 16)
    assert begun.status == 0 and "EMA is re-initialized" in begun.output, begun.output
    server.train(corpus.data, tmp_path, *flags, *ema, "--max-update", 24)
    kept = averages(tmp_path / "checkpoint_last.pt")
    origin = tmp_path / "checkpoint_1_8.pt"
    whole = ("--restore-file", origin, "--max-update", 24)
    server.train(corpus.data, tmp_path / "whole", *flags, *ema, *whole)
    whole_kept = averages(tmp_path / "whole" / "checkpoint_last.pt")
    assert kept.keys() == whole_kept.keys() and kept
    for name, value in kept.items():
        assert torch.equal(value, whole_kept[name]), name


def averages(path: Path) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of the weights' averages."""
    state = torch.load(path, weights_only=False)["extra_state"]
    both = {**state["ema"], **{f"{k}32": v for k, v in state["ema_fp32_params"].items()}}
    # That of positions is no weight, and was never set.
    return {name: value for name, value in both.items() if "_float_tensor" not in name}
