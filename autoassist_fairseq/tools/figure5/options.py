"""The options of ``autoassist figure5``, and what is wrong with them."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.figure5.sets import SETS

POLICIES = ("uniform", "shrink", "random", "self-paced", "importance", "loss-table")
DEPTHS = (18, 34, 101)


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist figure5``."""
    p = argparse.ArgumentParser(
        prog="autoassist figure5",
        description="Train a ResNet on images under several policies, every one with as many "
        "images: accuracy against seconds and images (Figure 5 of the paper). The same command "
        "goes on with what is not done yet.",
    )
    add = p.add_argument
    add("--out", required=True, type=Path, metavar="DIR", help="folder of runs, page and figures")
    sets = "image sets (default: digits digits-rotated, which are embedded)"
    add("--set", nargs="+", choices=SETS, default=["digits", "digits-rotated"], help=sets)
    published = "folder with the published files of MNIST, CIFAR10 or ImageNet"
    add("--data", type=Path, metavar="DIR", help=published)
    add("--policies", nargs="+", choices=POLICIES, default=list(POLICIES), help="default: all")
    add("--seeds", nargs="+", type=int, default=[1, 2, 3], help="default: 1 2 3")
    add("--depth", type=int, choices=DEPTHS, default=18, help="of the ResNet (default: 18)")
    width = "channels of its first stage (default: 8 for digits, else 64, which is torchvision's)"
    add("--width", type=int, help=width)
    passes = "images trained on, in full passes (default: 5 for digits, else 20)"
    add("--passes", type=float, help=passes)
    add("--lr", type=float, help="step size (default: the paper's, 0.0005 or 0.005; digits 0.005)")
    add("--momentum", type=float, default=0.9, help="of SGD (default: 0.9)")
    add("--batch-size", type=int, help="images (default: the paper's, 16; ImageNet 64)")
    add("--tests", type=int, default=4, help="tests in each full pass (default: 4)")
    add("--base-prob", type=float, default=0.1, help="shrink: least chance (default: 0.1)")
    add("--assistant-lr", type=float, default=0.3, help="of the Assistant (default: 0.3)")
    rate = "loss-table: share of the easy images that is dropped; random: without shrink beside it"
    add("--rate", type=float, default=0.5, help=f"{rate} (default: 0.5)")
    pace = (
        "self-paced: passes until all images are open (default: --passes, at most the paper's 20)"
    )
    add("--pace", type=float, help=pace)
    add("--presample", type=int, default=3, help="importance: candidates for each (default: 3)")
    add("--device", default="cpu", help="of torch (default: cpu)")
    add("--threads", type=int, default=1, help="of the processor, for torch (default: 1)")
    theorem = "folder of `autoassist theorem1`, linked from the page (default: ../theorem1)"
    add("--theorem1", default="../theorem1", metavar="DIR", help=theorem)
    add("--json", action="store_true", help="print JSON")
    return p


def check(args: argparse.Namespace) -> None:
    """Raise `UserError` with every option that is out of range."""
    least = {"width": 1, "batch_size": 2, "tests": 1, "threads": 1}
    told = [
        f"`--{name.replace('_', '-')}` must be at least {value}, but is {given}"
        for name, value in least.items()
        if (given := getattr(args, name)) is not None and given < value
    ]
    for name in ("lr", "passes", "pace"):
        given = getattr(args, name)
        if given is not None and not 0 < given < math.inf:
            told.append(f"`--{name}` must be a finite number above 0, but is {given:g}")
    if not 0 <= args.momentum < 1:
        told.append(f"`--momentum` must be in [0, 1), but is {args.momentum:g}")
    for name in ("set", "policies", "seeds"):
        given = getattr(args, name)
        if len(set(given)) < len(given):
            told.append(f"`--{name}` must name each once, but is {' '.join(map(str, given))}")
    if min(args.seeds) < 0:
        told.append(f"`--seeds` must be 0 or more, but one is {min(args.seeds)}")
    settings = Settings(
        base_prob=args.base_prob,
        lr=args.assistant_lr,
        rate=(args.rate,),
        presample=args.presample,
        hopeless="off",
    )
    named = {"`--autoassist-lr`": "`--assistant-lr`", "`--autoassist-": "`--"}
    for problem in settings.problems():
        for theirs, ours in named.items():
            problem = problem.replace(theirs, ours)
        told.append(problem)
    if told:
        raise UserError("; ".join(told) + ".")
