#!/usr/bin/env python3
"""Print three BLEU figures, each labelled; chrF, TER and significance on request. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools.scoring.command import main

if __name__ == "__main__":
    run_main(main)
