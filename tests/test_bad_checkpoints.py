"""Bad checkpoints and more bad flags: one sentence, exit status 1, and every file stays as it was.

Bad data and the plug-in's own flags are in test_plugin_bad_input.py.
"""

from __future__ import annotations

import decimal
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from binarised import Binarised, make_corpus
from faulty import digests
from test_plugin_bad_input import CASES as BAD_INPUTS
from training import TASK, Run, Server, command

pytestmark = pytest.mark.slow

FLAGS = ("--max-tokens", 100, "--max-epoch", 2, "--num-workers", 0)
LAST = "checkpoint_last.pt"
State = dict[str, Any]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
        content = archive.read(largest)
    data = bytearray(path.read_bytes())
    data[data.index(content) + len(content) // 2] ^= 1  # not in what lies between records
    path.write_bytes(data)


def fill(data: bytes) -> Callable[[Path], None]:
    return lambda path: None if path.write_bytes(data) else None


def change(edit: Callable[[State], object]) -> Callable[[Path], None]:
    """Return what loads a checkpoint, edits it, and saves it again."""

    def changed(path: Path) -> None:
        import torch

        state = torch.load(path, weights_only=False)
        edit(state)
        torch.save(state, path)

    return changed


def assistant(edit: Callable[[State], object]) -> Callable[[Path], None]:
    return change(lambda state: edit(state["extra_state"]["train_iterator"]["autoassist"]))


def no_dictionary_at_all(path: Path) -> None:
    import torch

    torch.save([1, 2, 3], path)


def narrow(state: State) -> None:
    state["pass"]["live"][0]["batches"]["pairs"] = state["pass"]["live"][0]["batches"]["pairs"][:5]


# name: (what happens to checkpoint_last.pt, flags, what the sentence says in order)
CHECKPOINTS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "cut short": (cut, "", r"_last\.pt` must be a whole checkpoint.*`--restore-file`"),
    "one bit flipped": (flip, "", r"_last\.pt` must be a whole checkpoint.*CRC"),
    "empty": (fill(b""), "", r"_last\.pt` must be a whole checkpoint"),
    "text": (fill(b"checkpoint\n"), "", r"_last\.pt` must be a whole checkpoint"),
    "a list": (no_dictionary_at_all, "", r"_last\.pt` must be a checkpoint of such a training"),
    "foreign code": (
        change(lambda state: state.update(price=decimal.Decimal(1))),
        "",
        r"_last\.pt` may hold only .* holds `decimal\.Decimal`",
    ),
    "no optimizer history": (
        change(lambda state: state.pop("optimizer_history")),
        "",
        r"_last\.pt` must be .*KeyError",
    ),
    "no place in the data": (
        change(lambda state: state["extra_state"]["train_iterator"].pop("epoch")),
        "",
        r"_last\.pt` must be .*KeyError: 'epoch'",
    ),
    "another width": (
        lambda path: None,
        "--encoder-ffn-embed-dim 24",
        r"`--arch` .*must be those of `\S+_last\.pt`",
    ),
    "another criterion": (
        lambda path: None,
        "--criterion cross_entropy",
        r"`--criterion` must be that of .*LabelSmoothed.* but is CrossEntropyCriterion; .*"
        "`--reset-optimizer`",
    ),
    "another optimizer": (
        lambda path: None,
        "--optimizer nag",
        r"`--optimizer` must be that of .*FairseqAdam, but is FairseqNAG; ",
    ),
    "an Assistant of the future": (
        assistant(lambda state: state.update(format=99)),
        "",
        "`--restore-file` must hold an Assistant of format 4 .* 99 .*`--reset-dataloader --reset-",
    ),
    "half an Assistant": (
        assistant(lambda state: state.pop("assistant")),
        "",
        "`--restore-file` must hold a whole Assistant, .*`--reset-dataloader`",
    ),
    "an Assistant with a broken plan": (
        assistant(narrow),
        "",
        "`--restore-file` must hold a whole Assistant, .*`--reset-dataloader`",
    ),
    "no such file": (
        lambda path: None,
        "--restore-file nowhere.pt",
        r"`--restore-file` must be a checkpoint, but nowhere\.pt is not there",
    ),
    "a folder": (
        lambda path: None,
        "--restore-file {folder}",
        "`--restore-file` must be a checkpoint, but .* is a folder",
    ),
}

# name: (flags, what the sentence says in order)
FLAG_CASES: dict[str, tuple[str, str]] = {
    "no batch": ("--batch-size 0", "`--batch-size` must be 1 or more, but is 0"),
    "no multiple": ("--required-batch-size-multiple 0", "`--required-.* must be 1 or more"),
    "no update": ("--update-freq 2,0", "`--update-freq` must be 1 or more, but is 0"),
    "workers": ("--num-workers -1", "`--num-workers` must be 0 or more, but is -1"),
    "several": (
        "--update-freq 0 --batch-size -3 --autoassist-lr 0",
        "`--autoassist-lr`.*`--batch-size`.*-3.*`--update-freq`",
    ),
    "seed": ("--seed -1", "`--seed` must be from 0"),
    "one beta": (
        "--adam-betas (0.9,)",
        r"`--adam-betas` must be two numbers .*'\(0\.9, 0\.98\)', but is '\(0\.9,\)'; give such",
    ),
    "a beta that is none": (
        "--adam-betas (0.9,b)",
        r"`--adam-betas` .* but is '\(0\.9,b\)' \(name 'b' is not defined\); give such",
    ),
    "a beta of 1": ("--adam-betas (0.9,1)", r"`--adam-betas` must be two numbers .* below 1"),
    "text for a beta": ("--adam-betas (0.9,'0')", r"`--adam-betas` must be two numbers"),
    "betas of adamax": (
        "--optimizer adamax --adamax-betas 0.9",
        "`--adamax-betas` must be two numbers .* but is '0.9'; give such",
    ),
    "adafactor": (
        "--optimizer adafactor --adafactor-eps (1,e",
        r"`--adafactor-eps` must be two numbers, .* but is '\(1,e' \('\(' was never closed",
    ),
    "several that are Python": (
        "--optimizer-overrides [4] --lr-scheduler manual --epoch2lr {{1:2}}"
        """ --update2lr {{"a":1}}""",
        "`--epoch2lr` must be a dict of learning rates, .* '{1:2}'; .*`--update2lr` .*"
        r"`--optimizer-overrides` must be a dict of numbers, .* but is '\[4\]'; give such",
    ),
    "text for a number": (
        """--optimizer-overrides {{"lr":"0.1"}}""",
        "`--optimizer-overrides` must be a dict of numbers",
    ),
    "betas in overrides": (
        """--optimizer-overrides {{"betas":(0.9,)}}""",
        "`--optimizer-overrides` must be a dict of numbers",
    ),
    "no schedule": ("--lr (", r"`--lr` must be .*, but is '\(' \('\(' was never closed"),
    "no list of numbers": ("--update-freq [2", r"`--update-freq` must be .* but is '\[2' \("),
    "attention": ("--arch lstm --decoder-attention yes", "`--decoder-attention` .* 'yes' "),
    "cutoffs": (
        "--arch lstm --adaptive-softmax-cutoff 10,many",
        "`--adaptive-softmax-cutoff` must be whole numbers, .*'10,many' .name 'many'",
    ),
    "convolutions": (
        "--arch fconv --encoder-layers [(16,)] --decoder-layers [(16,3)]*x",
        "`--encoder-layers` must be convolutions .*`--decoder-layers` .*name 'x' is not",
    ),
    "fewer attentions than layers": (
        "--arch fconv --encoder-layers [(16,3)] --decoder-layers [(16,3)]"
        " --decoder-attention [1,2]",
        "`--decoder-attention` must be True, False, or a list of them",
    ),
    "kernels": (
        "--arch lightconv --encoder-kernel-size-list 3,a",
        r"`--encoder-kernel-size-list` must be .*, but is '3,a' \(name 'a'",
    ),
    "error policy": ("--autoassist-on-error ignore", "`--autoassist-on-error` .*stop, continue"),
    "save dir": ("--save-dir {folder}/file", "`.*/file` must be a place that can be written to"),
    "save dir below": ("--save-dir {folder}/file/a", "`.*/file/a` must be a place"),
    "fine-tuning": (
        "--save-dir {folder}/new --finetune-from-model none.pt",
        "--finetune-from-model none.pt does not",
    ),
    "too many ranks": ("--distributed-world-size 9", "`--distributed-world-size` .* but is 9"),
    "fp16 without a GPU": ("--fp16", "`--fp16` .*torch sees none; .*--fp16-no-flatten-grads"),
}


def test_there_are_enough() -> None:
    assert len(CHECKPOINTS) + len(FLAG_CASES) + len(BAD_INPUTS) >= 50


@pytest.fixture(scope="module")
def saved(server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that stopped within its first pass."""
    folder = tmp_path_factory.mktemp("saved")
    run = server.train(corpus.data, folder, *FLAGS, "--max-update", 20)
    assert run.status == 0 and LAST in run.checkpoints(), run.output
    return folder


def check(run: Run, folder: Path, before: dict[str, str], says: str) -> None:
    """Check that there was one sentence, and that nothing was trained or written."""
    assert run.status == 1, run.output
    assert "Traceback" not in run.output, run.output
    last = run.output.splitlines()[-1]
    assert run.output.count("autoassist: error: ") == 1
    assert re.match(f"autoassist: error: .*{says}", last), last
    assert last.endswith(".")
    assert digests(folder) == before and not run.of("batch")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_bad_checkpoint(
    name: str, server: Server, corpus: Binarised, saved: Path, tmp_path: Path
) -> None:
    spoil, flags, says = CHECKPOINTS[name]
    folder = shutil.copytree(saved, tmp_path / "save")
    spoil(folder / LAST)
    before = digests(folder)
    run = server.train(corpus.data, folder, *FLAGS, *flags.format(folder=folder).split())
    check(run, folder, before, says)


@pytest.mark.parametrize("name", FLAG_CASES)
def test_a_bad_flag(
    name: str, server: Server, corpus: Binarised, saved: Path, tmp_path: Path
) -> None:
    flags, says = FLAG_CASES[name]
    folder = shutil.copytree(saved, tmp_path / "save")
    (folder / "file").touch()
    before = digests(folder)
    run = server.train(corpus.data, folder, *FLAGS, *flags.format(folder=folder).split())
    check(run, folder, before, says)


def test_betas_of_a_yaml_are_checked_too() -> None:
    from omegaconf import OmegaConf

    from autoassist_fairseq.plugin.python_options import problems_of_python

    for betas, good in (([0.9, 0.98], True), ([0.9], False), (0.9, False), ("(0,0.9)", True)):
        cfg = OmegaConf.create({"task": {}, "optimizer": {"adam_betas": betas}, "model": None})
        assert (not problems_of_python(cfg.task)) is good


def test_overrides_are_checked_before_a_model_is_loaded(corpus: Binarised, tmp_path: Path) -> None:
    flags = (*TASK, "--path", "none.pt", "--gen-subset", "valid", "--model-overrides", "[4]")
    status, output = command("fairseq-generate", corpus.data, *flags, folder=tmp_path)
    assert status == 1 and "Traceback" not in output
    says = r"error: `--model-overrides` must be a dict, say .*, but is '\[4\]'; give such a value\."
    assert re.search(says, output.splitlines()[-1])


def test_other_data_with_the_same_dictionaries(
    server: Server, corpus: Binarised, saved: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved, tmp_path / "save")
    other = make_corpus(server, tmp_path / "other", 390, seed=1, dictionaries=corpus.data)
    before = digests(folder)
    run = server.train(other.data, folder, *FLAGS)
    check(run, folder, before, "`--restore-file` must belong to this data, but its training set")

    (folder / "checkpoint_best.pt").unlink()
    on = server.train(other.data, folder, *FLAGS, "--reset-dataloader", "--reset-meters")
    assert on.status == 0 and sorted(on.considered(1)) == list(range(390)), on.output
    assert "checkpoint_best.pt" in on.checkpoints()


def test_a_dictionary_with_another_word(
    server: Server, corpus: Binarised, saved: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved, tmp_path / "save")
    data = shutil.copytree(corpus.data, tmp_path / "data")
    words = data / "dict.de.txt"
    words.write_text(words.read_text().replace("w7 ", "seven "))
    before = digests(folder)
    run = server.train(data, folder, *FLAGS)
    check(run, folder, before, "`--restore-file` must .*, but its source dictionary differs")
