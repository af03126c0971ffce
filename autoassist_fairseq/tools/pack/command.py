"""``autoassist pack``: a folder of wheels for another Python and a machine without network."""

from __future__ import annotations

import argparse
import platform
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import (
    LOCK,
    locked,
    read_json,
    read_text,
    staged,
    write_json,
    write_text,
)
from autoassist_fairseq.tools.install import edits, interpreter
from autoassist_fairseq.tools.install.interpreter import Interpreter
from autoassist_fairseq.tools.install.pip_run import run_pip, say
from autoassist_fairseq.tools.install.wheel import cache_dir, cached_wheel, check_python
from autoassist_fairseq.tools.pack import own_wheel
from autoassist_fairseq.tools.pack.have import HOW, normal, read_have
from autoassist_fairseq.tools.pack.own_wheel import build_own, check_checkout, source_digest
from autoassist_fairseq.tools.pack.resolve import OURS, resolve

RECORD = "pack.json"
INSTALL = "INSTALL.txt"
SCRATCH = ".part"


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist pack``."""
    p = argparse.ArgumentParser(
        prog="autoassist pack",
        description="Make a folder of wheels for a machine without network: the corrected fairseq "
        "compiled for its Python, this package, and what that machine lacks. Given again, it goes "
        "on where it was interrupted. The commands to give there go to stdout and into "
        f"{INSTALL} of the folder.",
    )
    add = p.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="the folder, a new one")
    what = "the machine's Python, by version (3.12) or path; one such must be here (default: this)"
    add("--python", metavar="X.Y|PATH", help=what)
    add("--have", type=Path, metavar="FILE", help=f"what it has: {HOW} (default: nothing)")
    extras = "optional parts as well: demo, images, language-id, report"
    add("--extras", default="", metavar="A,B", help=extras)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    check_checkout()
    python = interpreter.this() if args.python is None else interpreter.find(args.python)
    check_python(python.version)
    have = {} if args.have is None else read_have(args.have)
    asked = {
        "python": python.tag,
        "have": have,
        "extras": extras_of(args.extras),
        "sources": source_digest(),
    }
    _check_folder(args.out, asked)
    with locked(args.out):
        fill(args.out, python, asked)
    print(read_text(args.out / INSTALL), end="")
    return 0


def extras_of(text: str) -> list[str]:
    """Read ``--extras``: pip passes over a name that it does not know.

    Raises:
        UserError: there is no such part.
    """
    known = own_wheel.extras()
    asked = sorted({normal(word.strip()) for word in text.split(",") if word.strip()})
    if unknown := [name for name in asked if name not in known]:
        raise UserError(
            f"`--extras` must be parts of this package ({', '.join(known)}) with commas between, "
            f"but {unknown[0]} is none; correct it."
        )
    return asked


def _check_folder(out: Path, asked: dict[str, Any]) -> None:
    """Raise `UserError` unless the folder is new, or the same command began it."""
    if out.exists() and not out.is_dir():
        raise UserError(f"`--out` must be a folder, but {out} is a file; choose another.")
    record = read_json(out / RECORD)
    others = {path.name for path in out.glob("*")} - {LOCK, SCRATCH}
    differing = [
        name for name in asked if record and record.get("asked", {}).get(name) != asked[name]
    ]
    if differing or (others and record is None):
        found = f"for other {' and '.join(differing)}" if differing else "no pack"
        raise UserError(
            f"`--out` must be a new folder, or one that the same command began, but what is in "
            f"{out} is {found}; choose another."
        )


def fill(out: Path, python: Interpreter, asked: dict[str, Any]) -> None:
    """Put into the folder what is not there yet; the text that says how to install comes last."""
    if (out / INSTALL).is_file():
        say(f"{out} is complete: nothing to do")
        return
    scratch = out / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    write_json(out / RECORD, read_json(out / RECORD) or {"asked": asked})
    scratch.mkdir()
    try:
        _put_ours(out, python, scratch)
        _put_others(out, python, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    write_text(out / INSTALL, instructions(out, python))
    wheels = list(out.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    say(f"{out}: {len(wheels)} wheels, {size:.1f} MB")


def _put_ours(out: Path, python: Interpreter, scratch: Path) -> None:
    there = _there(out)
    fairseq, own = OURS
    if fairseq not in there:
        say(f"pack: fairseq for Python {python}")
        _put(cached_wheel(cache_dir(), edits.digest(), python=python), out)
    if own not in there:
        say(f"pack: {own}")
        _put(build_own(scratch), out)


def _put_others(out: Path, python: Interpreter, scratch: Path) -> None:
    """Find out what else is lacking, once for the folder, and put it there."""
    record = read_json(out / RECORD) or {}
    if "lacking" not in record:
        say("pack: which packages are lacking, in which versions")
        fairseq, own = (str(_there(out)[name]) for name in OURS)
        asked = record["asked"]
        wishes = [fairseq, own + f"[{','.join(asked['extras'])}]" * bool(asked["extras"])]
        record["lacking"] = resolve(wishes, python, asked["have"], scratch)
        write_json(out / RECORD, record)
    lacking: dict[str, str] = record["lacking"]
    there = _there(out)
    for at, (name, version) in enumerate(lacking.items(), start=1):
        if name not in there:
            say(f"pack: {at}/{len(lacking)} {name} {version}")
            wish = ["wheel", "--no-deps", "-w", str(scratch / name), f"{name}=={version}"]
            run_pip(wish, f"fetching {name} {version}", python=python.path)
            _put(next((scratch / name).glob("*.whl")), out)


def _there(out: Path) -> dict[str, Path]:
    return {normal(wheel.name.split("-")[0]): wheel for wheel in out.glob("*.whl")}


def _put(wheel: Path, out: Path) -> None:
    with staged(out / wheel.name) as part:
        shutil.copy2(wheel, part)


def instructions(out: Path, python: Interpreter) -> str:
    """Return what to do on the other machine."""
    wheels = f"{shlex.quote(out.resolve().name)}/*.whl"
    libc = " ".join(platform.libc_ver()) or "this C library"
    return f"""\
# For {python.tag}; made with {libc}, which must not be newer than that machine's.
# There, beside the folder; python is its Python {python}:

python -m pip install --no-index --no-deps {wheels}
autoassist doctor

# Or, where nothing may be installed into that Python, into a folder:

python -m pip install --no-index --no-deps --target site {wheels}
export PYTHONPATH="$PWD/site" PATH="$PWD/site/bin:$PATH"
autoassist doctor
"""
