#!/usr/bin/env python3
"""Check Theorem 1 by simulation: the bound, and the steps that shrinking avoids. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools.theorem1.command import main

if __name__ == "__main__":
    run_main(main)
