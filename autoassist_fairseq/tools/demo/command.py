"""The demo: three arms on an embedded corpus, from text to a table and a page.

Three of ten training pairs are made wrong, as a crawl's are. Plain SGD, AutoAssist, which cuts
what it finds, and SGD on as few tokens by chance: all by the same planner and with the same flags,
so that they differ in nothing but whom they leave out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.tools.common.files import check_unsplit, locked
from autoassist_fairseq.tools.common.packages import require
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.compare import command as compare
from autoassist_fairseq.tools.compare.table import Row
from autoassist_fairseq.tools.dataprep.manifest import version_of
from autoassist_fairseq.tools.dataprep.pipeline import prepare
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.dataprep.settings import PrepSettings
from autoassist_fairseq.tools.dataprep.steps import Step, Workshop
from autoassist_fairseq.tools.demo.settings import ARMS, CORPUS, NOISE, DemoSettings, demo_settings
from autoassist_fairseq.tools.demo_corpus.base import LANGUAGES
from autoassist_fairseq.tools.demo_corpus.build import build, write
from autoassist_fairseq.tools.noise.command import spoil
from autoassist_fairseq.tools.noise.command import write as write_spoiled
from autoassist_fairseq.tools.noise.kinds import Text
from autoassist_fairseq.tools.report.table import aligned
from autoassist_fairseq.tools.scoring.text import read_lines

NOTE = """\
{passes} passes each. Tokens: target tokens trained on. Seconds: of training, two arms side by
side. BLEU: sacreBLEU of the detokenised test set,
{signature}
Of the training pairs 30% were made wrong ({noise}). AutoAssist leaves out what it
takes for wrong, from the first pass on; "chance" leaves out as much, whichever pairs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the closing table goes to stdout, everything else to stderr."""
    options = _parser().parse_args(argv)
    settings = demo_settings(options.out, options.seed, options.passes, fast=options.fast)
    check_unsplit("--out", settings.out)
    require("demo", compare.NEEDS)
    start = time.monotonic()
    try:
        with locked(settings.out):
            make_data(settings)
            rows = compare.compare(compare_flags(settings))
    except KeyboardInterrupt:
        say("\ninterrupted: the same command goes on from here")
        return 130
    print(closing(settings, rows))
    say(f"done in {time.monotonic() - start:.0f} s")
    say(f"the page with pictures: {(settings.runs / 'report' / 'report.html').resolve()}")
    return 1 if any(row.failed for row in rows) else 0


def make_data(settings: DemoSettings) -> None:
    """Make, spoil and prepare the corpus; steps that were done before are not done again."""
    workshop = Workshop(settings.out, say)
    workshop.do(corpus_step(settings))
    workshop.do(noise_step(settings))
    prepare(prep_settings(settings))


def corpus_step(settings: DemoSettings) -> Step:
    """The step that makes the raw corpus."""
    names = [f"{split}.{language}" for split in settings.pairs for language in ("en", "de")]
    files = tuple(settings.corpus / name for name in names)

    def work() -> dict[str, int]:
        write(build(settings.seed, settings.pairs), settings.corpus)
        return dict(settings.pairs)

    libraries = {name: version_of(name) for name in ("Babel", "num2words", "numpy")}
    options = {"seed": settings.seed, "pairs": dict(settings.pairs), **libraries}
    return Step(CORPUS, (), files, options, work)


def noise_step(settings: DemoSettings) -> Step:
    """The step that makes some of the training pairs wrong."""
    clean = tuple(settings.corpus / f"train.{language}" for language in LANGUAGES)
    spoiled = tuple(settings.noise / path.name for path in clean)

    def work() -> dict[str, int]:
        text = Text(*(read_lines(path, path.name) for path in clean))
        made = spoil(text, NOISE, settings.seed)
        write_spoiled(settings.noise, list(LANGUAGES), text, made)
        return {kind: made.kinds.count(kind) for kind in NOISE}

    options = {"seed": settings.seed, "noise": dict(NOISE), "numpy": version_of("numpy")}
    return Step("noise", clean, spoiled, options, work)


def prep_settings(settings: DemoSettings) -> PrepSettings:
    """How the corpus is prepared: every digit is a piece, so that numbers can be spelled."""
    folders = dict.fromkeys(settings.pairs, settings.corpus) | {"train": settings.noise}
    sources = {
        split: (Source(split, (folder / f"{split}.en", folder / f"{split}.de")),)
        for split, folder in folders.items()
    }
    return PrepSettings(
        languages=("en", "de"),
        sources=sources,
        out=settings.data,
        subwords="unigram",
        vocab_size=settings.vocab_size,
        split_digits=True,
        workers=settings.cores,
    )


def compare_flags(settings: DemoSettings) -> list[str]:
    """The command line of ``autoassist compare`` that trains and scores the arms."""
    model = settings.model
    size = [
        *("--encoder-layers", model.layers, "--decoder-layers", model.layers),
        *("--encoder-embed-dim", model.width, "--decoder-embed-dim", model.width),
        *("--encoder-ffn-embed-dim", model.inner, "--decoder-ffn-embed-dim", model.inner),
    ]
    arms = [word for name, arm in ARMS.items() for word in ("--arm", f"{name}={arm}")]
    return [
        *("--data", str(settings.data / "bin"), "--out", str(settings.runs), *arms),
        *("--seeds", str(settings.seed), "--budget", f"passes={settings.passes}"),
        *("--jobs", str(min(settings.cores, 2)), "--"),
        *map(str, size),
        *("--dropout", "0.1", "--lr", str(model.lr), "--max-tokens", str(settings.max_tokens)),
        *("--warmup-updates", str(model.warmup_updates), "--cpu"),
    ]


def closing(settings: DemoSettings, rows: Sequence[Row]) -> str:
    """The closing table: what each arm cost, and what came of it."""
    header = ("", "tokens", "of SGD's", "seconds", "of SGD's", "BLEU", "beside SGD")
    signatures = {run.signature for row in rows for run in row.runs.values()}
    noise = ", ".join(f"{kind} {share:.0%}" for kind, share in NOISE.items())
    note = NOTE.format(passes=settings.passes, signature=", ".join(sorted(signatures)), noise=noise)
    return f"{aligned([header, *(_cells(row, rows[0]) for row in rows)])}\n{note}"


def _cells(row: Row, first: Row) -> tuple[str, ...]:
    if row.failed or first.failed:
        return (row.arm.name, *["failed" if row.failed else ""] * 6)
    (run,), (base,) = row.runs.values(), first.runs.values()
    return (
        row.arm.name,
        f"{run.tokens:,.0f}",
        f"{run.tokens / base.tokens:.2f}",
        f"{run.seconds:,.0f}",
        f"{run.seconds / base.seconds:.2f}",
        f"{run.bleu:.1f}",
        "" if row is first else f"{run.bleu - base.bleu:+.1f}",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autoassist demo",
        description="Train a small Transformer on an embedded English-German corpus as SGD does, "
        "with the Assistant, and on fewer pairs by chance, and compare. A second run does only "
        "what is left to do.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("demo-run"), help="folder to fill")
    parser.add_argument("--seed", type=int, default=1, help="of corpus and training")
    parser.add_argument("--passes", type=int, help="of each arm (None: 6, --fast: 3)")
    parser.add_argument("--fast", action="store_true", help="a smoke test that learns nothing")
    return parser
