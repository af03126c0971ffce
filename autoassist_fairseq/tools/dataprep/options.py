"""The flags of the command line, and the settings that they make."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.dataprep.cleaning import LONGEST_COPY, CleaningRules
from autoassist_fairseq.tools.dataprep.fetching import corpora
from autoassist_fairseq.tools.dataprep.fetching.fetch import Fetching
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus
from autoassist_fairseq.tools.dataprep.reading import Source
from autoassist_fairseq.tools.dataprep.settings import TRACKS, PrepSettings
from autoassist_fairseq.tools.dataprep.subwords import KINDS, NORMALISATIONS

#: Name of the lock file, where it is not given.
LOCK = "downloads.lock.json"


def parser() -> argparse.ArgumentParser:
    """The command line, with a subcommand per corpus."""
    top = argparse.ArgumentParser(
        prog="autoassist prepare",
        description="Make a binarised corpus for fairseq from parallel text.",
    )
    commands = top.add_subparsers(dest="corpus", required=True)
    own = _command(commands, "corpus", "any pairs of text files, plain or gzipped")
    _add_files(own)
    _add_shared(own, {})
    for make in corpora.CORPORA.values():
        corpus = make()
        published = _command(commands, corpus.name, corpus.title)
        if corpus.name == "wmt14":
            _add_news_commentary(published)
        _add_fetching(published, corpus)
        _add_shared(published, corpus.defaults)
    return top


def settings(
    options: argparse.Namespace,
    languages: tuple[str, str],
    sources: Mapping[str, tuple[Source, ...]],
) -> PrepSettings:
    """The settings that the shared flags describe."""
    return PrepSettings(
        languages=languages,
        sources=sources,
        rules=CleaningRules(
            options.max_words,
            options.max_ratio,
            drop_duplicates=not options.keep_duplicates,
            drop_copies=not options.keep_copies,
            drop_near_duplicates=options.near_duplicates,
            languages=languages if options.language_id else None,
        ),
        skip_undecodable=options.errors == "skip",
        **_same_named(PrepSettings, options),
    )


def fetching(options: argparse.Namespace) -> Fetching:
    """Where a published corpus comes from and goes to."""
    options.downloads = options.downloads or options.out / "downloads"
    options.lock = options.lock or options.downloads / LOCK
    return Fetching(**_same_named(Fetching, options))


def _same_named(kind: type[PrepSettings | Fetching], options: argparse.Namespace) -> dict[str, Any]:
    """The options that are called as fields of a dataclass."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in vars(options).items() if name in names}


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.set_defaults(parser=made)
    return made


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source-lang", required=True, metavar="LANG", help="such as en")
    parser.add_argument("--target-lang", required=True, metavar="LANG", help="such as de")
    for split in ("train", "valid", "test"):
        parser.add_argument(
            f"--{split}",
            nargs=2,
            action="append",
            type=Path,
            metavar=("SOURCE", "TARGET"),
            required=split == "train",
            default=argparse.SUPPRESS if split == "train" else [],
            help="a pair of files; give it again to join several",
        )


def _add_news_commentary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--news-commentary",
        type=int,
        choices=sorted(corpora.NEWS_COMMENTARY),
        default=corpora.WMT14_NEWS_COMMENTARY,
        help="version; 9 is WMT14's own, 12 is what fairseq's script takes",
    )


def _add_fetching(parser: argparse.ArgumentParser, corpus: Corpus) -> None:
    group = parser.add_argument_group("fetching")
    names = ", ".join(download.name for download in corpus.downloads)
    group.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        type=Path,
        help=f"folder that holds {names} already; nothing is downloaded",
    )
    group.add_argument(
        "--downloads", metavar="DIR", type=Path, help="folder for downloads (None: OUT/downloads)"
    )
    group.add_argument(
        "--mirror",
        dest="mirrors",
        metavar="URL",
        action="append",
        default=[],
        help="folder that is tried before the known places; may be given again",
    )
    group.add_argument(
        "--lock", metavar="FILE", type=Path, help=f"lock file (None: {LOCK} beside the downloads)"
    )
    group.add_argument(
        "--accept-changed",
        action="store_true",
        help="take files that differ from the table or the lock file",
    )
    group.add_argument("--timeout", type=float, default=60.0, help="seconds without a byte")
    group.add_argument(
        "--tries", type=int, default=4, help="how often a server is asked that fails"
    )


def _add_shared(parser: argparse.ArgumentParser, defaults: Mapping[str, Any]) -> None:
    rules = CleaningRules()
    add = parser.add_argument
    add("--out", metavar="DIR", type=Path, required=True, help="folder to fill")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes; not in the result")
    add(
        "--track",
        choices=TRACKS,
        default="raw",
        help="raw: sentencepiece on text as it is; moses: Moses' tokens, cut by subword-nmt",
    )
    add("--vocab-size", type=int, default=8_000, help="joint pieces, or merges of subword-nmt")
    add("--subwords", choices=KINDS, default="bpe", help="kind of pieces (raw track)")
    add(
        "--normalisation",
        choices=NORMALISATIONS,
        default="identity",
        help="how pieces spell characters: as they are, or by Unicode's NFKC (raw track)",
    )
    add(
        "--character-coverage",
        type=float,
        default=1.0,
        help="share of all characters that pieces spell (raw track)",
    )
    add("--lowercase", action=argparse.BooleanOptionalAction, default=False,
        help="fold case (moses track)")  # fmt: skip
    add("--split-hyphens", action="store_true", help="cut at hyphens, @-@ (moses track)")
    add(
        "--max-words",
        type=int,
        default=rules.max_words,
        help="most words of a training sentence; characters where a script has no spaces",
    )
    add("--max-ratio", type=float, default=rules.max_ratio, help="most words per word of the other")
    add("--keep-duplicates", action="store_true", help="keep training pairs that occur again")
    add("--keep-copies", action="store_true",
        help=f"keep pairs of over {LONGEST_COPY} words whose target is the source")  # fmt: skip
    add("--near-duplicates", action="store_true",
        help="of training pairs with the same letters keep the first alone")  # fmt: skip
    add("--language-id", action="store_true",
        help="drop training pairs with a side plainly in another language")  # fmt: skip
    add("--drop-wrong-pairs", action="store_true",
        help="drop training pairs that are no translations (find-wrong-pairs)")  # fmt: skip
    add("--sure", type=float, default=0.5, help="how likely that must be, in [0, 1)")
    add("--valid-every", metavar="N", type=int, default=0,
        help="take every Nth training pair for validation (0: none)")  # fmt: skip
    add(
        "--errors",
        choices=("strict", "skip"),
        default="strict",
        help="training text that is not UTF-8: stop, or leave out and count",
    )
    parser.set_defaults(**defaults)
