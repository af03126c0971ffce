"""Bad input: one clear sentence, exit status 1, no traceback, nothing written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from binarised import Binarised, make_corpus
from training import Server

pytestmark = pytest.mark.slow

# name: (DATA, flags, what the sentence says in order)
CASES: dict[str, tuple[str, str, str]] = {
    "unknown policy": ("good", "--autoassist-policy shrnk", "`--autoassist-policy` .*'shrnk'"),
    "unknown feature": (
        "good",
        "--autoassist-features length,colour",
        "`--autoassist-features` .*tokens, expected.* 'length,colour'",
    ),
    "no feature": ("good", "--autoassist-features ,", "`--autoassist-features` .*''"),
    "base 0": ("good", "--autoassist-base-prob 0", r"`--autoassist-base-prob` .*\(0, 1\].* 0\.0"),
    "base 1.5": ("good", "--autoassist-base-prob 1.5", r"`--autoassist-base-prob` .* 1\.5"),
    "base nan": ("good", "--autoassist-base-prob nan", "`--autoassist-base-prob` .* nan"),
    "several problems": (
        "good",
        "--autoassist-base-prob 2 --autoassist-warmup-passes -1 --autoassist-window -5"
        " --autoassist-lr inf --autoassist-timeout 0 --curriculum 1",
        "base-prob.*warmup-passes.*window.*lr.*timeout.*--curriculum",
    ),
    "bad numbers of the peers": (
        "good",
        "--autoassist-rate 0.5,1 --autoassist-pace -1 --autoassist-difficulty words"
        " --autoassist-presample 1 --autoassist-updates -1",
        "rate.*0.5,1.0.*pace.*difficulty.*length, rarity.*presample.*updates",
    ),
    "no such log": (
        "good",
        "--autoassist-policy random --autoassist-rate none.log",
        "`--autoassist-rate` .*'none.log' is no number, and no file",
    ),
    "no end of training": (
        "good",
        "--autoassist-policy loss-table --max-tokens 100 --max-epoch 0",
        "`--autoassist-policy loss-table` .*--max-update.*--autoassist-updates",
    ),
    "no end of a curriculum": (
        "good",
        "--autoassist-policy self-paced --max-tokens 100 --max-epoch 0",
        "`--autoassist-policy self-paced` .*--max-update.* or `--autoassist-pace`",
    ),
    "curriculum": (
        "good",
        "--curriculum 1",
        "`--curriculum` must be 0 .*`--autoassist-policy off`",
    ),
    "short batches": ("good", "--max-tokens 10", "`--max-tokens` .*16 tokens, but is 10"),
    "short positions": (
        "good",
        "--max-source-positions 2 --max-target-positions 2 --batch-size 8",
        r"`--max-source-positions` .*all 400 are too long \(the shortest has",
    ),
    "unknown criterion": (
        "good",
        "--criterion label_smoothed_cross_entropy_with_alignment",
        r"`--criterion` .*\(label_smoothed_cross_entropy, cross_entropy\).*Alignment",
    ),
    "another criterion": ("good", "--criterion nat_loss", "`--criterion` .*cross_entropy.* off`"),
    "long updates": ("good", "--update-freq 1000", "`DATA` .*batches .1000 .* but 400 are left"),
    "no batch size": ("good", "--max-sentences-valid 8", ".*--max-tokens or --batch-size"),
    "no such folder": ("nowhere", "", "`DATA` .*nowhere"),
    "no such second folder": ("good and nowhere", "", "`DATA` .*nowhere is none"),
    "no such way to join pieces": (
        "good",
        "--eval-bleu --eval-bleu-remove-bpe spm",
        "`--eval-bleu-remove-bpe` .*sentencepiece, .*'spm'",
    ),
    "no such folder, languages given": (
        "nowhere",
        "--source-lang de --target-lang en",
        "`DATA` .*nowhere",
    ),
    "no languages": ("no languages", "", "`--source-lang` and `--target-lang` .*no languages"),
    "no dictionary": ("no dictionary", "", r"`DATA` .*dictionary.*dict\.en\.txt"),
    "no train split": ("no train", "--source-lang de --target-lang en", "`DATA` .* train split"),
    "another train split": ("good", "--train-subset training", "`DATA` .* training split"),
    "no valid split": ("no valid", "", "`DATA` .* valid split"),
    "empty train split": ("empty", "", "`DATA` .*train split .*empty"),
    "train split without targets": ("one side", "", r"`DATA` .*both sides, .*no train\.de-en\.en;"),
    "uneven sides": ("uneven", "", "`DATA` .*train split differ.*carriage returns"),
    "empty second folder": ("good and empty", "", "`DATA` .*train split .*empty"),
    "no second train split": (
        "good and none",
        "--source-lang de --target-lang en",
        "`DATA` .*train split .*no train.de-en.de",
    ),
    "long pairs in the second folder": (
        "good and long",
        "--max-tokens 20",
        "[^`]*/long/data: `--max-tokens` .* has 31 tokens, but is 20",
    ),
    "few pairs in the second folder": (
        "good and few",
        "--update-freq 8",
        r"[^`]*/few/data: `DATA` .*batches \(8 .* but 3 are left",
    ),
    "long updates in the second epoch": (
        "good",
        "--update-freq 1,1000",
        r"`DATA` .*batches \(1000 .* but 400 are left",
    ),
    "no such detokeniser": (
        "good",
        "--eval-bleu --eval-bleu-detok mose",
        "`--eval-bleu-detok` must be one of .*moses, .*, but is 'mose'",
    ),
    "translations of no length": (
        "good",
        """--eval-bleu --eval-bleu-args {"max_len_b":0}""",
        "`--eval-bleu-args` must let .* 1 tokens or more, .* 0; raise",
    ),
    "a list for searching": (
        "good",
        "--eval-bleu --eval-bleu-args [4]",
        "`--eval-bleu-args` must be a JSON object, .* but '.4.' is another value",
    ),
    "no JSON": (
        "good",
        """--eval-bleu --eval-bleu-args {"beam":4}} --eval-bleu-detok-args {"a:4}""",
        "`--eval-bleu-args` .*Extra data.* `--eval-bleu-detok-args` .*Unterminated string",
    ),
    "numbers that are none": (
        "good",
        """--eval-bleu --eval-bleu-args {"max_len_a":0,"max_len_b":null,"beam":"4"}""",
        '`--eval-bleu-args` must have numbers .* has "4" for beam, null for max_len_b',
    ),
    "no beam": (
        "good",
        """--eval-bleu --eval-bleu-args {"beam":0}""",
        "`--eval-bleu-args` must have a beam of 1 or more, a whole number, but has 0",
    ),
    "raw text": (
        "raw",
        "",
        "`--dataset-impl` must be raw .* is left out for .*/valid.de-en.de; give",
    ),
    "no raw text": (
        "good",
        "--dataset-impl raw",
        "`--dataset-impl` .* raw for .*/valid.de-en.de.bin",
    ),
    "proteins": ("good", "--dataset-impl fasta", "`--dataset-impl` must be raw, .* but is fasta"),
    "a language model": ("good", "--arch transformer_lm", "`--arch` .*`--tokens-per-sample`; name"),
    "adaptive softmax": (
        "good",
        "--adaptive-softmax-cutoff 10,20",
        "`--adaptive-softmax-cutoff` must go .* but goes with LabelSmoothed.*; leave it out",
    ),
    "cutoffs beyond the dictionary": (
        "good",
        "--arch lstm --criterion adaptive_loss --optimizer adam",
        "`--adaptive-softmax-cutoff` must be below the number of words .*; lower it",
    ),
    "layers of another architecture": (
        "good",
        "--arch fconv --encoder-layers 6 --optimizer adam",
        r"`--encoder-layers` must be convolutions .* '\[\(512, 3\)\] \* 4', but is '6'; give",
    ),
    "no layers": ("good", "--encoder-layers 0", "`--encoder-layers` must be 1 or more, but is 0"),
    "another dictionary": (
        "small dictionary",
        "",
        r"`DATA` .*target side .* word id \d+, but the dictionary has 24 words",
    ),
}


@pytest.fixture(scope="module")
def folders(
    server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """DATA folders by what is wrong with them."""
    root = tmp_path_factory.mktemp("bad")
    names = (
        *("good", "no languages", "no dictionary", "no train", "no valid"),
        *("empty", "one side", "uneven", "small dictionary", "raw"),
    )
    folders = {name: shutil.copytree(corpus.data, root / name) for name in names}
    for name, gone in (
        ("no languages", "*.de-en.*"),
        ("no dictionary", "dict.en.txt"),
        ("no train", "train.*"),
        ("no valid", "valid.*"),
        ("one side", "train.de-en.en.*"),
    ):
        for path in folders[name].glob(gone):
            path.unlink()
    for path in folders["raw"].glob("*.bin"):
        path.with_suffix("").write_text("w1\n")
        path.unlink()
    for name, pairs in (("uneven", 300), ("empty", 0)):
        other = make_corpus(server, root / f"{name} text", pairs, dictionaries=corpus.data).data
        for path in other.glob("train.*" if name == "empty" else "train.de-en.en.*"):
            shutil.copy(path, folders[name])
    words = folders["small dictionary"] / "dict.en.txt"
    words.write_text("".join(words.read_text().splitlines(keepends=True)[:20]))
    good = folders["good"]
    some = {"pairs": 30, "low": 30, "high": 30}, {"pairs": 3}
    long, few = (
        make_corpus(server, root / name, **shape, dictionaries=corpus.data).data
        for name, shape in zip(("long", "few"), some, strict=True)
    )
    return {
        **folders,
        "nowhere": root / "nowhere",
        "good and nowhere": Path(f"{good}:{root / 'nowhere'}"),
        "good and empty": Path(f"{good}:{folders['empty']}"),
        "good and long": Path(f"{good}:{long}"),
        "good and few": Path(f"{good}:{few}"),
        "good and none": Path(f"{good}:{folders['no train']}"),
    }


@pytest.mark.parametrize("name", CASES)
def test_one_sentence(name: str, server: Server, folders: dict[str, Path], tmp_path: Path) -> None:
    data, flags, says = CASES[name]
    size = () if "--max-" in flags else ("--max-tokens", 100)
    run = server.train(folders[data], tmp_path, *size, "--max-epoch", 2, *flags.split())
    assert run.status == 1, run.output
    assert "Traceback" not in run.output
    assert run.output.count("autoassist: error: ") == 1
    sentence = run.output.splitlines()[-1]
    assert re.match(f"autoassist: error: .*{says}", sentence), sentence
    assert sentence.endswith(".")
    assert not run.checkpoints() and not run.of("batch")


def test_a_translation_that_becomes_too_short_is_told_where_it_does(
    server: Server, folders: dict[str, Path], tmp_path: Path
) -> None:
    short = ["--eval-bleu", "--eval-bleu-args", '{"max_len_a":0.01,"max_len_b":0}']
    run = server.train(folders["good"], tmp_path, "--max-tokens", 100, "--max-update", 1, *short)
    assert run.status == 1 and "Traceback" not in run.output
    assert re.search("error: `--eval-bleu-args` must let every", run.output.splitlines()[-1])


def test_options_of_bleu_that_are_good_or_not_read_are_not_refused(
    server: Server, folders: dict[str, Path], tmp_path: Path
) -> None:
    limits = ("--max-tokens", 100, "--max-update", 1, "--eval-bleu-args")
    short = ("--eval-bleu", """--eval-bleu-detok-args={"target_lang":"en"}""")
    unread = ('{"beam: 4}', "--eval-bleu-remove-bpe", "spm", "--eval-bleu-detok", "mose")
    for name, flags in {"a": ('{"max_len_a":0,"min_len":2}', *short), "b": unread}.items():
        run = server.train(folders["good"], tmp_path / name, *limits, *flags)
        assert run.status == 0, run.output
        assert ("valid_bleu" in run.logged("valid")[-1]) == (name == "a")


def test_a_save_dir_that_cannot_be_made(server: Server, folders: dict[str, Path]) -> None:
    for place in (Path("/proc/none/here"), folders["good"] / "dict.en.txt" / "here"):
        run = server.train(folders["good"], place, "--max-tokens", 100, "--max-epoch", 1)
        assert run.status == 1 and "Traceback" not in run.output
        sentence = run.output.splitlines()[-1]
        assert re.match(f"autoassist: error: `{place.parent}.* with `--save-dir`", sentence)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--max-tokens-valid 10", "`--max-tokens-valid`.* valid has 16 tokens, but is 10; .*-skip"),
        (
            "--max-source-positions 12 --batch-size 4",
            "`--max-source-positions` .* valid has 16 source tokens, but is 12; .*`--skip-invalid",
        ),
    ],
)
def test_pairs_that_validation_cannot_take(
    flags: str, says: str, server: Server, folders: dict[str, Path], tmp_path: Path
) -> None:
    limits = ("--max-tokens", 100, "--max-epoch", 1)
    run = server.train(folders["good"], tmp_path, *limits, *flags.split())
    assert run.status == 1 and "Traceback" not in run.output
    assert re.search(f"autoassist: error: .*{says}", run.output.splitlines()[-1])
    assert not run.checkpoints() and not run.of("batch"), "told before the first update"


def test_pairs_that_validation_cannot_take_are_skipped_on_request(
    server: Server, folders: dict[str, Path], tmp_path: Path
) -> None:
    limits = ("--max-tokens", 100, "--max-update", 3, "--max-tokens-valid", 10)
    flag = "--skip-invalid-size-inputs-valid-test"
    run = server.train(folders["good"], tmp_path, *limits, flag)
    assert run.status == 0 and run.logged("valid"), run.output
    assert re.search(r"\d+ samples have invalid sizes .*max_positions=\(10, 10\)", run.output)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--autoassist-polcy off", "unrecognized arguments: --autoassist-polcy off"),
        ("--autoassist-base-prob half", "invalid float value: 'half'"),
    ],
)
def test_a_typo_in_a_flag_is_argparse_s_to_tell(
    flags: str, says: str, server: Server, folders: dict[str, Path], tmp_path: Path
) -> None:
    run = server.train(folders["good"], tmp_path, "--max-tokens", 100, *flags.split())
    assert run.status == 2 and "Traceback" not in run.output
    assert says in run.output.splitlines()[-1]
