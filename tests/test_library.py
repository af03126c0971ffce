"""Library calls: they raise where programs exit, and ask for nothing that only training needs."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from binarised import WORDS, Binarised, binarise
from checkpointed import load
from training import Server, command

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.averaging.command import main

# Options of version 0.1.0 that are gone, with values as it saved them.
GONE = {
    "autoassist_threshold": "frozen",
    "autoassist_quantile": 0.5,
    "autoassist_expect": "unigrams",
}

pytestmark = pytest.mark.slow


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of fairseq's runs."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "fairseq_cli"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_run_outlives_the_log_that_its_rates_came_from(
    server: Server, corpus: Binarised, tmp_path: Path, library: None
) -> None:
    from fairseq import checkpoint_utils

    import autoassist_fairseq.plugin  # noqa: F401

    log, save = tmp_path / "other.log", tmp_path / "save"
    lines = [
        f"epoch 00{n} | aa_keep_tokens {kept} | num_updates {n}"
        for n, kept in ((1, 1), (2, 0.6), (3, 0.7))
    ]
    log.write_text("\n".join(lines))
    flags = ("--autoassist-policy", "random", "--autoassist-rate", log, "--max-tokens", 200)
    first = server.train(corpus.data, save, *flags, "--max-epoch", 1)
    assert first.status == 0, first.output
    log.unlink()
    rates = ",".join(repr(1 - kept) for kept in (1.0, 0.6, 0.7))
    path = save / "checkpoint_last.pt"
    assert load(path)["cfg"]["task"]["autoassist_rate"] == rates
    _, _, task = checkpoint_utils.load_model_ensemble_and_task([str(path)])
    task.load_dataset("valid")
    on = server.train(corpus.data, save, *flags, "--max-epoch", 3)
    assert on.status == 0 and "on resume" not in on.output, on.output
    sizes = [len(on.trained(epoch)) for epoch in (2, 3)]
    assert sizes[0] < sizes[1] < 0.85 * corpus.pairs
    assert load(path)["cfg"]["task"]["autoassist_rate"] == rates


@pytest.mark.parametrize("suffix", ["", "-x"])
@pytest.mark.parametrize("name", ["checkpoint_last.pt", "own.pt"])
def test_the_rates_of_a_run_are_read_where_fairseq_reads_it(
    suffix: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fairseq import checkpoint_utils

    from autoassist_fairseq.plugin.rates import _rates_of_checkpoint

    saved = {"cfg": {"task": {"autoassist_rate": "0.0,0.5"}}}
    monkeypatch.setattr(checkpoint_utils, "load_checkpoint_to_cpu", lambda _: saved)
    (tmp_path / name.replace(".pt", f"{suffix}.pt")).touch()
    given = name if name == "checkpoint_last.pt" else str(tmp_path / name)
    options = SimpleNamespace(restore_file=given, save_dir=tmp_path, checkpoint_suffix=suffix)
    assert _rates_of_checkpoint(options) == (0, 0.5)


def test_a_checkpoint_of_the_version_before_serves_for_all_but_going_on(
    server: Server, corpus: Binarised, tmp_path: Path, library: None
) -> None:
    import torch
    from fairseq.models.transformer import TransformerModel

    import autoassist_fairseq.plugin  # noqa: F401

    save, path = tmp_path / "save", tmp_path / "save" / "checkpoint_last.pt"
    flags = ("--max-tokens", 200, "--max-epoch", 1)
    assert server.train(corpus.data, save, *flags).status == 0
    state = load(path)
    state["cfg"]["task"].update(GONE)
    kept = state["extra_state"]["train_iterator"]["autoassist"]
    del kept["version"], kept["settings"]["pace"]
    kept.update(format=3)
    torch.save(state, path)

    ours, average = load(path)["cfg"]["task"], tmp_path / "average.pt"
    assert main(["--output", str(average), "--inputs", str(path)]) == 0
    for model in (path, average):
        boss = TransformerModel.from_pretrained(model.parent, model.name, str(corpus.data))
        assert set(boss.translate("w1 w2").split()) <= {*WORDS, "<unk>"}
    decode = ("--path", path, "--gen-subset", "valid", "--beam", 1)
    status, said = command("fairseq-generate", corpus.data, *decode)
    assert status == 0 and "Translated 40 sentences" in said, said
    tuned = server.train(corpus.data, tmp_path / "new", *flags, "--finetune-from-model", path)
    assert tuned.status == 0 and len(tuned.trained(1)) == corpus.pairs, tuned.output
    on = server.train(corpus.data, save, *flags, "--max-epoch", 2)
    assert on.status == 1 and not on.of("batch") and "Traceback" not in on.output
    last = on.output.splitlines()[-1]
    assert re.search(r"format 4 \(.* 0\.2\.\d\), .* 3 \(0\.1\.0\); .*finetune-from", last), last
    assert load(path)["cfg"]["task"] == ours


def test_settings_are_checked_when_training_starts_and_errors_are_raised(
    corpus: Binarised, library: None
) -> None:
    from autoassist_fairseq.plugin import AutoAssistTranslationTask as Task
    from autoassist_fairseq.plugin.options import AutoAssistTranslationConfig

    values: dict[str, Any] = {"autoassist_policy": "random", "autoassist_rate": "none.log"}
    values |= {"train_subset": "train", "dataset_impl": None, "seed": 1}
    cfg = AutoAssistTranslationConfig(data=str(corpus.data), max_update=1, max_epoch=1, **values)
    task = Task.setup_task(cfg)
    with pytest.raises(UserError, match="`--autoassist-rate` .*'none.log'"):
        print(task.settings)
    with pytest.raises(UserError, match="must hold a tests split"):
        task.load_dataset("tests")


@pytest.mark.parametrize(
    ("modules", "main", "name"),
    [
        ((), "/home/me/notebook.py", ""),
        (("fairseq_cli", "fairseq_cli.generate"), "/bin/fairseq-generate", "generate"),
        (("fairseq_cli.train", "fairseq_cli.hydra_train"), "/bin/fairseq-hydra-train", "hydra_tra"),
        (("fairseq_cli",), "/lib/fairseq_cli/train.py", "train"),
    ],
)
def test_which_program_runs(
    modules: tuple[str, ...], main: str, name: str, library: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autoassist_fairseq.plugin.border import program

    for module in modules:
        monkeypatch.setitem(sys.modules, module, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=main))
    assert program().startswith(name) and bool(program()) == bool(name)


def unread(kind: Any, corpus: Binarised) -> Any:
    """A task of ``kind`` that has not looked at its data yet."""
    task = kind.__new__(kind)
    task.cfg = SimpleNamespace(
        source_lang="de",
        target_lang="en",
        train_subset="train",
        data=str(corpus.data),
        dataset_impl=None,
    )
    return task


@pytest.mark.parametrize("hook", ["setup_task", "load_dataset"])
def test_data_that_cannot_be_read_is_called_so(
    hook: str, corpus: Binarised, library: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of mode 600; whoever is root reads everything, so this pretends."""
    from fairseq.tasks.translation import TranslationTask

    from autoassist_fairseq.plugin import AutoAssistTranslationTask as Task

    def denied(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/dict.de.txt")

    monkeypatch.setattr(TranslationTask, hook, denied)
    task = unread(Task, corpus)
    says = r"`DATA` must be readable, but /data/dict.de.txt cannot be read \(Permission denied\);"
    with pytest.raises(UserError, match=says):
        task.setup_task(task.cfg) if hook == "setup_task" else task.load_dataset("valid")


def test_cached_data_is_read_whatever_the_option_says(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    binarise(server, corpus.data.parent, tmp_path / "data", "--dataset-impl", "cached")
    run = server.train(tmp_path / "data", tmp_path / "save", "--max-tokens", 200, "--max-epoch", 1)
    assert run.status == 0 and sorted(run.trained(1)) == [*range(corpus.pairs)], run.output


@pytest.mark.parametrize(("name", "option"), [("generate", "--gen-"), ("train", "--train-")])
def test_the_option_that_is_named_is_the_program_s(
    name: str, option: str, corpus: Binarised, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fairseq.tasks.translation import TranslationTask

    from autoassist_fairseq.plugin import border, opening
    from autoassist_fairseq.plugin import task as plugin

    def missing(*args: Any, **kwargs: Any) -> Any:
        raise FileNotFoundError("Dataset not found: tests")

    monkeypatch.setattr(TranslationTask, "load_dataset", missing)
    monkeypatch.setattr(plugin, "program", lambda: name)
    monkeypatch.setattr(border, "program", lambda: name)
    monkeypatch.setattr(opening, "program", lambda: name)
    task = unread(plugin.AutoAssistTranslationTask, corpus)
    with pytest.raises(SystemExit, match=f"must hold a tests split .* with `{option}subset`"):
        task.load_dataset("tests")
