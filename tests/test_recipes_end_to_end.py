"""From a corpus to labelled figures with the real fairseq: recipe, average, generate, score."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from installed import install

from autoassist_fairseq.__main__ import COMMANDS
from autoassist_fairseq.tools.averaging.command import RECORD
from autoassist_fairseq.tools.common.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
WORDS = {
    "small": "kleine", "big": "große", "old": "alte", "red": "rote",
    "cat": "Katze", "mouse": "Maus", "lamp": "Lampe", "door": "Tür", "city": "Stadt",
    "sees": "sieht", "needs": "braucht", "knows": "kennt",
}  # fmt: skip


def pairs() -> list[tuple[str, str]]:
    """Return 240 English-German pairs made of every choice of words, in a mixed order."""
    w = list(WORDS)
    found = []
    for adjective, one, verb, two in itertools.product(w[:4], w[4:9], w[9:], w[4:8]):
        english = f"The {adjective} {one} {verb} the {two}."
        german = f"Die {WORDS[adjective]} {WORDS[one]} {WORDS[verb]} die {WORDS[two]}."
        found.append((english, german))
    return [found[i * 77 % len(found)] for i in range(len(found))]


def call(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    # Where the checkout is must not be known
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHON": sys.executable}
    command = [str(word) for word in words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, **more)


def succeed(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    done = call(*words, **more)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    return done


@pytest.fixture(scope="module")
def autoassist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, from a wheel, in an environment that knows nothing of the checkout."""
    return install(tmp_path_factory.mktemp("installed")) / "autoassist"


@pytest.fixture(scope="module")
def corpus(autoassist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binarised corpus in bin/, with its text and its pieces beside it."""
    raw = tmp_path_factory.mktemp("raw")
    where = raw.with_name("prepared")
    parts = {"train": pairs()[:180], "valid": pairs()[180:210], "test": pairs()[210:]}
    for (name, part), (i, side) in itertools.product(parts.items(), enumerate(("en", "de"))):
        text = "".join(f"{pair[i]}\n" for pair in part)
        (raw / f"{name}.{side}").write_text(text, encoding="utf-8")
    files = [[f"--{name}", raw / f"{name}.en", raw / f"{name}.de"] for name in parts]
    succeed(
        autoassist, "prepare", "corpus", "--source-lang", "en", "--target-lang", "de",
        "--vocab-size", "80", "--out", where, *itertools.chain.from_iterable(files),
    )  # fmt: skip
    return where


def losses(stdout: str) -> list[float]:
    return [float(x) for x in re.findall(r'"train_loss": "([\d.]+)"', stdout)]


@pytest.fixture(scope="module")
def trained(autoassist: Path, corpus: Path) -> Path:
    """Checkpoints of the tiny base recipe, trained until it translates."""
    done = succeed(
        autoassist, "train", "base", corpus / "bin", "--tiny", "--policy", "shrink",
        "--tokens-seen", "320000", "--update-freq", "2", "--save-dir", corpus / "run", "--",
        "--dropout", "0", "--save-interval", "20", "--validate-interval", "20",
        "--num-workers", "0",
    )  # fmt: skip
    assert "batch x 1 processes x update-freq 2 = 4000 (this recipe: 4000)" in done.stderr
    found = losses(done.stdout)
    assert found[-1] < found[0] / 2
    return corpus / "run"


def evaluate(autoassist: Path, corpus: Path, *arguments: object) -> dict[str, Any]:
    more = ("--json", *arguments, "--", "--max-len-b", "30")
    done = succeed(autoassist, "evaluate", corpus / "bin", *more)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_evaluate_averages_translates_and_scores(
    autoassist: Path, corpus: Path, trained: Path
) -> None:
    result = evaluate(autoassist, corpus, "--checkpoints", trained, "--average", "3", "--chrf")
    scores = {figure["key"]: figure["score"] for figure in result["figures"]}
    assert list(scores) == ["sacrebleu", "tokenised", "compound_split", "chrf"]
    assert scores["sacrebleu"] > 35, scores  # it learned, and the detokenised text is in order
    records = read_checkpoint(trained / "evaluation" / "averaged.pt", "x")["extra_state"][RECORD]
    updates = [record["updates"] for record in records]
    assert len(updates) == 3
    assert updates == sorted(updates, reverse=True)


def test_an_average_of_one_translates_like_it(
    autoassist: Path, corpus: Path, trained: Path
) -> None:
    output = corpus / "one.pt"
    done = succeed(
        autoassist, "average", "--inputs", trained, "--num-epoch-checkpoints", "1",
        "--output", output,
    )  # fmt: skip
    assert done.stdout == f"{output}\n"
    original = re.search(r"\+ (\S+) \(update", done.stderr)
    assert original
    texts: list[str] = []
    for path in (output, original[1]):
        out = corpus / f"out-{len(texts)}"
        evaluate(autoassist, corpus, "--checkpoints", path, "--out", out)
        texts.append((out / "hypotheses.txt").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 30


def test_the_big_recipe_trains_on_two_processes(corpus: Path) -> None:
    done = succeed(
        ROOT / "scripts" / "train_wmt14_big.sh", corpus / "bin", "--tiny", "--policy", "off",
        "--gpus", "2", "--tokens-seen", "48000", "--save-dir", corpus / "big",
    )  # fmt: skip
    assert "batch x 2 processes x update-freq 4 = 2400 (this recipe: 2400)" in done.stderr
    assert (corpus / "big" / "checkpoint_last.pt").exists()
    state = read_checkpoint(corpus / "big" / "checkpoint_last.pt", "x")
    assert state["optimizer_history"][-1]["num_updates"] == 20
    assert state["cfg"]["distributed_training"]["distributed_world_size"] == 2


# What is imported here takes long and none of it is ours: each command still imports its own.
HELPS = """
import multiprocessing, sys
import fairseq, matplotlib.pyplot, numba, sacrebleu, sacremoses, sklearn.metrics, torch
from autoassist_fairseq.__main__ import COMMANDS, main

def help(name):
    sys.stdout = open(name, "w")
    main([name, "--help"])

for name in COMMANDS:
    process = multiprocessing.get_context("fork").Process(target=help, args=(name,))
    process.start()
    process.join()
    print(name, process.exitcode)
"""


def test_every_command_helps_without_the_checkout(autoassist: Path, tmp_path: Path) -> None:
    done = succeed(autoassist.with_name("python"), "-c", HELPS, cwd=tmp_path)
    assert done.stdout == "".join(f"{name} 0\n" for name in COMMANDS), done.stderr
    for name in COMMANDS:
        shown = (tmp_path / name).read_text()
        assert shown.startswith(f"usage: autoassist {name}"), f"`{name} --help` shows {shown}"
    assert succeed(autoassist, "train", "--help").stdout == (tmp_path / "train").read_text()


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("train_wmt14_base.sh", ["nowhere"]),
        ("train_wmt14_big.sh", ["nowhere", "--policy", "lazy"]),
        ("evaluate.sh", ["nowhere", "--checkpoints", "nowhere"]),
        ("score_bleu.py", ["--sys", "nowhere", "--ref", "nowhere"]),
        ("average_checkpoints.py", ["--inputs", "nowhere", "--output", "out.pt"]),
    ],
)
def test_mistakes_end_in_one_sentence(tmp_path: Path, script: str, arguments: list[str]) -> None:
    start = [sys.executable] if script.endswith(".py") else []
    done = call(*start, ROOT / "scripts" / script, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "nowhere" in last or "lazy" in last
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
