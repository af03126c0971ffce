"""Run the command line of data preparation."""

from __future__ import annotations

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools.dataprep.command import main

# Worker processes import this module again: they must not start over.
if __name__ == "__main__":
    run_main(main)
