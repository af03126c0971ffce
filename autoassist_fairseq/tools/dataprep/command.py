"""The command line of data preparation, one subcommand per corpus."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.tools.dataprep.cleaning import CleaningRules
from autoassist_fairseq.tools.dataprep.pipeline import prepare
from autoassist_fairseq.tools.dataprep.progress import say
from autoassist_fairseq.tools.dataprep.recipes import MULTI30K
from autoassist_fairseq.tools.dataprep.settings import PrepSettings
from autoassist_fairseq.tools.dataprep.subwords import KINDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m autoassist_fairseq.tools.dataprep``; returns the exit status."""
    options = _parser().parse_args(arguments)
    settings = _multi30k(options)
    folder = prepare(settings)
    say(f"sentencepiece model: {settings.model}")
    say(f"account of all steps: {settings.out / 'manifest.json'}")
    say("give this folder to fairseq-train:")
    print(folder)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dataprep", description="Make a binarised corpus for fairseq from raw parallel text."
    )
    corpora = parser.add_subparsers(dest="corpus", required=True)
    multi30k = corpora.add_parser(
        "multi30k",
        help="Multi30k task 1, English-German, from files that are already there",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    multi30k.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder with train, val and test_2016_flickr, .en and .de, plain or .gz",
    )
    _add_shared(multi30k, MULTI30K.vocab_size)
    return parser


def _add_shared(parser: argparse.ArgumentParser, vocab_size: int) -> None:
    rules = CleaningRules()
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to fill")
    parser.add_argument("--vocab-size", type=int, default=vocab_size, help="joint pieces")
    parser.add_argument("--subwords", choices=KINDS, default="bpe", help="kind of subwords")
    parser.add_argument("--seed", type=int, default=1, help="chooses text to learn subwords from")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes; not in the result"
    )
    parser.add_argument(
        "--max-words", type=int, default=rules.max_words, help="most words of a training sentence"
    )
    parser.add_argument(
        "--max-ratio", type=float, default=rules.max_ratio, help="most words per word of the other"
    )
    parser.add_argument(
        "--keep-duplicates", action="store_true", help="keep training pairs that occur again"
    )
    parser.add_argument(
        "--errors",
        choices=("strict", "skip"),
        default="strict",
        help="training text that is not UTF-8: stop, or leave out and count",
    )


def _multi30k(options: argparse.Namespace) -> PrepSettings:
    return _settings(options, MULTI30K.languages, MULTI30K.files(options.source))


def _settings(
    options: argparse.Namespace,
    languages: tuple[str, str],
    splits: dict[str, tuple[Path, Path]],
) -> PrepSettings:
    return PrepSettings(
        languages=languages,
        splits=splits,
        out=options.out,
        rules=CleaningRules(options.max_words, options.max_ratio, not options.keep_duplicates),
        skip_undecodable=options.errors == "skip",
        subwords=options.subwords,
        vocab_size=options.vocab_size,
        seed=options.seed,
        workers=options.workers,
    )
