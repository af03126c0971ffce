#!/usr/bin/env python3
"""Compare runs on one page: cost, quality, and whom the Assistant skips. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools.report.command import main

if __name__ == "__main__":
    run_main(main)
