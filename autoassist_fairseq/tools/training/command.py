"""Train as the paper did (logic of ``autoassist train base`` and ``autoassist train big``)."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import autoassist_fairseq
from autoassist_fairseq.errors import UserError, run_main
from autoassist_fairseq.settings import POLICIES
from autoassist_fairseq.tools.common.words import as_words, split_at_dashes, tokens_bound, value_of
from autoassist_fairseq.tools.install.programs import find_program
from autoassist_fairseq.tools.training import recipes


def parser(recipe: recipes.Recipe) -> argparse.ArgumentParser:
    """Return the command line of one recipe's script."""
    p = argparse.ArgumentParser(
        prog=f"autoassist train {recipe.name}",
        description=f"Train Transformer {recipe.name} on WMT14 En-De as the AutoAssist paper did: "
        f"{recipe.tokens_per_gpu} tokens per GPU on {recipes.PAPER_GPUS} GPUs.",
        epilog="What follows -- goes to fairseq-train as it is and overrides the recipe.",
    )
    add = p.add_argument
    add("data", metavar="DATA", help="binarised corpus with a joined dictionary")
    policy = "who is kept (default: uniform: all but hopeless pairs; competence: of these the easy "
    policy += "first); with the others, such as the paper's rule, shrink, hopeless pairs are not "
    policy += "looked for"
    add("--policy", default="uniform", metavar="|".join(POLICIES), help=policy)
    folder = f"checkpoints (default: checkpoints/wmt14_{recipe.name}_POLICY)"
    add("--save-dir", metavar="DIR", help=folder)
    add("--seed", type=int, default=1, help="default: 1")
    budget = f"budget: tokens trained on (default: {recipe.tokens_seen:g}, the paper's)"
    add("--tokens-seen", type=float, metavar="N", help=budget)
    real = "that an update really trains on (train_wpb of a log; default: what batches may hold)"
    add("--tokens-per-update", type=float, metavar="N", help=real)
    gpus = f"GPUs on each node (default: {recipes.PAPER_GPUS})"
    add("--gpus", type=int, metavar="N", help=gpus)
    add("--nodes", type=int, default=1, metavar="N", help="machines (default: 1)")
    add("--rendezvous", metavar="HOST:PORT", help="first node, when there are several")
    held = "what a GPU holds at once (default: the paper's); sets --update-freq"
    add("--tokens-per-gpu", type=int, metavar="N", help=held)
    batches = "batches per update, which shrink or grow to fit (default: the fewest that fit)"
    add("--update-freq", type=int, metavar="N", help=batches)
    precision = p.add_mutually_exclusive_group()
    for name in ("fp16", "bf16", "fp32"):
        what = f"train in {name}" + " (the default)" * (name == recipe.precision)
        add_one = precision.add_argument
        add_one(f"--{name}", dest="precision", action="store_const", const=name, help=what)
    add("--tiny", action="store_true", help="a model and a budget for a test on the CPU")
    add("--dry-run", action="store_true", help="print the command and stop")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Print the plan and become ``fairseq-train``; the first word of ``argv`` is the recipe."""
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if name in ("-h", "--help"):
        parser(recipes.RECIPES["base"]).print_help()
        return 0
    if name not in recipes.RECIPES:
        raise UserError(
            f"the recipe must be one of {', '.join(recipes.RECIPES)}, but is `{name}`; it comes "
            "first, before DATA."
        )
    own, extra = split_at_dashes(rest)
    args = parser(recipes.RECIPES[name]).parse_args(own)
    words = build(args, recipes.RECIPES[name], extra)
    if args.dry_run:
        print(shlex.join(words))
        return 0
    _check_machine(args, words)
    print(f"$ {shlex.join(words)}", file=sys.stderr, flush=True)
    os.execv(words[0], words)


def build(args: argparse.Namespace, recipe: recipes.Recipe, extra: Sequence[str]) -> list[str]:
    """Return the training command, ``extra`` last; say on stderr how batch and budget came about.

    Raises:
        UserError: an option outside its range, or options that do not go together.
    """
    if args.policy not in POLICIES:
        raise UserError(f"`--policy` must be one of {', '.join(POLICIES)}, but is {args.policy}.")
    recipe = recipe.tiny() if args.tiny else recipe
    recipe = replace(
        recipe,
        precision=args.precision or recipe.precision,
        tokens_seen=recipe.tokens_seen if args.tokens_seen is None else args.tokens_seen,
    )
    if args.tiny and recipe.precision == "fp16":
        raise UserError("`--tiny` trains on the CPU, which `--fp16` cannot; leave one of them out.")
    gpus = args.gpus if args.gpus is not None else (1 if args.tiny else recipes.PAPER_GPUS)
    start = recipes.launcher(_tool("torchrun"), gpus, args.nodes, args.rendezvous)
    per_gpu = recipe.tokens_per_gpu if args.tokens_per_gpu is None else args.tokens_per_gpu
    batching = recipes.fit_batching(
        recipe.tokens_per_update, per_gpu, gpus * args.nodes, args.update_freq
    )
    sizes = {
        "--distributed-world-size": batching.processes,
        "--max-tokens": batching.max_tokens,
        "--update-freq": batching.update_freq,
    }
    bound = tokens_bound([*as_words(sizes), *extra])
    per_update = bound if args.tokens_per_update is None else args.tokens_per_update
    updates = recipes.updates_for(recipe.tokens_seen, per_update)
    user_dir = str(Path(autoassist_fairseq.__file__).parent)
    options = recipes.train_options(recipe, batching, updates, args.policy, user_dir)
    options |= _run_options(args, recipe, start)
    words = [*start, _tool("fairseq-train"), args.data, *as_words(options), *extra]
    _explain(args, recipe, words, bound, per_update, updates)
    return words


def _run_options(
    args: argparse.Namespace, recipe: recipes.Recipe, start: list[str]
) -> dict[str, object]:
    where = args.save_dir or f"checkpoints/wmt14_{recipe.name}_{args.policy}"
    options: dict[str, object] = {"--save-dir": where, "--seed": args.seed}
    if not start:
        options["--distributed-world-size"] = 1  # else fairseq takes every GPU that it sees
    if args.tiny:
        options |= recipes.CPU_OPTIONS
    return options


def _explain(
    args: argparse.Namespace,
    recipe: recipes.Recipe,
    words: Sequence[str],
    bound: int,
    per_update: float,
    updates: int,
) -> None:
    """Say what runs: ``words``, in which what follows -- came last."""
    names = ("--autoassist-policy", "--max-tokens", "--update-freq", "--max-update")
    policy, max_tokens, freq, run = (value_of(words, name) or "" for name in names)
    precision = next((name for name in ("fp16", "bf16") if f"--{name}" in words), "fp32")
    processes = max(1, bound // tokens_bound([*words, "--distributed-world-size", "1"]))
    given = "" if run == str(updates) else f"{run}, as given after --, where the budget has "
    tiny = " (tiny)" if args.tiny else ""
    source = "as given"
    if args.tokens_per_update is None:
        source = "full batches, padding counted; --tokens-per-update takes train_wpb of a log"
    paper = f"{'this recipe' if args.tiny else 'paper'}: {recipe.tokens_per_update}"
    print(
        f"recipe: Transformer {recipe.name}{tiny}, {precision}, policy {policy}\n"
        f"tokens per update: {max_tokens} in a batch x {processes} processes x "
        f"update-freq {freq} = {bound} ({paper})\n"
        f"updates: {given}{updates} = {recipe.tokens_seen:,.0f} tokens seen / "
        f"{per_update:,.0f} ({source})\n"
        "tokens seen: those trained on; what the Assistant skips does not count",
        file=sys.stderr,
    )


def _check_machine(args: argparse.Namespace, words: list[str]) -> None:
    """Find what would otherwise end in a traceback of fairseq or torchrun."""
    first = Path(args.data.split(":")[0])
    if not list(first.glob("dict.*.txt")):
        raise UserError(f"DATA {first} must be a binarised corpus, but has no dict.LANG.txt.")
    for tool in (word for word in words if word in (_tool("torchrun"), _tool("fairseq-train"))):
        if not Path(tool).exists():
            raise UserError(f"{Path(tool).name} must be beside {sys.executable}; run `make setup`.")
    if args.tiny:
        return
    import torch  # only a real run needs to know the GPUs

    wanted = recipes.PAPER_GPUS if args.gpus is None else args.gpus
    if wanted > torch.cuda.device_count():
        raise UserError(
            f"`--gpus` {wanted} must not exceed the {torch.cuda.device_count()} GPUs that are "
            "visible; ask for fewer (the tokens per update stay the same) or try `--tiny`."
        )


def _tool(name: str) -> str:
    return str(find_program(name) or Path(sys.executable).with_name(name))


if __name__ == "__main__":
    run_main(main)
