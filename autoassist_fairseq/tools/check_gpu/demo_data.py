"""Makes the demo's corpus, prepared for training: ``python -m ... OUT [--fast]``."""

from __future__ import annotations

import sys
from pathlib import Path

from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.dataprep.pipeline import prepare
from autoassist_fairseq.tools.dataprep.steps import Workshop
from autoassist_fairseq.tools.demo.command import corpus_step, prep_settings
from autoassist_fairseq.tools.demo.settings import demo_settings


def main(out: Path, fast: bool) -> None:
    """Make what is not there yet in ``out``."""
    settings = demo_settings(out, seed=1, passes=None, fast=fast)
    Workshop(out, say).do(corpus_step(settings))
    prepare(prep_settings(settings))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--fast" in sys.argv[2:])
