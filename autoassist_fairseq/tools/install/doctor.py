"""Check that this Python can train: one finding per check, each with the command that mends it.

Everything that may be broken is imported in a child process, so that the doctor itself never fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from autoassist_fairseq.tools.install import edits as fairseq_edits
from autoassist_fairseq.tools.install.patient import Patient, python_path
from autoassist_fairseq.tools.install.pip_run import CONSTRAINTS
from autoassist_fairseq.tools.install.wheel import PYTHON_RANGE

TASK = "autoassist_translation"
EXTENSIONS = ("fairseq.data.data_utils_fast", "fairseq.data.token_block_utils_fast")
LIBBLEU = "fairseq.libbleu"
COMMANDS = ("fairseq-preprocess", "fairseq-train", "fairseq-generate")
LEAST = {"numpy": (1, 26), "torch": (2, 6), "numba": (0, 60)}

IN_CHECKOUT = CONSTRAINTS.is_file()
_PYTHON = shlex.quote(sys.executable)
_INSTALL = f"{_PYTHON} -m pip install" + " -c constraints.txt" * IN_CHECKOUT
MEND_PYTHON = "make clean setup PYTHON=python3.11" if IN_CHECKOUT else "take another Python"
MEND_FAIRSEQ = f"{_PYTHON} -m autoassist_fairseq build-fairseq"
MEND_PACKAGES = f"{_INSTALL} {'-e .' if IN_CHECKOUT else 'autoassist_fairseq-*.whl'}"
WHERE = (
    " in the repository's folder"
    if IN_CHECKOUT
    else ("; without a network, pack anew elsewhere (`autoassist pack --have FILE`)")
)


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        ok: Whether all is well.
        subject: What was checked.
        detail: The version or state found.
        mend: The command that mends it; empty if all is well.
    """

    ok: bool
    subject: str
    detail: str
    mend: str = ""

    def __str__(self) -> str:
        """Return the line that the doctor prints."""
        if self.ok:
            return f"ok    {self.subject} {self.detail}"
        return f"FAIL  {self.subject}: {self.detail} -> {self.mend}"


def check_python(patient: Patient) -> Finding:
    """Check that this Python is one that fairseq is corrected for."""
    version = patient.python()
    text = ".".join(map(str, version))
    low, high = PYTHON_RANGE
    if low <= version[:2] <= high:
        return Finding(True, "python", text)
    return Finding(False, "python", f"must be 3.10 to 3.13, but is {text}", MEND_PYTHON)


def check_package(patient: Patient, name: str) -> Finding:
    """Check that a package is there, new enough, and can be imported."""
    mend = f"{_INSTALL} {name}"
    version = patient.version(name)
    if version is None:
        return Finding(False, name, "is not installed", mend)
    least = LEAST.get(name, (0,))
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < least:
        wanted = ".".join(map(str, least))
        return Finding(False, name, f"must be at least {wanted}, but is {version}", mend)
    probe = patient.probe(f"import {name}")
    if not probe.ok:
        return Finding(False, name, f"{version} cannot be imported ({probe.text})", mend)
    return Finding(True, name, version)


def check_fairseq(patient: Patient) -> Finding:
    """Check that the corrected fairseq is installed, with the edits of this version."""
    hiding = patient.fairseq_in_the_way()
    if hiding is not None:
        detail = f"the one in {hiding} is found before the installed one"
        return Finding(False, "fairseq", detail, _mend_path(hiding))
    version = patient.version("fairseq")
    if version is None:
        return Finding(False, "fairseq", "is not installed", MEND_FAIRSEQ)
    if version != fairseq_edits.LOCAL_VERSION:
        wanted = fairseq_edits.LOCAL_VERSION
        detail = f"must be the corrected {wanted}, but is the stock or another one, {version}"
        return Finding(False, "fairseq", detail, MEND_FAIRSEQ)
    if patient.fairseq_digest() != fairseq_edits.digest():
        detail = f"{version} was made with other edits than this version's"
        return Finding(False, "fairseq", detail, MEND_FAIRSEQ)
    probe = patient.probe("import fairseq")
    if not probe.ok:
        return Finding(False, "fairseq", f"cannot be imported ({probe.text})", MEND_PACKAGES)
    return Finding(True, "fairseq", f"{version} (corrected)")


def _mend_path(hiding: Path) -> str:
    if hiding == Path.cwd():
        return f"cd {shlex.quote(str(Path(__file__).parents[3]))}"
    rest = [str(folder) for folder in python_path() if folder.resolve() != hiding]
    return f"export PYTHONPATH={shlex.quote(os.pathsep.join(rest))}"


def check_extensions(patient: Patient) -> Finding:
    """Check the compiled parts that translation needs: batching, reading and BLEU."""
    # libbleu is no module for Python: fairseq loads it as a plain library of C functions.
    loaded = "; ".join(f"import {name}" for name in EXTENSIONS)
    code = f"{loaded}; import ctypes, fairseq.libbleu as b; ctypes.cdll.LoadLibrary(b.__file__)"
    probe = patient.probe(code)
    if probe.ok:
        short = (name.rpartition(".")[2] for name in (*EXTENSIONS, LIBBLEU))
        return Finding(True, "compiled extensions", ", ".join(short))
    mend = f"{MEND_FAIRSEQ} --force"
    return Finding(False, "compiled extensions", f"cannot be loaded ({probe.text})", mend)


def check_commands(patient: Patient) -> Finding:
    """Check that fairseq's commands lie beside this Python."""
    missing = [name for name in COMMANDS if not patient.has_command(name)]
    if missing:
        detail = f"{', '.join(missing)} not beside {sys.executable}"
        return Finding(False, "commands", detail, f"{MEND_FAIRSEQ} --force")
    return Finding(True, "commands", ", ".join(COMMANDS))


def check_task(patient: Patient) -> Finding:
    """Check that fairseq knows our task once the plug-in is imported."""
    code = (
        "import fairseq.tasks, autoassist_fairseq.plugin; "
        f"assert '{TASK}' in fairseq.tasks.TASK_REGISTRY, 'not in the registry'"
    )
    probe = patient.probe(code)
    if probe.ok:
        return Finding(True, "task", f"{TASK} is registered")
    return Finding(False, "task", f"{TASK} is not registered ({probe.text})", MEND_PACKAGES)


def check_loops(patient: Patient) -> Finding:
    """Tell where compiled loops are kept; that nowhere can be written to only costs time."""
    probe = patient.probe(
        "from autoassist_fairseq.assistant.compiling import FOLDER as f; print(f)"
    )
    if not probe.ok:
        return Finding(False, "compiled loops", f"cannot be made ({probe.text})", MEND_PACKAGES)
    anew = "are compiled by every process, as nothing can be written to; see NUMBA_CACHE_DIR"
    kept = f"are kept in {probe.text}"
    return Finding(True, "compiled loops", anew if probe.text == "None" else kept)


PACKAGES = ("numpy", "numba", "torch", "sentencepiece", "sacrebleu", "tensorboardX")
CHECKS: dict[str, Callable[[Patient], Finding]] = {
    "python": check_python,
    **{name: partial(check_package, name=name) for name in PACKAGES},
    "compiled loops": check_loops,
    "fairseq": check_fairseq,
    "compiled extensions": check_extensions,
    "commands": check_commands,
    "task": check_task,
}


def examine(patient: Patient) -> Iterator[Finding]:
    """Run all checks, each to a finding whatever happens in it."""
    mend = ""
    for subject, check in CHECKS.items():
        try:
            finding = check(patient)
        except Exception as error:
            # A check that fails itself is a finding, too: the doctor must end with its verdict.
            anew = "make clean setup" if IN_CHECKOUT else MEND_PACKAGES
            finding = Finding(False, subject, f"could not be checked ({error!r})", anew)
        if mend and not finding.ok:  # no other command helps before fairseq is the right one
            finding = replace(finding, mend=mend)
        mend = finding.mend if subject == "fairseq" else mend
        yield finding


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="autoassist doctor",
        description="Check Python, fairseq, torch and the rest: a line for each, and the command "
        "that mends what is wrong; exit status 0 or 1.",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return run(as_json=parser.parse_args(argv).json)


def run(patient: Patient | None = None, *, as_json: bool = False) -> int:
    """Print what was found, and return the exit status: 0 if all is well, else 1."""
    findings = []
    for finding in examine(patient or Patient()):
        findings.append(finding)
        if not as_json:
            print(finding, flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    if all(finding.ok for finding in findings):
        return 0
    print(f"run the first command after ->{WHERE}", file=sys.stderr)
    return 1
