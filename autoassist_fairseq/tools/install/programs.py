"""Where the programs are that came with a package; standard library only."""

from __future__ import annotations

import sys
from pathlib import Path

# Where `pip install --target` puts what else would lie beside the interpreter.
BESIDE_PACKAGE = Path(__file__).parents[3] / "bin"


def find_program(name: str) -> Path | None:
    """Return the program ``name`` beside this Python, or of the folder installed into, if any."""
    for folder in (Path(sys.executable).parent, BESIDE_PACKAGE):
        if (folder / name).is_file():
            return folder / name
    return None
