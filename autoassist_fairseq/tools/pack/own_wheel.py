"""This package's own wheel, from the checkout that it runs in."""

from __future__ import annotations

import ast
import hashlib
import shutil
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install.pip_run import run_pip

ROOT = Path(__file__).parents[3]
PACKAGE = "autoassist_fairseq"
FILES = ("setup.py", "pyproject.toml", "README.md")


def check_checkout() -> None:
    """Raise `UserError` where this package was installed, and its sources are not."""
    if not (ROOT / FILES[0]).is_file():
        raise UserError(
            f"`autoassist pack` must run in a checkout, but {ROOT} has no {FILES[0]}: use the "
            "program of the checkout's environment (`make setup`)."
        )


def extras() -> list[str]:
    """Return the names of the extra parts in ``setup.py``, which makes the wheel that is packed."""
    tree = ast.parse((ROOT / FILES[0]).read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.keyword))
    (given,) = (call.value for call in calls if call.arg == "extras_require")
    assert isinstance(given, ast.Dict)
    return sorted(ast.literal_eval(key) for key in given.keys if key)


def source_digest() -> str:
    """Return a short name for the sources of this package, fairseq's edits among them."""
    digest = hashlib.sha256()
    kept = [path for path in (ROOT / PACKAGE).rglob("*") if "__pycache__" not in path.parts]
    for path in sorted([*kept, *(ROOT / name for name in FILES)]):
        if path.is_file():
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def build_own(scratch: Path) -> Path:
    """Build the wheel in an empty folder and return it; it is the same for every Python."""
    copy = scratch / "checkout"  # building writes beside the sources, and takes what lies there
    shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, copy)
    out = scratch / "own"
    run_pip(["wheel", "--no-deps", "-w", str(out), str(copy)], f"building {PACKAGE}")
    return next(out.glob("*.whl"))
