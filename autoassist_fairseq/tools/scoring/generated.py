"""What ``fairseq-generate`` printed, turned into plain and tokenised lines in the data's order."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sacremoses
import sentencepiece

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.languages import base_language
from autoassist_fairseq.tools.common.words import option_in, value_of
from autoassist_fairseq.tools.dataprep.subwords import processor_of
from autoassist_fairseq.tools.scoring import layout
from autoassist_fairseq.tools.scoring.text import listed, read_lines

Track = Literal["sentencepiece", "moses", "none"]
"""How the corpus was prepared, hence how to get plain text back: sentencepiece pieces of raw
text, Moses tokens (with or without subword-nmt's ``@@``), or plain words."""

_LINE = re.compile(r"([TH])-(\d+)\t(.*)")
_JOIN = re.compile(r"@@( |$)")
_MARK = "\u2581"
_DECODING = "--post-process"
_OUTPUT = (
    *("--path", "--gen-subset", "--source-lang", "--target-lang", "--results-path"),
    *("--quiet", "--log-format", "--score-reference", "--num-shards", "--shard-id"),
)
UNKNOWN = "<<unk>>"
"""What fairseq prints for a symbol of the reference that the dictionary lacks."""


@dataclass(frozen=True)
class Generated:
    """Best hypothesis and target of each pair, as dictionary symbols joined by spaces."""

    hypotheses: list[str]
    targets: list[str]


def check_flags(flags: Sequence[str], where: str) -> None:
    """Require flags of ``fairseq-generate`` that leave its output as we read it.

    Args:
        flags: what the user gives it.
        where: option that holds them, for the error.

    Raises:
        UserError: its text would be decoded twice, go elsewhere, or be that of another split; or
            it would only be told after training that ``--model-overrides`` cannot be read.
    """
    overrides = value_of(flags, "--model-overrides")
    if overrides is not None and not _is_dict(overrides):
        raise UserError(
            f"`{where}` must have --model-overrides that are a dict, say '{{\"dropout\": 0.1}}', "
            f"but has {overrides!r}; mend it."
        )
    for word in flags:
        flag, name = word.partition("=")[0], option_in(word)[0]
        if name == _DECODING:
            raise UserError(
                f"`{where}` must leave {flag} out, since the output would be decoded twice, but "
                f"has {word}; `--detokenise` says how the corpus was prepared."
            )
        if name in _OUTPUT:
            raise UserError(
                f"`{where}` must leave {flag} out, so that this tool translates what it scores and "
                f"finds it, but has {word}."
            )


def _is_dict(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text), dict)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def read_generated(path: Path) -> Generated:
    """Read the output of ``fairseq-generate`` without ``--post-process``, sorted by pair.

    Raises:
        UserError: no hypothesis in it, or pairs were left out.
    """
    found: dict[str, dict[int, str]] = {"T": {}, "H": {}}
    for line in read_lines(path, "fairseq-generate"):
        match = _LINE.match(line)
        if match:
            kind, pair, rest = match[1], int(match[2]), match[3]
            text = rest.partition("\t")[2] if kind == "H" else rest  # H: score, tab, text
            found[kind].setdefault(pair, text)  # with --nbest the first is the best
    hypotheses, targets = found["H"], found["T"]
    total = max([*hypotheses, *targets], default=-1) + 1
    if not hypotheses:
        raise UserError(f"{path} must hold `H-` lines of fairseq-generate, but holds none.")
    missing = [pair for pair in range(total) if pair not in hypotheses]
    if missing:
        raise UserError(
            f"{path} must hold one hypothesis for each of {total} pairs, but lacks "
            f"{listed(missing)}; generate without leaving out long pairs "
            "(`--max-source-positions`), so that the scores are those of the whole test set."
        )
    ordered = [hypotheses[pair] for pair in range(total)]
    return Generated(ordered, [targets.get(pair, "") for pair in range(total)])


def words(lines: Sequence[str], track: Track) -> list[str]:
    """Join subwords to words or tokens: ``@@`` for ``moses``, nothing to do for ``none``."""
    return [_JOIN.sub("", line) if track == "moses" else line for line in lines]


def plain_text(lines: Sequence[str], track: Track, language: str, model: Path | None) -> list[str]:
    """Turn symbols of the dictionary into plain text.

    Args:
        lines: symbols joined by spaces.
        track: how the corpus was prepared.
        language: target language, for Moses' rules.
        model: sentencepiece model; only for its track.

    Raises:
        UserError: the model cannot be read.
    """
    if track == "moses":
        detokenizer = sacremoses.MosesDetokenizer(base_language(language))
        return [detokenizer.detokenize(line.split()) for line in words(lines, track)]
    if track == "none":
        return list(lines)
    processor = load_sentencepiece(model)
    return [processor.decode(line.split()) for line in lines]


def find_model(data: Path, language: str, given: Path | None, track: Track) -> Path | None:
    """Return the sentencepiece model, the given or the prepared one, if the track needs it.

    Raises:
        UserError: it is missing or none, or the dictionary shows that the corpus was prepared
            otherwise than ``track`` says.
    """
    file = data / f"dict.{language}.txt"
    lines = read_lines(file, "DATA") if file.is_file() else []
    symbols = [line.rpartition(" ")[0] for line in lines]
    for mark, other in ((_MARK, "sentencepiece"), ("@@", "moses")):
        marked = sum(mark in symbol for symbol in symbols)
        if 10 * marked > len(symbols) and other != track:
            raise UserError(
                f"`--detokenise` {track} does not fit {file}, where {marked} of {len(symbols)} "
                f"symbols are marked {mark}; give `--detokenise {other}`."
            )
    if track != "sentencepiece":
        return None
    model = layout.sentencepiece_model(data, given)
    otherwise = "say with `--detokenise moses|none` that it was prepared otherwise"
    if model is None:
        raise UserError(
            f"`--spm` is missing: give the sentencepiece model of {data}, or {otherwise}."
        )
    processor = load_sentencepiece(model)
    known = sum(processor.piece_to_id(symbol) != processor.unk_id() for symbol in symbols)
    if 2 * known < len(symbols) and _MARK not in "".join(symbols):
        raise UserError(
            f"`--detokenise` sentencepiece needs a corpus of the pieces of {model}, but {file} "
            f"holds few of them; {otherwise}."
        )
    return model


def load_sentencepiece(model: Path | None) -> sentencepiece.SentencePieceProcessor:
    """Load a sentencepiece model.

    Raises:
        UserError: missing or not a model.
    """
    try:
        return processor_of(model or Path())  # a folder cannot be read, either
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"`--spm` {model} must be a sentencepiece model, but could not be read; give the one "
            "that prepared the corpus."
        ) from error
