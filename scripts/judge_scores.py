#!/usr/bin/env python3
"""Compare what a run found out about every pair with the truth. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools.judging import main

if __name__ == "__main__":
    run_main(main)
