"""Files of DATA that a broken copy left short: told before anything reads beyond their ends."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from binarised import Binarised, binarise
from training import Server

from autoassist_fairseq.errors import UserError

pytestmark = pytest.mark.slow

TRAIN, VALID = "train.de-en.en", "valid.de-en.de"
FLAGS = ("--max-tokens", 100, "--max-update", 1)
# The file, how many bytes are left of it (below 0: how many are lost), what is said.
CASES = {
    "words": (f"{TRAIN}.bin", -1900, rf"{TRAIN}\.bin is cut short: it has [\d,]+ bytes of [\d,]+;"),
    "half a word": (f"{TRAIN}.bin", -1, rf"{TRAIN}\.bin is cut short: it has"),
    "of validation": (f"{VALID}.bin", -2, rf"{VALID}\.bin is cut short: it has"),
    "all of validation": (f"{VALID}.bin", 0, rf"{VALID}\.bin is empty"),
    "places": (f"{TRAIN}.idx", -8, rf"{TRAIN}\.idx is damaged or cut short"),
    "most of the index": (f"{TRAIN}.idx", 20, rf"{TRAIN}\.idx is damaged or cut short"),
    "the index": (f"{VALID}.idx", 0, rf"{VALID}\.idx is damaged or cut short"),
}


def cut(data: Path, name: str, size: int) -> Path:
    os.truncate(data / name, size + (data / name).stat().st_size * (size < 0))
    return data


def refused(output: str, says: str) -> bool:
    start = "autoassist: error: `DATA` must hold what fairseq-preprocess wrote, but .*"
    return "Traceback" not in output and bool(re.match(start + says, output.splitlines()[-1]))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("policy", ["uniform", "off"])
def test_a_file_that_was_cut_short(
    policy: str, name: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    file, size, says = CASES[name]
    data = cut(shutil.copytree(few.data, tmp_path / "data"), file, size)
    run = server.train(data, tmp_path / "run", *FLAGS, "--autoassist-policy", policy)
    assert run.status == 1 and refused(run.output, says), run.output.splitlines()[-1]
    assert not run.of("batch")


@pytest.mark.parametrize("impl", ["lazy", "cached"])
@pytest.mark.parametrize("end", ["idx", "bin"])
def test_of_a_corpus_that_is_not_memory_mapped(
    end: str, impl: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    """Of such files what is missing was never told, but left to chance."""
    binarise(server, few.data.parent, tmp_path / "data", "--dataset-impl", "lazy")
    data, flags = tmp_path / "data", (*FLAGS, "--dataset-impl", impl)
    assert server.train(data, tmp_path / "whole", *flags).status == 0
    run = server.train(cut(data, f"{TRAIN}.{end}", -8), tmp_path / "run", *flags)
    assert run.status == 1 and refused(run.output, rf"{TRAIN}\.{end} is cut short")


def test_in_a_folder_of_a_later_pass(server: Server, few: Binarised, tmp_path: Path) -> None:
    data = cut(shutil.copytree(few.data, tmp_path / "data"), f"{TRAIN}.bin", -2)
    run = server.train(f"{few.data}:{data}", tmp_path / "run", *FLAGS)
    assert run.status == 1 and refused(run.output, rf"{data}/{TRAIN}\.bin is cut short")


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][0].startswith("train")])
def test_tools_tell_it_too(name: str, few: Binarised, tmp_path: Path) -> None:
    from autoassist_fairseq.tools.wrong_pairs.command import main

    file, size, _ = CASES[name]
    data = cut(shutil.copytree(few.data, tmp_path / "data"), file, size)
    with pytest.raises(UserError, match=f"`--data` must hold what .*{TRAIN}"):
        main(["--data", str(data), "--out", str(tmp_path / "out.tsv")])
