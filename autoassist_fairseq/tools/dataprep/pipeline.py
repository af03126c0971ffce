"""The engine: from raw parallel text to a binarised corpus, step by step.

Text, joint sentencepiece model, pieces, binarised splits. A step knows its inputs and options, so
that a rerun does only what has changed; `steps` says how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from autoassist_fairseq.tools.dataprep import binarise, corpus_text, subwords
from autoassist_fairseq.tools.dataprep.dictionary import (
    read_pieces,
    respelled,
    write_dictionary,
)
from autoassist_fairseq.tools.dataprep.files import clear_os_errors, locked, staged
from autoassist_fairseq.tools.dataprep.manifest import NAME, version_of, write_manifest
from autoassist_fairseq.tools.dataprep.progress import progress, say
from autoassist_fairseq.tools.dataprep.settings import PrepSettings, check
from autoassist_fairseq.tools.dataprep.steps import Step, Workshop


def prepare(settings: PrepSettings) -> Path:
    """Make the binarised corpus that ``settings`` describe; returns its folder.

    Raises:
        UserError: a setting, the input or the disk does not allow it. What an earlier run made
            stays as it is until its replacement is complete.
    """
    check(settings)
    with clear_os_errors(), locked(settings.out):
        workshop = Workshop(settings.out, say)
        workshop.before_first_change(lambda: (settings.out / NAME).unlink(missing_ok=True))
        for step in steps(settings):
            workshop.do(step)
        write_manifest(settings, workshop.records)
    return settings.binarised


def steps(settings: PrepSettings) -> Iterator[Step]:
    """All steps in order."""
    for split in settings.splits:
        yield _text_step(settings, split)
    yield _model_step(settings)
    for split in settings.splits:
        yield _pieces_step(settings, split)
    yield _binarise_step(settings)


def _text_step(settings: PrepSettings, split: str) -> Step:
    raw, clean, rules = settings.splits[split], settings.text(split), settings.rules
    if split != "train":
        return Step(
            f"text-{split}", raw, clean, {}, lambda: corpus_text.copy_held_out_text(raw, clean)
        )
    skip = settings.skip_undecodable

    def work() -> dict[str, int]:
        return corpus_text.clean_training_text(
            raw, clean, rules, skip_undecodable=skip, workers=settings.workers
        )

    options = {**vars(rules), "skip_undecodable": skip}
    return Step(f"text-{split}", raw, clean, options, work)


def _model_step(settings: PrepSettings) -> Step:
    text, model = settings.text("train"), settings.model

    def work() -> dict[str, int]:
        with text[0].open("rb") as lines:
            total = sum(1 for _ in lines)
        sample = subwords.evenly_sampled(text, total, settings.subword_sample, settings.seed)
        subwords.learn(
            progress(sample, "sentences for sentencepiece", unit="sentence"),
            model,
            kind=settings.subwords,
            vocab_size=settings.vocab_size,
            split_digits=settings.split_digits,
        )
        return {"pieces": settings.vocab_size}

    options = {
        "kind": settings.subwords,
        "vocab_size": settings.vocab_size,
        "split_digits": settings.split_digits,
        "subword_sample": settings.subword_sample,
        "seed": settings.seed,
        **_sentencepiece(),
    }
    return Step("subwords", text, (model,), options, work)


def _pieces_step(settings: PrepSettings, split: str) -> Step:
    text, pieces, options = settings.text(split), settings.pieces(split), _sentencepiece()
    if split != "train":
        inputs = (settings.model, settings.dictionary, *text)
        work = partial(_encode_split, settings, split)
        return Step(f"pieces-{split}", inputs, pieces, options, work)

    def train_work() -> dict[str, int]:
        used: Counter[str] = Counter()
        counts = _encode_split(settings, split, used)
        return {**counts, "used": write_dictionary(settings.dictionary, used, settings.model)}

    outputs = (*pieces, settings.dictionary)
    return Step(f"pieces-{split}", (settings.model, *text), outputs, options, train_work)


def _encode_split(
    settings: PrepSettings, split: str, used: Counter[str] | None = None
) -> dict[str, int]:
    files = zip(settings.languages, settings.text(split), settings.pieces(split), strict=True)
    allowed = None if used is not None else read_pieces(settings.dictionary)
    counts: Counter[str] = Counter()
    for language, text, pieces in files:
        for line in _encoded(settings, text, pieces, allowed):
            counts[f"{language}_tokens"] += len(line)
            if used is not None:
                used.update(line)
    return dict(counts)


def _encoded(
    settings: PrepSettings, text: Path, pieces: Path, allowed: frozenset[str] | None
) -> Iterator[list[str]]:
    with text.open(encoding="utf-8", newline="\n") as lines, staged(pieces) as part:
        stripped = (line.rstrip("\n") for line in progress(lines, pieces.name, unit="line"))
        blocks = subwords.encode(settings.model, stripped, threads=settings.workers)
        with part.open("w", encoding="utf-8", newline="\n") as out:
            for line in chain.from_iterable(blocks):
                spelled = line if allowed is None else list(respelled(line, allowed))
                out.write(f"{' '.join(spelled)}\n")
                yield spelled


def _sentencepiece() -> dict[str, str]:
    return {"sentencepiece": version_of("sentencepiece")}


def _binarise_step(settings: PrepSettings) -> Step:
    splits = tuple(settings.splits)
    pieces = tuple(path for split in splits for path in settings.pieces(split))

    def work() -> dict[str, int]:
        return binarise.binarise(
            settings.out / "pieces",
            settings.binarised,
            settings.languages,
            splits,
            dictionary=settings.dictionary,
            workers=settings.workers,
            log=settings.out / "logs" / "fairseq-preprocess.log",
        )

    options = {"languages": list(settings.languages), "fairseq": version_of("fairseq")}
    outputs = binarise.outputs(settings.binarised, settings.languages, splits)
    return Step("binarise", (settings.dictionary, *pieces), outputs, options, work)
