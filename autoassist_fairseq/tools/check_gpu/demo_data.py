"""Makes the demo's corpus, prepared for training: ``python -m ... OUT [--fast]``."""

from __future__ import annotations

import sys
from pathlib import Path

from autoassist_fairseq.tools.demo.command import make_data
from autoassist_fairseq.tools.demo.settings import demo_settings


def main(out: Path, fast: bool) -> None:
    """Make what is not there yet in ``out``."""
    make_data(demo_settings(out, seed=1, passes=None, fast=fast))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--fast" in sys.argv[2:])
