"""``autoassist``, also ``python -m autoassist_fairseq``: the one command, a word for each job."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import autoassist_fairseq
from autoassist_fairseq.errors import UserError, run_main
from autoassist_fairseq.tools.common.files import clear_os_errors
from autoassist_fairseq.tools.common.packages import lacking


@dataclass(frozen=True)
class Command:
    """One job.

    Attributes:
        summary: one line for ``autoassist --help``.
        module: below this package; its ``main(argv)`` returns the exit status. Loaded only when
            it is asked for, so that nobody pays for another command's imports.
    """

    summary: str
    module: str


# In the order in which one works with them.
GROUPS: dict[str, dict[str, Command]] = {
    "set up": {
        "doctor": Command("check Python, fairseq, torch and the rest", "tools.install.doctor"),
        "user-dir": Command("print the path for fairseq's --user-dir", "tools.install.user_dir"),
        "build-fairseq": Command("build and install the corrected fairseq", "tools.install.wheel"),
        "pack": Command("wheels for a machine without network", "tools.pack.command"),
    },
    "prepare": {
        "prepare": Command("from raw text to a binarised corpus", "tools.dataprep.command"),
        "find-wrong-pairs": Command(
            "which pairs of a corpus are no translations", "tools.wrong_pairs.command"
        ),
        "noise": Command("spoil some pairs of a corpus in a known way", "tools.noise.command"),
        "synthetic-corpus": Command(
            "write a binarised corpus of WMT14's size in seconds", "tools.synthetic.command"
        ),
    },
    "train": {
        "demo": Command("train with and without the Assistant, and compare", "tools.demo.command"),
        "train": Command("the paper's runs, base and big", "tools.training.command"),
        "compare": Command("train several arms under one budget", "tools.compare.command"),
    },
    "look": {
        "average": Command("average checkpoints", "tools.averaging.command"),
        "evaluate": Command("average, translate and score", "tools.scoring.evaluate"),
        "score": Command("three BLEU figures, each labelled", "tools.scoring.command"),
        "report": Command("one page about one run or several", "tools.report.command"),
        "scores": Command("what a run found out about every pair", "tools.scores.command"),
        "judge": Command("a run's verdicts beside the truth", "tools.scores.judging"),
    },
    "prove": {
        "bench": Command("measure the Assistant against its targets", "probes.bench"),
        "check-gpu": Command(
            "what only a GPU can show, within given minutes", "tools.check_gpu.command"
        ),
        "theorem1": Command("the paper's convergence bound", "tools.theorem1.command"),
        "figure5": Command("the paper's image experiments", "tools.figure5.command"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


@clear_os_errors()  # for all of them
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (None: the program's own) names; return its exit status.

    Raises:
        UserError: there is no such command, or a file that it needs cannot be read or written.
    """
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if name in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if name == "--version":
        print(autoassist_fairseq.__version__)
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        meant = f"did you mean `{near[0]}`? " if near else ""
        raise UserError(
            f"`autoassist` must be followed by one of its commands, but `{name}` is none; {meant}"
            "`autoassist --help` lists them."
        )
    return int(_job(name, COMMANDS[name])(rest) or 0)


def _job(name: str, command: Command) -> Callable[[Sequence[str]], int | None]:
    """Load a command; raise `UserError` if a package that it needs is not installed."""
    try:
        job: Callable[[Sequence[str]], int | None] = importlib.import_module(
            f"autoassist_fairseq.{command.module}"
        ).main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("autoassist_fairseq"):
            raise
        raise lacking(name, error.name) from error
    return job


def help_text() -> str:
    """Return what ``autoassist --help`` prints."""
    wide = max(map(len, COMMANDS))
    lines = ["usage: autoassist COMMAND ...    (autoassist COMMAND --help tells its options)"]
    for group, commands in GROUPS.items():
        lines += ["", group]
        lines += [f"  {name:{wide}}  {command.summary}" for name, command in commands.items()]
    return "\n".join(lines)


def run(*before: str) -> None:
    """Be the program ``autoassist``, its command line beginning with ``before``."""
    run_main(lambda: main([*before, *sys.argv[1:]]))


if __name__ == "__main__":
    run()
