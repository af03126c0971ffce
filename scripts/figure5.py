#!/usr/bin/env python3
"""A door to `autoassist figure5`: see its --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autoassist_fairseq.__main__ import run

if __name__ == "__main__":
    run("figure5")
