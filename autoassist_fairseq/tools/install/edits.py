"""Apply the edits of `edit_list` to a source tree, and name a set of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install.edit_list import EDITS, Edit
from autoassist_fairseq.tools.install.edit_list import LOCAL_VERSION as LOCAL_VERSION

# Files that the edits need: path in the source tree -> file beside this one.
ADDED_FILES = {
    "fairseq/autoassist_checkpoints.py": "checkpoints.py",
    "fairseq/autoassist_compat.py": "compat.py",
    "fairseq/autoassist_runs.py": "runs.py",
}
STAMP = "fairseq/autoassist_edits.py"


def digest(edits: Sequence[Edit] = EDITS) -> str:
    """Return a short name for a set of edits and added files that changes when they do."""
    parts = [repr(edit) for edit in edits]
    parts += [text for _, text in sorted(added_files().items())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def added_files() -> dict[str, str]:
    """Read the files to add: path in the source tree -> text."""
    here = Path(__file__).parent
    return {
        target: (here / source).read_text(encoding="utf-8")
        for target, source in ADDED_FILES.items()
    }


def apply_edits(tree: Path, edits: Sequence[Edit] = EDITS) -> None:
    """Correct a source tree: every edit, or nothing.

    Args:
        tree: The unpacked source.
        edits: In this order; later ones see what earlier ones made.

    Raises:
        UserError: An edit does not match as often as it expects; nothing was written.
    """
    texts: dict[str, str] = {}
    for edit in edits:
        text = texts.get(edit.file)
        texts[edit.file] = _replace(_read(tree, edit) if text is None else text, edit)
    texts.update(added_files())
    texts[STAMP] = f'"""Which edits made this fairseq."""\n\nDIGEST = "{digest(edits)}"\n'
    for name, text in texts.items():
        (tree / name).write_text(text, encoding="utf-8", newline="")


def _read(tree: Path, edit: Edit) -> str:
    path = tree / edit.file
    if not path.is_file():
        raise UserError(_mismatch(edit, "the file is missing"))
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _replace(text: str, edit: Edit) -> str:
    found = text.count(edit.pattern)
    if found != edit.count:
        raise UserError(_mismatch(edit, f"found {found}"))
    return text.replace(edit.pattern, edit.replacement)


def _mismatch(edit: Edit, found: str) -> str:
    return (
        f"edit `{edit.name}` must match {edit.count} place(s) in {edit.file}, but {found}; "
        "nothing was changed: this is not the source of fairseq 0.12.2 that they were made for."
    )
