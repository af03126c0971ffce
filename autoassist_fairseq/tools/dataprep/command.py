"""The command line of data preparation, one subcommand per corpus."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from autoassist_fairseq.tools.common.files import clear_os_errors
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.dataprep import options as flags
from autoassist_fairseq.tools.dataprep.fetching import corpora
from autoassist_fairseq.tools.dataprep.fetching.fetch import problems
from autoassist_fairseq.tools.dataprep.fetching.obtain import obtain, sources
from autoassist_fairseq.tools.dataprep.pipeline import prepare
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.dataprep.settings import PrepSettings, check
from autoassist_fairseq.tools.dataprep.steps import Record


@clear_os_errors()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m autoassist_fairseq.tools.dataprep``; returns the exit status."""
    options, unknown = flags.parser().parse_known_args(arguments)
    if unknown:  # argparse itself would show the usage of `prepare`, which has no options
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    settings, records = _own(options) if options.corpus == "corpus" else _published(options)
    folder = prepare(settings, records)
    say(f"subword model: {settings.model}")
    say(f"account of all steps: {settings.out / 'manifest.json'}")
    say("give this folder to fairseq-train:")
    print(folder)
    return 0


def _own(options: argparse.Namespace) -> tuple[PrepSettings, list[Record]]:
    """The user's own files."""
    splits = {
        split: tuple(
            Source(f"{split}-{number}", (source, target))
            for number, (source, target) in enumerate(given, start=1)
        )
        for split in ("train", "valid", "test")
        if (given := getattr(options, split))
    }
    languages = options.source_lang, options.target_lang
    return flags.settings(options, languages, splits), []


def _published(options: argparse.Namespace) -> tuple[PrepSettings, list[Record]]:
    """A corpus of the table; it is fetched."""
    version = [options.news_commentary] if options.corpus == "wmt14" else []
    corpus = corpora.CORPORA[options.corpus](*version)
    how = flags.fetching(options)
    settings = flags.settings(options, corpus.languages, sources(corpus, how))
    check(settings, problems(corpus, how))  # before anything is downloaded
    return settings, obtain(corpus, how)
