"""What the doctor examines: the Python that runs it, seen from a safe distance."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.tools.install.edits import STAMP
from autoassist_fairseq.tools.install.programs import find_program
from autoassist_fairseq.tools.install.wheel import installed_digest

PROBE_SECONDS = 180


def python_path() -> list[Path]:
    """Return the folders that PYTHONPATH names."""
    return [Path(name) for name in os.environ.get("PYTHONPATH", "").split(os.pathsep) if name]


@dataclass(frozen=True)
class Probe:
    """How a child process ended: its last line of output, or what it died of."""

    ok: bool
    text: str


class Patient:
    """The Python that runs this; tests examine made-up ones."""

    def python(self) -> tuple[int, int, int]:
        """Return the version."""
        return sys.version_info[:3]

    def version(self, distribution: str) -> str | None:
        """Return an installed distribution's version, None if there is none."""
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def fairseq_digest(self) -> str | None:
        """Return which edits the installed fairseq was made with."""
        return installed_digest()

    def fairseq_in_the_way(self) -> Path | None:
        """Return the folder, this one or of PYTHONPATH, whose fairseq hides the installed one.

        A corrected one was installed into that folder: it hides nothing.
        """
        spec = importlib.util.find_spec("fairseq")
        found = Path(spec.origin).resolve().parents[1] if spec and spec.origin else None
        if found is None or (found / STAMP).is_file():
            return None
        return found if found in {Path.cwd(), *map(Path.resolve, python_path())} else None

    def has_command(self, name: str) -> bool:
        """Tell whether a command lies where those of this installation do."""
        return find_program(name) is not None

    def probe(self, code: str) -> Probe:
        """Run code in a child process, which may crash or hang."""
        command = [sys.executable, "-W", "ignore", "-c", code]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PROBE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Probe(False, f"no answer within {PROBE_SECONDS} s")
        if done.returncode == 0:
            return Probe(True, _last_line(done.stdout))
        return Probe(False, _last_line(done.stderr) or f"died with status {done.returncode}")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
