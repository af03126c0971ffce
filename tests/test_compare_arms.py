"""autoassist compare: what arms, flags and seeds may be."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from autoassist_fairseq.__main__ import main
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.words import ALIASES, as_words, tokens_bound, value_of
from autoassist_fairseq.tools.compare.arms import Arm, check_arms, parse_arm, split_arms
from autoassist_fairseq.tools.compare.flags import (
    DEFAULTS,
    arm_flags,
    check_flags,
    check_paces,
    common_flags,
)
from autoassist_fairseq.tools.compare.options import parser, seeds_of
from autoassist_fairseq.tools.compare.pool import Pool


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("off", Arm("off", "off")),
        ("loss-table", Arm("loss-table", "loss-table")),
        (
            "random43=random --autoassist-rate 0.43",
            Arm("random43", "random", ("--autoassist-rate", "0.43")),
        ),
        ("c=off --data /other/bin --lr 1", Arm("c", "off", ("--lr", "1"), Path("/other/bin"))),
        ("clean=off --data=/other", Arm("clean", "off", (), Path("/other"))),
        ('a.b+c="off"', Arm("a.b+c", "off")),
        ("x=off --adam-betas '(0.9, 0.98)'", Arm("x", "off", ("--adam-betas", "(0.9, 0.98)"))),
    ],
)  # fmt: skip
def test_arms(text: str, arm: Arm) -> None:
    assert parse_arm(text) == arm


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sgd", "with a policy of uniform, .*but is 'sgd'"),
        ("a/b=off", "must have a name of letters.*'a/b'"),
        ("=off", "must have a name"),
        ("x=off --data", "`--data` in `--arm` must name a folder"),
        ("x=off 'open", "must be .NAME=.POLICY and flags"),
        ("", "must be .NAME=.POLICY and flags"),
    ],
)
def test_arms_that_are_none(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_arm(text)


def test_commas_in_quotes_do_not_split() -> None:
    text = "off, shrink --autoassist-features 'length,tokens',r=random --autoassist-rate {shrink}"
    assert split_arms(text) == [
        "off",
        "shrink --autoassist-features 'length,tokens'",
        "r=random --autoassist-rate {shrink}",
    ]
    assert parse_arm(split_arms(text)[1]).flags == ("--autoassist-features", "length,tokens")
    with pytest.raises(UserError, match="closed quotes"):
        split_arms("off,'shrink")


def test_both_options_add_arms_in_their_order() -> None:
    words = ["--data", "d", "--out", "o", "--budget", "tokens=1"]
    given = ["--arms", "off,shrink", "--arm", "x=off --lr 1", "--arms", "uniform"]
    assert parser().parse_args([*words, *given]).arms == [
        "off",
        "shrink",
        "x=off --lr 1",
        "uniform",
    ]


def test_a_reference_is_the_log_of_the_same_seed() -> None:
    arm = parse_arm("r=random --autoassist-rate {shrink} --lr 1")
    assert arm.needs == {"shrink"}
    logs = {"shrink": Path("out/shrink-3/train.log")}
    assert arm.resolved(logs) == ("--autoassist-rate", "out/shrink-3/train.log", "--lr", "1")


def test_what_is_needed_runs_first() -> None:
    arms = [parse_arm(text) for text in ("off", "a=random --autoassist-rate {b}", "b=shrink")]
    check_arms(arms)
    ran: list[str] = []
    pool = Pool(lambda name, slot, stop: ran.append(name), 1)
    assert pool.run([arm.name for arm in arms], {arm.name: {*arm.needs} for arm in arms}) == {}
    assert ran == ["off", "b", "a"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "must name at least one policy"),
        (["off", "x=off", "x=shrink"], "x is there twice"),
        (["r=random --autoassist-rate {shrink}"], "{shrink} is none of r; add it"),
        (["a=random --autoassist-rate {b}", "b=random --autoassist-rate {a}"], "a and b wait"),
        (["a=random --autoassist-rate {a}"], "must not refer to itself"),
    ],
)
def test_arms_that_do_not_go_together(texts: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_arms([parse_arm(text) for text in texts])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--max-update", "5"], "leave --max-update to autoassist compare"),
        (["--seed=3"], "leave --seed to"),
        (["-s", "de"], "leave -s to"),
        (["-t=en"], "leave -t to"),
        (["-ten"], "leave -ten to"),
        (["--reset-optimizer"], "leave --reset-optimizer"),
        (["--autoassist-policy", "off"], "leave --autoassist-policy"),
        (["--stop-time-hours", "1"], "leave --stop-time-hours"),
        (["--validate-interval", "2"], "leave --validate-interval to"),
        (["--no-save-optimizer-state"], "leave --no-save-optimizer-state to"),
        (["--use-sharded-state"], "leave --use-sharded-state to"),
        (["--validate-after-updates=9"], "leave --validate-after-updates to"),
        (["--lr-scheduler", "cosine"], "goes by updates alone .*has cosine"),
        (["--lr-scheduler=reduce_lr_on_plateau"], "goes by updates alone"),
    ],
)
def test_flags_that_would_spoil_the_comparison(flags: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_flags(flags, "--")


@pytest.mark.parametrize(
    ("arm", "extra", "known"),
    [
        ("easy=competence", [], False),
        ("self-paced", [], False),
        ("easy=competence --autoassist-pace 3", [], True),
        ("easy=competence --autoassist-pace 0", ["--autoassist-pace=2"], False),
        ("easy=competence", ["--autoassist-pace", "2"], True),
        ("easy=competence", ["--lr-scheduler", "autoassist_decay"], True),
        ("self-paced --autoassist-keep 0.7", [], True),
        ("shrink", [], True),
        ("x=random --autoassist-keep {uniform}", [], True),
    ],
)
def test_who_opens_pairs_by_the_end_is_told_where_it_is(
    arm: str, extra: list[str], known: bool
) -> None:
    with contextlib.nullcontext() if known else pytest.raises(UserError, match="`--decay`"):
        check_paces([parse_arm("uniform"), parse_arm(arm)], extra, "tokens")
    check_paces([parse_arm(arm)], extra, "passes")
    if parse_arm(arm).policy == "competence" and not any("pace" in w for w in (arm, *extra)):
        with pytest.raises(UserError, match="`--budget` seconds tells it only as it comes"):
            check_paces([parse_arm(arm)], extra, "seconds")


def test_flags_that_are_free() -> None:
    check_flags(
        ["--lr-scheduler", "polynomial_decay", "--fp16", "--seed-of", "--lr", "1"][:5], "--"
    )


def corpus(tmp_path: Path, source: str, target: str) -> Path:
    (tmp_path / "dict.en.txt").write_text(source)
    (tmp_path / "dict.de.txt").write_text(target)
    return tmp_path


def test_embeddings_are_shared_where_there_is_one_dictionary(tmp_path: Path) -> None:
    def shared(extra: list[str]) -> bool:
        return "--share-all-embeddings" in common_flags(data, ("en", "de"), extra)

    data = corpus(tmp_path, "a 1\n", "a 1\n")
    assert shared([])
    assert not shared(["--share-decoder-input-output-embed"])
    data = corpus(tmp_path, "a 1\n", "b 1\n")
    assert not shared([])


GONE: dict[str, set[str]] = {
    "--lr-scheduler=triangular --max-lr 1": {"--warmup-updates", "--warmup-init-lr"},
    "--lr-scheduler polynomial_decay --total-num-update 9": {"--warmup-init-lr"},
    "--optimizer sgd": {"--adam-betas"},
    "--criterion cross_entropy": {"--label-smoothing"},
    "--optimizer adam --criterion label_smoothed_cross_entropy": set(),
    "--arch transformer_iwslt_de_en": {word for word in as_words(DEFAULTS) if "coder-" in word},
    "-atransformer_iwslt_de_en": {word for word in as_words(DEFAULTS) if "coder-" in word},
}


@pytest.mark.parametrize("given", GONE)
@pytest.mark.parametrize("of_arm", [False, True])
def test_defaults_that_fit_one_choice_go_with_it(tmp_path: Path, given: str, of_arm: bool) -> None:
    data = corpus(tmp_path, "a 1\n", "b 1\n")
    extra, own = ([], given.split()) if of_arm else (given.split(), [])
    words = common_flags(data, ("en", "de"), extra, own)
    assert set(DEFAULTS) - set(words) == GONE[given]


@pytest.mark.parametrize(
    ("scheduler", "lacks"), [("polynomial_decay", "--total-num-update"), ("triangular", "--max-lr")]
)
def test_a_scheduler_is_a_function_of_the_update(
    tmp_path: Path, scheduler: str, lacks: str
) -> None:
    # Without it polynomial_decay would end at --max-update, where each leg ends
    data = corpus(tmp_path, "a 1\n", "b 1\n")
    with pytest.raises(UserError, match=f"`--lr-scheduler` {scheduler} needs {lacks}"):
        common_flags(data, ("en", "de"), ["--lr-scheduler", scheduler])


@pytest.mark.slow
def test_fairseq_knows_what_is_left_of_the_defaults(tmp_path: Path) -> None:
    code = """
import sys
from fairseq import options
import autoassist_fairseq.plugin
for words in sys.stdin.read().splitlines():
    parser = options.get_training_parser("autoassist_translation")
    options.parse_args_and_arch(parser, ["data", *words.split(chr(9))])
"""
    data = corpus(tmp_path, "a 1\n", "b 1\n")
    given = "".join(
        "\t".join(common_flags(data, ("en", "de"), flags.split())) + "\n" for flags in GONE
    )
    subprocess.run([sys.executable, "-c", code], input=given, text=True, check=True)


@pytest.mark.slow
def test_all_names_of_fairseqs_options_are_known() -> None:
    code = """
import json
from fairseq import options
import autoassist_fairseq.plugin
from fairseq.tasks import TASK_REGISTRY
found = {}
for kind in ("training", "generation", "validation"):
    parser = getattr(options, f"get_{kind}_parser")("autoassist_translation")
    TASK_REGISTRY["autoassist_translation"].add_args(parser)
    assert not parser.allow_abbrev  # or the beginnings of names would be names, too
    for action in parser._actions:
        first, *others = action.option_strings or [""]
        found |= {name: first for name in others if first != "-h"}
print(json.dumps(found))
"""
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    assert json.loads(said.splitlines()[-1]) == ALIASES


def test_arms_differ_in_their_policy_alone() -> None:
    off, shrink = (arm_flags(parse_arm(policy), 3, ("en", "de")) for policy in ("off", "shrink"))
    assert [pair for pair in zip(off, shrink, strict=True) if pair[0] != pair[1]] == [
        ("off", "shrink")
    ]


@pytest.mark.parametrize(
    ("arm", "extra", "done"),
    [
        ("uniform", [], "off"),
        ("cut=uniform --autoassist-hopeless cut", [], "cut"),
        ("uniform", ["--autoassist-hopeless", "keep"], "keep"),
        ("cut=uniform --autoassist-hopeless cut", ["--autoassist-hopeless", "keep"], "cut"),
    ],
)
def test_hopeless_pairs_are_looked_for_where_an_arm_or_all_say_so(
    tmp_path: Path, arm: str, extra: list[str], done: str
) -> None:
    """As fairseq-train reads it: of an option that is there twice the last one counts."""
    own, data = parse_arm(arm), corpus(tmp_path, "a 1\n", "b 1\n")
    common = common_flags(data, ("en", "de"), extra, own.flags)
    words = [*arm_flags(own, 1, ("en", "de")), *common, *own.flags]
    assert value_of(words, "--autoassist-hopeless") == done


def test_the_last_of_a_flag_counts(tmp_path: Path) -> None:
    words = ["--max-tokens", "2000", "--update-freq=1,4,2", "--max-tokens", "500"]
    assert value_of(words, "--max-tokens") == "500"
    assert value_of(words, "--lr") is None
    assert value_of(["-s", "en", "--source-lang=de", "-sfr"], "--source-lang") == "fr"
    assert value_of(["--batch-size", "8", "--max-sentences=4"], "--batch-size") == "4"
    assert tokens_bound(words) == 2000
    for bad in (["--max-tokens", "no"], ["--max-tokens", "0"], []):
        with pytest.raises(UserError, match="`--max-tokens` must be a whole number above 0"):
            tokens_bound(bad)


def test_seeds() -> None:
    assert seeds_of("3,1,2") == [3, 1, 2]
    for bad in ("", "1,1", "-1", "x"):
        with pytest.raises(UserError, match="`--seeds` must be different whole numbers"):
            seeds_of(bad)


@pytest.mark.parametrize("package", ["scipy", "matplotlib", "jinja2"])
@pytest.mark.parametrize("name", ["compare", "demo"])
def test_what_is_needed_after_training_is_looked_for_before(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ["--data", "none", "--budget", "passes=1", "--arms", "off"] if name == "compare" else []
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"`autoassist {name}` needs the package `{package}`"):
        main([name, *own, "--out", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()
