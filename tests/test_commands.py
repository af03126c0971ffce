"""Every command in README, docs and comments: its program, its options, its folders exist."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from test_names import ROOT, prose, sources

from autoassist_fairseq.__main__ import COMMANDS
from autoassist_fairseq.tools.common.words import split_at_dashes
from autoassist_fairseq.tools.compare.budget import parse_budget
from autoassist_fairseq.tools.compare.flags import check_flags
from autoassist_fairseq.tools.compare.options import arms_of, parser, seeds_of

FAIRSEQ_TRAIN = [
    *("--user-dir", str(ROOT / "autoassist_fairseq"), "--task", "autoassist_translation"),
    *("--arch", "transformer", "--criterion", "label_smoothed_cross_entropy"),
    *("--optimizer", "adam", "--lr-scheduler", "inverse_sqrt"),
]
_PROGRAM = re.compile(
    r"(?:scripts|data-prep)/\w+\.(?:py|sh)|fairseq-[a-z-]+"
    r"|autoassist (?:prepare \w+|train \w+|[a-z][\w-]*)"
    r"|make(?= \w)"
)
_FLAG = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*")
_QUOTED = re.compile(r'"[^"$]*"')
_SPAN = re.compile(r"`([^`]+)`")
_USAGE = re.compile(r"^#   (\S.*)$", re.MULTILINE)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FOREIGN = {
    *("--tee", "--kills", "--requeue", "--kill-on-bad-exit"),
    *("--target", "--platform", "--python-version"),
    "--autoassist-budget",
}
"""Options of torchrun, of the soak test, which is no program of users, of SLURM, of pip, and of a
learning-rate scheduler, which fairseq-train knows with that one only."""


def documents() -> list[str]:
    return [path for path in sources() if path.endswith(".md") and path != "CHANGELOG.md"]


def commands() -> Iterator[tuple[str, str]]:
    """Where a command stands, and the command on one line."""
    for path in sources():
        text = prose(path)
        found = _USAGE.findall(text.replace("\\\n#", " "))
        if path.endswith(".md"):
            blocks = [block for kind, block in _FENCED.findall(text) if kind == "sh"]
            blocks += re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
            for block in blocks:
                found += _with_variables(block.replace("\\\n", " ").splitlines())
        if path != "CHANGELOG.md":
            found += [" ".join(span.split()) for span in _SPAN.findall(_FENCED.sub("", text))]
        for line in found:
            line = re.sub(r"\s#.*", "", line).strip()
            if _PROGRAM.match(line):
                yield path, line


def _with_variables(lines: list[str]) -> list[str]:
    """Take `NAME="..."` lines away, and put what they hold where $NAME stands."""
    held: dict[str, str] = {}
    left = []
    for line in lines:
        if found := re.match(r'(\w+)="(.*)"\s*$', line):
            held[found[1]] = found[2]
        left.append(re.sub(r"\$(\w+)", lambda name: held.get(name[1], name[0]), line))
    return left


@cache
def options_of(program: str) -> frozenset[str]:
    """The options that a program's --help lists."""
    entry = _entry(program)
    if entry is None:
        words = [sys.executable, program, "--help"]
        if program.startswith("fairseq-"):
            words[:2] = [str(Path(sys.executable).with_name(program))]
            words += FAIRSEQ_TRAIN if program == "fairseq-train" else []
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, (program, done.stderr)
        return frozenset(_FLAG.findall(done.stdout))
    told, status = io.StringIO(), None
    with contextlib.redirect_stdout(told):
        try:
            status = importlib.import_module(entry[0]).main([*entry[1], "--help"])
        except SystemExit as ended:
            status = ended.code
    assert status in (0, None), program
    return frozenset(_FLAG.findall(told.getvalue()))


def _entry(program: str) -> tuple[str, list[str]] | None:
    """The module behind a program of ours, and what is said first; None: no such."""
    if "/" in program:  # a door
        text = (ROOT / program).read_text("utf-8")
        door = re.search(r"autoassist\.sh. ([\w -]+) .\$@|run\(.([\w-]+).\)", text)
        assert door, program
        program = f"autoassist {door[1] or door[2]}"
    if not program.startswith("autoassist "):
        return None
    return "autoassist_fairseq.__main__", program.split()[1:]


def parts(line: str) -> Iterator[tuple[str, set[str]]]:
    """(program, options that a command gives it): its own, and those that it hands on."""
    program = _PROGRAM.match(line)
    assert program
    line = re.sub(r"\$\([^)]*\)", "", line)
    own, _, rest = line.partition(" -- ")
    inner = "fairseq-generate" if "evaluate" in program[0] else "fairseq-train"
    yield program[0], set(_FLAG.findall(_QUOTED.sub("", own)))
    quoted = {flag for text in _QUOTED.findall(own) for flag in _FLAG.findall(text)}
    yield inner, (quoted - {"--data"}) | set(_FLAG.findall(rest))


@pytest.mark.slow
def test_every_program_is_there() -> None:
    found = list(commands())
    assert len(found) > 50
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path, line in found:
        program = _PROGRAM.match(line)
        assert program
        if program[0] == "make":
            assert line.split()[1] in targets, (path, line)
        elif program[0].startswith("autoassist "):
            assert line.split()[1] in COMMANDS, (path, line)
        elif "/" in program[0]:
            assert (ROOT / program[0]).is_file(), (path, line)
        else:
            name = program[0].split()[0]
            assert Path(sys.executable).with_name(name).is_file(), (path, line)


@pytest.mark.slow
def test_every_option_of_a_command_is_in_its_help() -> None:
    for path, line in commands():
        for program, flags in parts(line):
            if flags and program not in ("make", "fairseq-hydra-train"):
                assert flags <= options_of(program), (path, line, flags - options_of(program))


@pytest.mark.slow
@pytest.mark.parametrize("path", documents())
def test_every_flag_in_a_document_is_one(path: str) -> None:
    programs = {program for _, line in commands() for program, _ in parts(line)}
    programs |= {f"autoassist {name}" for name in COMMANDS}
    told = {
        flag
        for span in _SPAN.findall(_FENCED.sub("", prose(path)))
        if not _PROGRAM.match(span)
        for flag in _FLAG.findall(span)
    } - FOREIGN
    # Those that start in this process first; the others only if a flag is none of theirs
    for program in sorted(
        programs - {"make", "fairseq-hydra-train"}, key=lambda one: (not _entry(one), one)
    ):
        if told:
            told -= options_of(program)
    assert not told


@pytest.mark.slow
def test_comparisons_are_what_the_runner_takes() -> None:
    found = [line for _, line in commands() if line.startswith("autoassist compare --data")]
    assert len(found) > 3
    for line in found:
        own, extra = split_at_dashes(shlex.split(line)[2:])
        args = parser().parse_args(own)
        check_flags(extra, "--")
        parse_budget(args.budget)
        assert len(seeds_of(args.seeds)) == 3
        for arm in arms_of(args):
            check_flags(arm.flags, arm.name)
