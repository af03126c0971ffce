"""The WMT14 recipes: batches and budget worked out by hand, and one difference between policies."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.training.command import main
from autoassist_fairseq.tools.training.recipes import RECIPES, fit_batching, updates_for


@pytest.mark.parametrize(
    ("per_update", "per_gpu", "processes", "wanted", "update_freq", "max_tokens"),
    [
        (40000, 5000, 8, None, 1, 5000),
        (40000, 5000, 1, None, 8, 5000),
        (40000, 5000, 4, None, 2, 5000),
        (40000, 5000, 3, None, 3, 4444),  # 9 batches of 4444 = 39,996
        (40000, 5000, 16, None, 1, 2500),
        (40000, 20000, 1, None, 2, 20000),
        (40000, 9000, 1, None, 5, 8000),
        (24000, 3000, 2, None, 4, 3000),
        (40000, 5000, 2, 1, 1, 20000),
        (40000, 5000, 1, 16, 16, 2500),
    ],
)
def test_tokens_per_update_stay(
    per_update: int, per_gpu: int, processes: int, wanted: int | None,
    update_freq: int, max_tokens: int,
) -> None:  # fmt: skip
    batching = fit_batching(per_update, per_gpu, processes, wanted)
    assert (batching.update_freq, batching.max_tokens) == (update_freq, max_tokens)
    tokens = batching.processes * batching.update_freq * batching.max_tokens
    assert abs(tokens - per_update) <= batching.update_freq * processes / 2


def test_budget_becomes_updates() -> None:
    assert updates_for(6e9, 40000) == 150_000
    assert updates_for(6e9, 24000) == 250_000
    assert updates_for(100, 33) == 4  # the budget is reached, not missed by part of an update


def dry_run(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main([arguments[0], "data-bin", "--dry-run", *arguments[1:]]) == 0
    return shlex.split(capsys.readouterr().out)


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("base", {"--arch": "transformer_wmt_en_de", "--max-tokens": "5000", "--lr": "0.0007",
                  "--dropout": "0.1", "--max-update": "150000"}),
        ("big", {"--arch": "transformer_vaswani_wmt_en_de_big", "--max-tokens": "3000",
                 "--lr": "0.0005", "--dropout": "0.3", "--max-update": "250000"}),
    ],
)  # fmt: skip
def test_the_paper_s_settings(
    capsys: pytest.CaptureFixture[str], recipe: str, expected: dict[str, str]
) -> None:
    words = dry_run(capsys, recipe, "--policy", "shrink")
    same = {
        "--adam-betas": "(0.9, 0.98)", "--warmup-updates": "4000", "--label-smoothing": "0.1",
        "--lr-scheduler": "inverse_sqrt", "--keep-last-epochs": "10", "--nproc-per-node": "8",
        "--task": "autoassist_translation", "--autoassist-policy": "shrink", "--update-freq": "1",
        "--autoassist-hopeless": "off",
    }  # fmt: skip
    assert {option: value(words, option) for option in expected | same} == expected | same
    assert ("--fp16" in words) == (recipe == "big")
    assert "--share-all-embeddings" in words
    assert Path(value(words, "--user-dir")).name == "autoassist_fairseq"


@pytest.mark.parametrize("given", [(), ("--policy", "competence")])
def test_hopeless_pairs_are_cut_where_no_paper_says_what_a_policy_is(
    given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--autoassist-hopeless" not in dry_run(capsys, "base", *given)


def test_the_default_is_the_task_s(capsys: pytest.CaptureFixture[str]) -> None:
    words = dry_run(capsys, "base")
    assert value(words, "--autoassist-policy") == Settings().policy


def test_a_baseline_differs_in_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    off, shrink = (
        dry_run(capsys, "base", "--policy", policy, "--save-dir", "x")
        for policy in ("off", "shrink")
    )
    assert [(a, b) for a, b in zip(off, shrink, strict=True) if a != b] == [("off", "shrink")]
    assert off[off.index("off") - 1] == "--autoassist-policy"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--gpus", "1"], {"--update-freq": "8", "--distributed-world-size": "1"}),
        (["--gpus", "3"], {"--update-freq": "3", "--max-tokens": "4444", "--max-update": "150016"}),
        (["--gpus", "1", "--tokens-per-gpu", "20000"], {"--update-freq": "2"}),
        (["--update-freq", "4"], {"--update-freq": "4", "--max-tokens": "1250"}),
        (["--tokens-seen", "1e6"], {"--max-update": "25"}),
        (["--tokens-seen", "1e6", "--tokens-per-update", "35000"], {"--max-update": "29"}),
        (["--save-dir", "x", "--seed", "7"], {"--save-dir": "x", "--seed": "7"}),
        (["--policy", "off"], {"--save-dir": "checkpoints/wmt14_base_off"}),
        (
            ["--gpus", "4", "--nodes", "2", "--rendezvous", "host:29500"],
            {"--nnodes": "2", "--rdzv-endpoint": "host:29500", "--update-freq": "1"},
        ),
        (["--", "--lr", "1"], {}),
    ],
)
def test_flags(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: dict[str, str]
) -> None:
    words = dry_run(capsys, "base", *arguments)
    assert {option: value(words, option) for option in expected} == expected
    if "--" in arguments:
        assert words[-2:] == ["--lr", "1"]


@pytest.mark.parametrize(
    ("recipe", "arguments", "found"),
    [
        ("base", [], None),
        ("base", ["--fp16"], "--fp16"),
        ("big", ["--bf16"], "--bf16"),
        ("big", ["--fp32"], None),
        ("big", ["--tiny"], None),
    ],
)
def test_precision(
    capsys: pytest.CaptureFixture[str], recipe: str, arguments: list[str], found: str | None
) -> None:
    words = dry_run(capsys, recipe, *arguments)
    assert [w for w in words if w in ("--fp16", "--bf16", "--fp32")] == [found] * bool(found)


def test_one_process_needs_no_launcher_and_several_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert Path(dry_run(capsys, "base", "--gpus", "1")[0]).name == "fairseq-train"
    words = dry_run(capsys, "base", "--gpus", "2")
    assert [Path(word).name for word in words[:5]] == [
        "torchrun", "--standalone", "--nproc-per-node", "2", "fairseq-train",
    ]  # fmt: skip


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["big", "data-bin", "--gpus", "2", "--dry-run"])
    assert capsys.readouterr().err.splitlines() == [
        "recipe: Transformer big, fp16, policy uniform",
        "tokens per update: 3000 in a batch x 2 processes x update-freq 4 = 24000 (paper: 24000)",
        "updates: 250000 = 6,000,000,000 tokens seen / 24,000 "
        "(full batches, padding counted; --tokens-per-update takes train_wpb of a log)",
        "tokens seen: those trained on; what the Assistant skips does not count",
    ]
    main(["base", "data-bin", "--tokens-per-update", "36000", "--dry-run"])
    assert (
        "updates: 166667 = 6,000,000,000 tokens seen / 36,000 (as given)" in capsys.readouterr().err
    )


def test_the_plan_is_of_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--tokens-seen", "1e6", "--gpus", "2", "--dry-run"]
    extra = ["--max-tokens", "1000", "--update-freq", "5", "--fp16", "--autoassist-policy", "off"]
    main(["base", "data-bin", *own, "--", *extra])
    told = capsys.readouterr()
    assert value(told.out.split(), "--max-update") == "100"
    for line in (
        "recipe: Transformer base, fp16, policy off\n",
        "1000 in a batch x 2 processes x update-freq 5 = 10000 (paper: 40000)",
        "updates: 100 = 1,000,000 tokens seen / 10,000 (",
    ):
        assert line in told.err
    main(["base", "data-bin", *own, "--", "--max-update", "7"])
    assert "updates: 7, as given after --, where the budget has 25 = " in capsys.readouterr().err
    with pytest.raises(UserError, match="`--update-freq` must be a whole number above 0"):
        main(["base", "data-bin", *own, "--", "--update-freq", "many"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policy", "lazy"], "`--policy` must be one of .*off.*, but is lazy"),
        (["--gpus", "0"], "`--gpus` must be at least 1, but is 0"),
        (["--nodes", "0"], "`--nodes` must be at least 1"),
        (["--nodes", "2"], "`--nodes` 2 needs `--rendezvous HOST:PORT`"),
        (["--update-freq", "0"], "`--update-freq` must be at least 1"),
        (["--update-freq", "90000"], "leaves no token of 40000"),
        (["--tokens-per-gpu", "0"], "`--tokens-per-gpu` must be at least 1"),
        (["--tokens-seen", "0"], "`--tokens-seen` must be a finite number above 0"),
        (["--tokens-per-update", "nan"], "`--tokens-per-update` must be a finite number"),
        (["--tiny", "--fp16"], "`--tiny` trains on the CPU, which `--fp16` cannot"),
    ],
)
def test_options_that_cannot_be(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        main(["base", "data-bin", "--dry-run", *arguments])


@pytest.mark.slow
def test_a_real_run_looks_at_the_machine_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("started all the same"))
    with pytest.raises(UserError, match="must be a binarised corpus, but has no dict"):
        main(["base", str(tmp_path)])
    (tmp_path / "dict.en.txt").write_text("a 1\n")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(UserError, match="`--gpus` 8 must not exceed the 4 GPUs"):
        main(["base", str(tmp_path)])
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, words: started.append(words))
    main(["base", f"{tmp_path}:{tmp_path}", "--gpus", "4"])
    assert value(started[0], "--update-freq") == "2"


def test_tiny_changes_size_and_budget_only() -> None:
    for recipe in RECIPES.values():
        tiny = recipe.tiny()
        assert (tiny.name, tiny.arch) == (recipe.name, recipe.arch)
        assert tiny.tokens_per_update == recipe.tokens_per_update // 10


def test_the_recipe_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0 and "--tokens-seen" in capsys.readouterr().out
    with pytest.raises(UserError, match="one of base, big, but is `corpus/bin`"):
        main(["corpus/bin", "base"])
