"""The command line of ``autoassist compare``, and from it to the jobs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import check_unsplit
from autoassist_fairseq.tools.common.words import as_words, tokens_bound, value_of
from autoassist_fairseq.tools.compare import flags
from autoassist_fairseq.tools.compare.arms import Arm, check_arms, parse_arm, split_arms
from autoassist_fairseq.tools.compare.budget import parse_budget
from autoassist_fairseq.tools.compare.jobs import Corpus, Job, Test, corpus_digest
from autoassist_fairseq.tools.scoring import layout
from autoassist_fairseq.tools.scoring.command import add_corpus_options, check_plain_reference
from autoassist_fairseq.tools.scoring.generated import check_flags, find_model
from autoassist_fairseq.tools.scoring.metrics import bootstrap_seed
from autoassist_fairseq.tools.scoring.split import find_split
from autoassist_fairseq.tools.scoring.text import check_lengths, read_lines

_EPILOG = """\
An arm is [NAME=]POLICY and flags of fairseq-train for it alone; {NAME} in a flag stands for the
train.log of that arm's run with the same seed, --data DIR for another corpus:
  --arms off,shrink --arm "random=random --autoassist-rate {shrink}" --arm "clean=off --data CLEAN"
What follows -- goes to fairseq-train for all arms and overrides the defaults; those that do not fit
another --arch, --criterion, --optimizer or --lr-scheduler go with it. The defaults are:
  """


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    defaults = shlex.join(as_words(flags.DEFAULTS)).replace("%", "%%")
    p = argparse.ArgumentParser(
        prog="autoassist compare",
        description="Train arms under one budget, several seeds each; translate the test set with "
        "the last checkpoints; print one row per arm. A second run does only what is left to do.",
        epilog=_EPILOG + defaults,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = p.add_argument
    add("--data", required=True, type=Path, metavar="DIR", help="binarised corpus")
    add("--arms", dest="arms", action="extend", type=split_arms, metavar="A,B,..", help="arms; "
        "the first is what the others are compared with")  # fmt: skip
    add("--arm", dest="arms", action="append", metavar="ARM", help="one arm more")
    add("--seeds", default="1", metavar="N,N,..", help="default: 1")
    add("--budget", required=True, metavar="tokens=N|seconds=S|passes=P", help="target tokens "
        "that each run trains on, seconds of training, or passes over the corpus")  # fmt: skip
    add("--out", required=True, type=Path, metavar="DIR", help="folder of runs and results")
    add("--jobs", type=int, default=2, metavar="N", help="runs side by side (default: 2)")
    add("--threads", type=int, default=1, metavar="N", help="of each run (default: 1)")
    add("--ref", type=Path, metavar="FILE", help="raw reference (default: text/ beside DATA)")
    add_corpus_options(p)
    add("--decay", action="store_true", help="let the learning rate fall to 0 where the budget "
        "ends, in every arm: --lr-scheduler autoassist_decay")  # fmt: skip
    add("--tune-lr", metavar="A,B,C", help="train the first arm with each of these learning rates "
        "first; all arms get the one with the lowest validation loss")  # fmt: skip
    add("--average", type=int, default=1, metavar="N", help="translate with the mean of N "
        "checkpoints in the last tenth of the budget (passes: the last N); default: 1")  # fmt: skip
    add("--generate", default="", metavar="FLAGS", help='of fairseq-generate, such as "--beam 5"')
    add("--bootstrap-samples", type=int, default=1000, metavar="N", help="default: 1000")
    return p


def arms_of(args: argparse.Namespace) -> list[Arm]:
    """Return the arms in the order that was given.

    Raises:
        UserError: they cannot be run.
    """
    arms = [parse_arm(text) for text in args.arms or ()]
    check_arms(arms)
    return arms


def jobs_of(args: argparse.Namespace, arms: Sequence[Arm], extra: Sequence[str]) -> list[Job]:
    """Return all runs, seed by seed, each after those that it needs.

    Raises:
        UserError: an option, a flag or a corpus will not do.
    """
    seeds = seeds_of(args.seeds)
    check_unsplit("--out", args.out)
    extra = scheduled(args, extra, arms)
    for option, value in (
        ("--jobs", args.jobs),
        ("--threads", args.threads),
        ("--average", args.average),
        ("--bootstrap-samples", args.bootstrap_samples),
    ):
        if value < 1:
            raise UserError(f"`{option}` must be 1 or more, but is {value}.")
    bootstrap_seed()  # whatever is wrong with it is told before hours of training
    budget = parse_budget(args.budget)
    if budget.kind == "passes" and args.average > budget.amount:
        raise UserError(
            f"`--average` must be at most the passes of `--budget`, {budget.amount:.0f}, but is "
            f"{args.average}."
        )
    for words, where in ((extra, "--"), *((arm.flags, f"--arm {arm.name}") for arm in arms)):
        flags.check_flags(words, where, args.average)
    used = (*_names(extra, "--train-subset", "train"), *_names(extra, "--valid-subset", "valid"))
    corpora = {arm.data: _corpus(args, arm.data or args.data, used) for arm in (*arms, Arm("", ""))}
    flags.check_paces(arms, extra, budget.kind)
    epochs = args.average if budget.kind == "passes" and args.average > 1 else 0
    test = _test(args, corpora[None], [corpus.data for corpus in corpora.values()])
    device = () if "--cpu" in extra or _gpu() else ("--cpu",)
    found = []
    for seed in seeds:
        for arm in arms:
            corpus = corpora[arm.data]
            common = flags.common_flags(corpus.data, corpus.languages, extra, arm.flags)
            given = (*flags.arm_flags(arm, seed, corpus.languages, epochs), *common)
            bound = tokens_bound([*given, *arm.flags])
            at = (args.out, corpus, budget, test, given, bound)
            more = {"device": device, "threads": args.threads, "average": args.average}
            found.append(Job(arm, seed, *at, **more))
    return found


def scheduled(args: argparse.Namespace, extra: Sequence[str], arms: Sequence[Arm]) -> list[str]:
    """Return the flags of all arms with the schedule of ``--decay``.

    Raises:
        UserError: another one is there, too, of all arms or of one.
    """
    if not args.decay:
        return list(extra)
    for words, where in (
        (extra, "after --"),
        *((arm.flags, f"in --arm {arm.name}") for arm in arms),
    ):
        if other := value_of(words, "--lr-scheduler"):
            raise UserError(
                f"`--decay` must not go with another --lr-scheduler, but {where} there is {other}; "
                "leave out one of the two."
            )
    return ["--lr-scheduler", flags.DECAY, *extra]


def seeds_of(text: str) -> list[int]:
    """Read ``--seeds``.

    Raises:
        UserError: not whole numbers from 0, or one is there twice.
    """
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(f"`--seeds` must be different whole numbers from 0, but is {text!r}.")
    return seeds


def _names(extra: Sequence[str], flag: str, default: str) -> list[str]:
    return (value_of(extra, flag) or default).split(",")


def _corpus(args: argparse.Namespace, data: Path, used: Sequence[str]) -> Corpus:
    check_unsplit("--data", data)
    subsets = _subsets(args)
    split = find_split(data, subsets[0], args.source_lang, args.target_lang)
    languages = (split.source, split.target)
    for needed in (*used, *subsets[1:]):
        find_split(data, needed, *languages)
    for language in languages:
        if not (data / f"dict.{language}.txt").is_file():
            raise UserError(
                f"`--data` must hold a dictionary of each language, but {data} has no "
                f"dict.{language}.txt; give the folder that fairseq-preprocess wrote."
            )
    model = find_model(data, split.target, args.spm, args.detokenise)
    digest = corpus_digest(data, languages, (*used, *subsets))
    return Corpus(data, languages, model, digest)


def _subsets(args: argparse.Namespace) -> tuple[str, ...]:
    subsets = tuple(word.strip() for word in args.gen_subset.split(","))
    if not all(subsets) or len(set(subsets)) < len(subsets):
        raise UserError(
            f"`--gen-subset` must be different names with commas between, but is "
            f"{args.gen_subset!r}."
        )
    if args.ref and len(subsets) > 1:
        raise UserError(
            f"`--ref` must go with one `--gen-subset`, but there are {len(subsets)}; leave it out: "
            "the text of each is looked for beside DATA."
        )
    return subsets


def _test(args: argparse.Namespace, main: Corpus, everywhere: Sequence[Path]) -> Test:
    """Read the references of all arms, and require test sets of their lengths everywhere."""
    subsets = _subsets(args)
    references = tuple(_reference(args, main, subset, everywhere) for subset in subsets)
    try:
        words = tuple(shlex.split(args.generate))
    except ValueError as error:
        raise UserError(
            f"`--generate` must have closed quotes, but is {args.generate!r}."
        ) from error
    check_flags(words, "--generate")
    return Test(subsets, references, args.detokenise, words, args.bootstrap_samples)


def _reference(
    args: argparse.Namespace, main: Corpus, subset: str, everywhere: Sequence[Path]
) -> tuple[str, ...]:
    given = [str(args.ref)] if args.ref else None
    path = layout.references(main.data, subset, main.languages[1], given)[0]
    lines = read_lines(path, "--ref")
    check_plain_reference(path, lines, args.plain_ref)
    for data in everywhere:
        pairs = find_split(data, subset, *main.languages).pairs
        if pairs is not None:
            check_lengths({f"`--ref` {path}": lines, f"the {subset} of {data}": range(pairs)})
    return tuple(lines)


def _gpu() -> bool:
    import torch  # takes seconds, and mistakes in the options come first

    return bool(torch.cuda.is_available())
