"""The Python that wheels are made for: this one, or another that runs here; standard library only.

Compiled code is made by the very Python that is to load it, so that one of its kind must be here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.errors import UserError

ASK = """
import json, os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
tag = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
print(json.dumps([sys.version_info[:2], tag, os.path.isfile(header)]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs here.

    Attributes:
        path: its program.
        version: major and minor.
        tag: names what is compiled for it: kind, version, system, processor.
        headers: whether C code can be compiled for it.
    """

    path: str
    version: tuple[int, int]
    tag: str
    headers: bool

    def __str__(self) -> str:
        """Return the version, as people write it."""
        return ".".join(map(str, self.version))


def this() -> Interpreter:
    """Return the Python that runs this."""
    found = ask(sys.executable)
    assert isinstance(found, Interpreter), found
    return found


def ask(path: str) -> Interpreter | str:
    """Run a Python and return what it is; or why that cannot be told."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", ASK], capture_output=True, text=True, errors="replace", check=False
        )
        version, tag, headers = json.loads(done.stdout)
    except OSError as error:
        return str(error.strerror)
    except ValueError:
        return ([line for line in done.stderr.splitlines() if line.strip()] or ["no answer"])[0]
    return Interpreter(path, (version[0], version[1]), tag, headers)


def find(wanted: str) -> Interpreter:
    """Return the Python that ``--python`` names, by version (3.12) or by path.

    Raises:
        UserError: there is none, or it lacks what compiling for it needs.
    """
    by_version = re.fullmatch(r"\d+\.\d+", wanted) is not None
    failed = ""
    for path in _programs(wanted) if by_version else [wanted]:
        found = ask(path)
        if isinstance(found, str):
            failed = failed or f" ({path}: {found})"
        elif not by_version or str(found) == wanted:
            _check_headers(found)
            return found
    version = wanted if by_version else "3.12"
    raise UserError(
        f"`--python` must be a Python that runs here, as fairseq is compiled for it, but {wanted} "
        f"does not{failed}; get one (`apt install python{version}-dev`, `conda create -p py "
        f"python={version}`, `pyenv install {version}`) and give its path."
    )


def _programs(version: str) -> Iterator[str]:
    """Yield what may be the Python of a version: on the PATH, then what pyenv has installed."""
    name = f"python{version}"
    for folder in os.get_exec_path():
        if os.access(Path(folder) / name, os.X_OK):
            yield str(Path(folder) / name)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"), reverse=True))


def _check_headers(python: Interpreter) -> None:
    if not python.headers:
        raise UserError(
            f"`--python` must have its headers, as fairseq is compiled for it, but {python.path} "
            f"lacks Python.h; install them (`apt install python{python}-dev`)."
        )
