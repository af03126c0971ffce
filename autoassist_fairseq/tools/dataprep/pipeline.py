"""The engine: from raw parallel text to a binarised corpus, step by step.

Text, joint subword model, pieces, binarised splits. A step knows its inputs and options, so that a
rerun does only what has changed; `steps` says how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import autoassist_fairseq
from autoassist_fairseq.tools.common.files import (
    clear_os_errors,
    count_lines,
    locked,
    scratch,
    staged,
)
from autoassist_fairseq.tools.common.progress import progress, say
from autoassist_fairseq.tools.dataprep import binarise, bpe, corpus_text, subwords
from autoassist_fairseq.tools.dataprep.dictionary import read_pieces, write_dictionary
from autoassist_fairseq.tools.dataprep.manifest import NAME, version_of, write_manifest
from autoassist_fairseq.tools.dataprep.settings import (
    FOLDERS,
    PrepSettings,
    check,
    missing_files,
)
from autoassist_fairseq.tools.dataprep.steps import SCRATCH, Record, Step, Workshop


@clear_os_errors()
def prepare(settings: PrepSettings, before: Sequence[Record] = ()) -> Path:
    """Make the binarised corpus that ``settings`` describe; returns its folder.

    ``before`` are the records of steps that made the input; they go into the manifest.

    Raises:
        UserError: a setting, the input or the disk does not allow it. What an earlier run made
            stays as it is until its replacement is complete.
    """
    check(settings, missing_files(settings))
    with locked(settings.out), scratch(settings.out / SCRATCH):
        workshop = Workshop(settings.out, say, before)
        workshop.before_first_change(lambda: (settings.out / NAME).unlink(missing_ok=True))
        for step in steps(settings):
            workshop.do(step)
        workshop.keep_only(FOLDERS)
        write_manifest(settings, workshop.records)
    return settings.binarised


def steps(settings: PrepSettings) -> Iterator[Step]:
    """All steps in order; held-out text first, which is small, so that its faults are told soon."""
    for split in sorted(settings.sources, key="train".__eq__):
        yield _text_step(settings, split)
    if settings.drop_wrong_pairs:
        yield _wrong_pairs_step(settings)
    yield _model_step(settings)
    for split in settings.splits:
        yield _pieces_step(settings, split)
    yield _binarise_step(settings)


def _text_step(settings: PrepSettings, split: str) -> Step:
    sources = settings.sources[split]
    clean = settings.cleaned if split == "train" else settings.columns(split)
    raw = tuple(chain.from_iterable(source.files for source in sources))
    how = settings.cleaning
    options = {"normalisation": how.normalisation, **_track(settings)}
    if split != "train":
        work = partial(corpus_text.copy_held_out_text, sources, clean, how)
        return Step(f"text-{split}", raw, clean, options, work)
    options = {
        **options,
        **vars(how.rules),
        "skip_undecodable": how.skip_undecodable,
        "valid_every": how.valid_every,
        "sources": [source.name for source in sources],
    }
    if how.rules.languages:
        options["py3langid"] = version_of("py3langid")
    valid = settings.columns("valid") if how.valid_every else ()
    train = corpus_text.clean_training_text
    train_work = partial(train, sources, clean, how, valid, settings.out / SCRATCH)
    return Step("text-train", raw, (*clean, *valid), options, train_work)


def _wrong_pairs_step(settings: PrepSettings) -> Step:
    cleaned, kept = settings.cleaned, settings.columns("train")

    def work() -> dict[str, Any]:
        # Compiled loops take a second to load; who drops nothing does not need them.
        from autoassist_fairseq.tools.wrong_pairs.dropping import drop

        return drop(cleaned, kept, settings.dropped, settings.sure)

    versions = {"autoassist_fairseq": autoassist_fairseq.__version__}
    options = {"sure": settings.sure, "sentencepiece": version_of("sentencepiece"), **versions}
    return Step("wrong-pairs", cleaned, (*kept, settings.dropped), options, work)


def _track(settings: PrepSettings) -> dict[str, Any]:
    if not settings.moses:
        return {}
    return {**vars(settings.tokeniser), "sacremoses": version_of("sacremoses")}


def _model_step(settings: PrepSettings) -> Step:
    text = settings.words("train")
    options = {"vocab_size": settings.vocab_size, **_cutter(settings), **_how_to_learn(settings)}
    return Step("subwords", text, (settings.model,), options, partial(_learn, settings))


def _learn(settings: PrepSettings) -> dict[str, int]:
    lines = chain.from_iterable(map(_lines, settings.words("train")))
    total = sum(map(count_lines, settings.words("train")))
    shown = progress(lines, "counting words", unit="line", total=total)
    counted = subwords.word_counts(shown)
    words = progress(counted, "learning from words", unit="word")
    if settings.moses:
        bpe.learn(words, settings.model, settings.vocab_size)
    else:
        how = _how_to_learn(settings)
        subwords.learn(words, settings.model, vocab_size=settings.vocab_size, **how)
    return {"words": len(counted), "learned": settings.vocab_size}


def _how_to_learn(settings: PrepSettings) -> dict[str, Any]:
    """What sentencepiece is told beside the number of pieces; subword-nmt needs no more."""
    if settings.moses:
        return {}
    return {
        "kind": settings.subwords,
        "normalisation": settings.normalisation,
        "split_digits": settings.split_digits,
        "character_coverage": settings.character_coverage,
    }


def _cutter(settings: PrepSettings) -> dict[str, str]:
    name = "subword-nmt" if settings.moses else "sentencepiece"
    return {name: version_of(name)}


def _pieces_step(settings: PrepSettings, split: str) -> Step:
    text, pieces, options = settings.words(split), settings.pieces(split), _cutter(settings)
    if split != "train":
        inputs = (settings.model, settings.dictionary, *text)
        work = partial(_encode_split, settings, split)
        return Step(f"pieces-{split}", inputs, pieces, options, work)

    def train_work() -> dict[str, int]:
        used: Counter[str] = Counter()
        counts = _encode_split(settings, split, used)
        return {**counts, "used": _write_dictionary(settings, used)}

    outputs = (*pieces, settings.dictionary)
    return Step(f"pieces-{split}", (settings.model, *text), outputs, options, train_work)


def _write_dictionary(settings: PrepSettings, used: Counter[str]) -> int:
    if settings.moses:
        return write_dictionary(settings.dictionary, used)
    # Characters beyond the coverage are no pieces of the model: they stay unknown.
    known = subwords.known_pieces(settings.model)
    characters = [piece for piece in known if len(piece) == 1]
    counts = {piece: count for piece, count in used.items() if piece in known}
    return write_dictionary(settings.dictionary, counts, characters)


def _encode_split(
    settings: PrepSettings, split: str, used: Counter[str] | None = None
) -> dict[str, int]:
    """Cut a split; ``used`` gets the pieces of training text, other text keeps to its pieces."""
    files = zip(settings.languages, settings.words(split), settings.pieces(split), strict=True)
    counts: Counter[str] = Counter()
    for language, text, pieces in files:
        for line in _encoded(settings, text, pieces, held_out=used is None):
            counts["lines"] += 1
            counts[f"{language}_tokens"] += len(line)
            if used is not None:
                used.update(line)
    return dict(counts)


def _encoded(
    settings: PrepSettings, text: Path, pieces: Path, *, held_out: bool
) -> Iterator[list[str]]:
    lines = progress(_lines(text), pieces.name, unit="line", total=count_lines(text))
    dictionary = settings.dictionary if held_out else None
    if settings.moses:
        encoded = bpe.encode(settings.model, lines, settings.workers, dictionary)
    else:
        allowed = None if dictionary is None else read_pieces(dictionary)
        encoded = subwords.encode(settings.model, lines, settings.workers, allowed)
    with staged(pieces) as part, part.open("w", encoding="utf-8", newline="\n") as out:
        for line in encoded:
            out.write(f"{' '.join(line)}\n")
            yield line


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\n")


def _binarise_step(settings: PrepSettings) -> Step:
    pieces = tuple(path for split in settings.splits for path in settings.pieces(split))

    def work() -> dict[str, int]:
        return binarise.binarise(
            settings.out / "pieces",
            settings.binarised,
            settings.languages,
            settings.splits,
            dictionary=settings.dictionary,
            workers=settings.workers,
            log=settings.out / "logs" / "fairseq-preprocess.log",
            scratch=settings.out / SCRATCH,
        )

    options = {"languages": list(settings.languages), "fairseq": version_of("fairseq")}
    outputs = binarise.outputs(settings.binarised, settings.languages, settings.splits)
    return Step("binarise", (settings.dictionary, *pieces), outputs, options, work)
