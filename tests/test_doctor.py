"""The doctor: each ailment is found, named, and answered with a command; it never falls ill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

import autoassist_fairseq
from autoassist_fairseq.__main__ import COMMANDS, main
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install import doctor
from autoassist_fairseq.tools.install import edits as fairseq_edits
from autoassist_fairseq.tools.install import patient as doctor_patient
from autoassist_fairseq.tools.install.patient import Patient, Probe

REPOSITORY = Path(autoassist_fairseq.__file__ or "").parents[1]
HEALTHY = {
    "numpy": "2.4.6",
    "numba": "0.68.1",
    "torch": "2.13.0+cpu",
    "sentencepiece": "0.2.3",
    "sacrebleu": "2.6.0",
    "tensorboardX": "2.6.5",
    "fairseq": fairseq_edits.LOCAL_VERSION,
}


class Fake(Patient):
    """A made-up Python: healthy but for what a test changes."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = dict(HEALTHY)
        self.running = (3, 11, 7)
        self.digest: str | None = fairseq_edits.digest()
        self.commands = set(doctor.COMMANDS)
        self.broken = ""  # code that holds this fails
        self.hiding: Path | None = None

    def python(self) -> tuple[int, int, int]:
        return self.running

    def version(self, distribution: str) -> str | None:
        return self.versions.get(distribution)

    def fairseq_digest(self) -> str | None:
        return self.digest

    def fairseq_in_the_way(self) -> Path | None:
        return self.hiding

    def has_command(self, name: str) -> bool:
        return name in self.commands

    def probe(self, code: str) -> Probe:
        if self.broken and self.broken in code:
            return Probe(False, "ImportError: broken")
        return Probe(True, "")


def test_a_healthy_python_gets_one_ok_line_per_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(Fake()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(doctor.CHECKS)
    assert all(line.startswith("ok    ") for line in lines)
    assert lines[0] == "ok    python 3.11.7"


def without(name: str) -> Callable[[Fake], None]:
    return lambda fake: fake.versions.__delitem__(name)


def with_version(name: str, version: str) -> Callable[[Fake], None]:
    return lambda fake: fake.versions.__setitem__(name, version)


def with_broken(code: str) -> Callable[[Fake], None]:
    return lambda fake: setattr(fake, "broken", code)


BUILD = "-m autoassist_fairseq build-fairseq"


@pytest.mark.parametrize(
    ("harm", "subject", "detail", "mend"),
    [
        (lambda fake: setattr(fake, "running", (3, 9, 1)), "python", "is 3.9.1", "PYTHON="),
        (lambda fake: setattr(fake, "running", (3, 14, 0)), "python", "is 3.14.0", "PYTHON="),
        (without("numpy"), "numpy", "not installed", "constraints.txt numpy"),
        (with_version("numpy", "1.25.2"), "numpy", "at least 1.26, but is 1.25.2", "txt numpy"),
        (with_version("torch", "2.5.1+cu121"), "torch", "at least 2.6, but is 2.5", "txt torch"),
        (with_broken("import numba"), "numba", "(ImportError: broken)", "txt numba"),
        (without("fairseq"), "fairseq", "not installed", BUILD),
        (with_version("fairseq", "0.12.2"), "fairseq", "stock or another one, 0.12.2", BUILD),
        (lambda fake: setattr(fake, "digest", "old"), "fairseq", "other edits", BUILD),
        (with_broken("libbleu"), "compiled extensions", "broken", f"{BUILD} --force"),
        (lambda fake: fake.commands.discard("fairseq-train"), "commands", "-train not", BUILD),
        (with_broken("TASK_REGISTRY"), "task", "autoassist_translation is not", "pip install"),
    ],
)
def test_each_ailment_is_named_with_the_command_that_mends_it(
    harm: Callable[[Fake], None], subject: str, detail: str, mend: str
) -> None:
    fake = Fake()
    harm(fake)
    (finding,) = [found for found in doctor.examine(fake) if not found.ok]
    assert finding.subject == subject
    assert detail in finding.detail
    assert mend in finding.mend
    assert str(finding) == f"FAIL  {subject}: {finding.detail} -> {finding.mend}"


def test_a_space_in_the_path_of_python_is_quoted() -> None:
    code = (
        "import sys; sys.executable = '/my files/python'; "
        "from autoassist_fairseq.tools.install import doctor as d; "
        "print(d.MEND_FAIRSEQ, d.MEND_PACKAGES, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.count("'/my files/python' -m ") == 2, done


def test_what_fails_with_a_foreign_fairseq_is_mended_with_it() -> None:
    fake = Fake()
    fake.versions["fairseq"], fake.broken = "0.12.2", "TASK_REGISTRY"
    fake.commands.clear()
    failed = [found for found in doctor.examine(fake) if not found.ok]
    assert [found.subject for found in failed] == ["fairseq", "commands", "task"]
    assert {found.mend for found in failed} == {doctor.MEND_FAIRSEQ}


def test_a_clone_that_hides_the_installed_fairseq_is_taken_off_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, other = tmp_path / "a clone", tmp_path / "other"
    (clone / "fairseq").mkdir(parents=True)
    (clone / "fairseq" / "__init__.py").write_text("import no_such_module\n")
    path = os.pathsep.join(map(str, (other, clone)))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delitem(sys.modules, "fairseq", raising=False)
    monkeypatch.syspath_prepend(clone)
    finding = doctor.check_fairseq(Patient())
    assert not finding.ok and str(clone) in finding.detail
    assert finding.mend == f"export PYTHONPATH={other}"
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.chdir(clone)
    assert doctor.check_fairseq(Patient()).mend == f"cd {REPOSITORY}"
    monkeypatch.chdir(tmp_path)  # elsewhere on the path: an editable install, which ours replaces
    assert Patient().fairseq_in_the_way() is None


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Weird(Fake):
        def version(self, distribution: str) -> str | None:
            raise RuntimeError("metadata unreadable")

    assert doctor.run(Weird()) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(doctor.CHECKS)
    assert sum("metadata unreadable" in line for line in lines) == len(doctor.PACKAGES) + 1
    assert lines[-1].startswith("ok    task")


def test_that_compiled_loops_are_kept_nowhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, told in (("None", "by every process, as nothing can"), ("/a", "are kept in /a")):
        monkeypatch.setattr(Fake, "probe", lambda fake, code, text=place: Probe(True, text))
        finding = doctor.check_loops(Fake())
        assert finding.ok and told in finding.detail


def test_json_holds_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    fake = Fake()
    del fake.versions["torch"]
    assert doctor.run(fake, as_json=True) == 1
    findings = json.loads(capsys.readouterr().out)
    assert [found["subject"] for found in findings] == list(doctor.CHECKS)
    assert [found["subject"] for found in findings if not found["ok"]] == ["torch"]


@pytest.mark.parametrize(
    ("code", "ok", "text"),
    [
        ("print('a'); print('b')", True, "b"),
        ("import no_such_module", False, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os; os._exit(7)", False, "died with status 7"),
        ("import os; os.kill(os.getpid(), 9)", False, "died with status -9"),
    ],
)
def test_a_probe_survives_what_it_probes(code: str, ok: bool, text: str) -> None:
    assert Patient().probe(code) == Probe(ok, text)


def test_a_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_patient, "PROBE_SECONDS", 0.2)
    probe = Patient().probe("import time; time.sleep(60)")
    assert probe == Probe(False, "no answer within 0.2 s")


def test_user_dir_is_this_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user-dir"]) == 0
    shown = Path(capsys.readouterr().out.strip())
    assert shown.is_absolute()
    assert shown / "__init__.py" == Path(autoassist_fairseq.__file__ or "")


def test_version_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == autoassist_fairseq.__version__
    assert main([]) == main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {name} " in told for name in COMMANDS)
    with pytest.raises(UserError, match="`reprot` is none; did you mean `report`"):
        main(["reprot"])


def test_the_doctor_works_where_nothing_is_installed(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    bare = tmp_path / "bare" / "bin" / "python"
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); " + (
        "from autoassist_fairseq.__main__ import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run([bare, "-c", code], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert lines[0].startswith(f"ok    python {sys.version_info[0]}.{sys.version_info[1]}")
    assert all(line.startswith("FAIL  ") and " -> " in line for line in lines[1:])
    assert len(lines) == len(doctor.CHECKS)


# The doctor, whose probes are processes of their own, but with PyTorch: to import it takes long.
QUICK = """
import multiprocessing, sys
import torch
from autoassist_fairseq.tools.install import doctor
from autoassist_fairseq.tools.install.patient import Patient, Probe

class Forking(Patient):
    def probe(self, code):
        child = multiprocessing.get_context("fork").Process(target=exec, args=(code, {}))
        child.start()
        child.join()
        return Probe(child.exitcode == 0, "printed below")

sys.exit(doctor.run(Forking()))
"""


@pytest.mark.slow
def test_the_environment_of_make_setup_is_healthy() -> None:
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok    ") == len(doctor.CHECKS)
