"""The demo's command line and its steps (logic of ``scripts/demo.py``)."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from autoassist_fairseq.tools.dataprep.files import clear_os_errors, locked, write_json
from autoassist_fairseq.tools.dataprep.manifest import version_of, versions
from autoassist_fairseq.tools.dataprep.pipeline import prepare
from autoassist_fairseq.tools.dataprep.progress import say
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.dataprep.settings import PrepSettings
from autoassist_fairseq.tools.dataprep.steps import Step, Workshop
from autoassist_fairseq.tools.demo.evaluation import score, translate_step
from autoassist_fairseq.tools.demo.results import ArmResult, arm_result, as_json, table
from autoassist_fairseq.tools.demo.settings import ARMS, DemoSettings, demo_settings
from autoassist_fairseq.tools.demo.training import read_epochs, train_step
from autoassist_fairseq.tools.demo_corpus.build import build, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the closing table goes to stdout, everything else to stderr."""
    options = _parser().parse_args(arguments)
    settings = demo_settings(options.out, options.seed, options.epochs, fast=options.fast)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        print(run(settings))
    except KeyboardInterrupt:
        say("\ninterrupted: the same command goes on from here")
        return 130
    return 0


def run(settings: DemoSettings) -> str:
    """Do what is not done yet; returns the closing table, which ``results.json`` explains."""
    start = time.monotonic()
    with clear_os_errors(), locked(settings.out):
        workshop = Workshop(settings.out, say)
        workshop.do(corpus_step(settings))
        prepare(prep_settings(settings))
        for arm in ARMS:
            workshop.do(train_step(settings, arm))
            workshop.do(translate_step(settings, arm))
        closing = _results(settings)
    say(f"done in {time.monotonic() - start:.0f} s; details are in {settings.out}/results.json")
    return closing


def corpus_step(settings: DemoSettings) -> Step:
    """The step that makes the raw corpus."""
    names = [f"{split}.{language}" for split in settings.pairs for language in ("en", "de")]
    files = tuple(settings.corpus / name for name in names)

    def work() -> dict[str, int]:
        write(build(settings.seed, settings.pairs), settings.corpus)
        return dict(settings.pairs)

    libraries = {name: version_of(name) for name in ("Babel", "num2words", "numpy")}
    options = {"seed": settings.seed, "pairs": dict(settings.pairs), **libraries}
    return Step("corpus", (), files, options, work)


def prep_settings(settings: DemoSettings) -> PrepSettings:
    """How the corpus is prepared: every digit is a piece, so that numbers can be spelled."""
    sources = {
        split: (Source(split, (settings.corpus / f"{split}.en", settings.corpus / f"{split}.de")),)
        for split in settings.pairs
    }
    return PrepSettings(
        languages=("en", "de"),
        sources=sources,
        out=settings.data,
        subwords="unigram",
        vocab_size=settings.vocab_size,
        split_digits=True,
        workers=settings.threads,
    )


def _results(settings: DemoSettings) -> str:
    epochs = {arm: read_epochs(settings.arm(arm)) for arm in ARMS}
    figures = {arm: score(settings, arm) for arm in ARMS}
    arms: dict[str, ArmResult] = {arm: arm_result(epochs[arm], figures[arm].score) for arm in ARMS}
    signature = next(iter(figures.values())).signature
    content = as_json(arms, epochs, signature, versions())
    write_json(settings.out / "results.json", content)
    return (
        f"{table(arms)}\n"
        "Passes from the second on (the first keeps everything): target tokens, mean; seconds of\n"
        f"training, median. BLEU: sacreBLEU of the detokenised test set, {signature}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo.py",
        description="Train a small Transformer with and without the Assistant on an embedded "
        "English-German corpus, and compare. A second run does only what is left to do.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("demo-run"), help="folder to fill")
    parser.add_argument("--seed", type=int, default=1, help="of corpus and training")
    parser.add_argument("--epochs", type=int, help="passes of each arm (None: 7, --fast: 3)")
    parser.add_argument("--fast", action="store_true", help="a smoke test that learns nothing")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
