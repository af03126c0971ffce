"""Checks of the options with which validation translates: one that fails ends the run there."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from fairseq.data.data_utils import post_process
from fairseq.data.encoders import TOKENIZER_REGISTRY

# What fairseq's search reads as numbers, and what it takes where they are not given.
LENGTHS = {"min_len": 1, "max_len_a": 0, "max_len_b": 200}
NUMBERS = {*LENGTHS, "beam", "lenpen", "unkpen", "temperature", "no_repeat_ngram_size"}


def problems_of_validation(cfg: Any) -> list[str]:
    """Return a sentence for each option with which the first validation would end the run."""
    return [*_problems_of_bleu(cfg)] if cfg.eval_bleu else []


def _problems_of_bleu(cfg: Any) -> Iterator[str]:
    if cfg.eval_bleu_detok not in TOKENIZER_REGISTRY:
        yield (
            f"`--eval-bleu-detok` must be one of {', '.join(sorted(TOKENIZER_REGISTRY))}, but is "
            f"{cfg.eval_bleu_detok!r}"
        )
    for name in ("eval-bleu-args", "eval-bleu-detok-args"):
        text = getattr(cfg, name.replace("-", "_"))
        given, why = _object(text)
        if why:
            yield f"`--{name}` must be a JSON object, such as '{{\"beam\": 4}}', but {text!r} {why}"
        elif name == "eval-bleu-args":
            yield from _problems_of_search(given)
    try:
        post_process("", cfg.eval_bleu_remove_bpe)
    except NotImplementedError:
        names = "sentencepiece, subword_nmt, wordpiece, letter, silence, _EOW, none"
        yield (
            f"`--eval-bleu-remove-bpe` must be one of {names}, but is {cfg.eval_bleu_remove_bpe!r}"
        )


def _object(text: Any) -> tuple[dict[str, Any], str]:
    """Return the object that ``text`` is, and why it is none."""
    try:
        given = json.loads(text or "")
    except json.JSONDecodeError as error:
        return {}, f"cannot be read ({error})"
    return (given, "") if isinstance(given, dict) else ({}, "is another value")


def _problems_of_search(given: dict[str, Any]) -> Iterator[str]:
    odd = [name for name in sorted(NUMBERS & given.keys()) if not _is_number(given[name])]
    if odd:
        values = ", ".join(f"{json.dumps(given[name])} for {name}" for name in odd)
        yield f"`--eval-bleu-args` must have numbers where it asks for them, but has {values}"
        return
    beam = given.get("beam", 1)
    if beam < 1 or beam != int(beam):
        yield f"`--eval-bleu-args` must have a beam of 1 or more, a whole number, but has {beam}"
    least, share, most = (given.get(name, usual) for name, usual in LENGTHS.items())
    if share <= 0 and int(most) < least:
        yield (
            f"`--eval-bleu-args` must let a translation have {least} tokens or more, but its "
            f'"max_len_a" and "max_len_b" let it have {most}; raise one of them'
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
