"""Which packages the other machine lacks, in versions that go with what it has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install.interpreter import Interpreter
from autoassist_fairseq.tools.install.pip_run import CONSTRAINTS, call_pip, say
from autoassist_fairseq.tools.pack.have import normal

OURS = ("fairseq", "autoassist-fairseq")
_VERSION = re.compile(
    r"v?(\d+!)?\d+(\.\d+)*[._-]?((a|b|rc|alpha|beta|pre|post|dev)[._-]?\d*[._-]?)*(\+[a-z\d.]+)?",
    re.IGNORECASE,
)


def resolve(
    wishes: Sequence[str], python: Interpreter, have: Mapping[str, str], scratch: Path
) -> dict[str, str]:
    """Return what is to be installed beside ``have``: name to version, without our own two.

    pip resolves in an empty environment that claims to hold ``have``, whose versions stay as they
    are. This project's pins are kept where they go with them.

    Args:
        wishes: our wheels, as pip takes them.
        python: the other machine's.
        have: what it has: name to version.
        scratch: an empty folder.

    Raises:
        UserError: no versions go together.
    """
    held = dict(_comparable(have))
    pretending = _pretend(python, held, scratch)
    fixed = [f"{name}=={version}" for name, version in held.items()]
    output = ""
    for pins in ([pin for pin in _pins() if _name(pin) not in held], []):
        constraints, report = scratch / "constraints.txt", scratch / "report.json"
        constraints.write_text("\n".join([*fixed, *pins]), encoding="utf-8")
        words = ["install", "--dry-run", "--quiet", "--report", str(report), *wishes]
        done = call_pip([*words, "-c", str(constraints)], python=pretending, pinned=False)
        if not done.returncode:
            return _lacking(report)
        output = done.stdout
        if pins:
            say("the pins of this project do not go with what is there: looking for others")
    say(output[-6000:])
    raise UserError(
        "`--have` must leave room for what this package needs, but pip finds no versions that go "
        "with it (see above); take what has to change there out of the file, and it is packed."
    )


def _comparable(have: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what pip can compare; a system's own packages may have versions of another kind."""
    for name, version in have.items():
        if name in OURS:
            continue
        if _VERSION.fullmatch(version):
            yield name, version
        else:
            say(f"{name} {version} is passed over: pip does not know such versions")


def _pretend(python: Interpreter, have: Mapping[str, str], scratch: Path) -> str:
    """Make an environment that claims to hold packages; return its Python."""
    home = scratch / "pretending"
    make = [python.path, "-m", "venv", "--without-pip", str(home)]
    done = subprocess.run(make, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise UserError(
            f"`--python` must be able to make an environment, but {python.path} is not "
            f"({(done.stdout + done.stderr).strip()[-200:]}); install its module venv "
            f"(`apt install python{python}-venv`)."
        )
    (site,) = home.glob("lib/python*/site-packages")
    for name, version in have.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
    return str(home / "bin" / "python")


def _pins() -> list[str]:
    text = CONSTRAINTS.read_text(encoding="utf-8") if CONSTRAINTS.is_file() else ""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _name(pin: str) -> str:
    return normal(pin.split("==")[0])


def _lacking(report: Path) -> dict[str, str]:
    wanted = json.loads(report.read_text(encoding="utf-8"))["install"]
    named = [(normal(one["metadata"]["name"]), one["metadata"]["version"]) for one in wanted]
    return {name: version for name, version in sorted(named) if name not in OURS}
