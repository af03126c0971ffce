"""Build fairseq 0.12.2 for current Pythons from its official source, and install it."""

from __future__ import annotations

import sys
from pathlib import Path

# Runs before anything is installed: find the package beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools.fairseq_wheel import main

if __name__ == "__main__":
    run_main(main)
