"""Lines to score: read with checks, recognised as tokenised or not, and split into tokens."""

from __future__ import annotations

import codecs
import re
import sys
import zlib
from collections.abc import Mapping, Sequence, Sized
from functools import lru_cache
from pathlib import Path

import sacremoses

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import open_text
from autoassist_fairseq.tools.common.languages import base_language

_SPACED_MARK = re.compile(r"\s[.,](?=\s|$)")
_ANY_MARK = re.compile(r"[^\s.,][.,](?=\s|$)|\s[.,](?=\s|$)")
_TRACES = (
    (re.compile(r"&(?:apos|quot|#91|#93|#124);"), "Moses escapes such as `&apos;`"),
    (re.compile(r"@@(?: |$)"), "BPE marks `@@`"),
    (re.compile(r"\u2581"), "sentencepiece marks `\u2581`"),
    (re.compile(r"@-@|##AT##-##AT##"), "split compounds"),
)
_HYPHEN = re.compile(r"(?<!\S)(@-@|##AT##-##AT##)(?!\S)|(\S)-(\S)")
_ASCII_SPACE = re.compile(r"[ \t\n\r\f\v]+")
# multi-bleu.perl works on bytes, where only ASCII white space separates tokens; sacreBLEU also
# splits at these. Each gets a private-use character of its own, so that tokens stay whole.
_OTHER_SPACE = {
    ord(c): 0xE000 + i
    for i, c in enumerate(chr(n) for n in range(sys.maxunicode) if chr(n).isspace() and n > 0x20)
}


def read_lines(path: Path | str, option: str) -> list[str]:
    """Read a text file, plain or ``.gz``; ``-`` is stdin.

    Trailing white space and a byte order mark are dropped.

    Args:
        path: the file.
        option: the flag that named it, for errors.

    Raises:
        UserError: missing, empty, or not UTF-8 (with the numbers of the lines).
    """
    try:
        data = _bytes_of(str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"`{option}` {path} must be a readable file: {error}.") from error
    if not data:
        raise UserError(f"`{option}` {path} must hold at least one line, but is empty.")
    raw = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not raw[-1]:
        raw.pop()
    bad = [n for n, line in enumerate(raw, 1) if line.decode("utf-8", "ignore").encode() != line]
    if bad:
        raise UserError(
            f"`{option}` {path} must be UTF-8, but {len(bad)} of its lines are not: "
            f"{listed(bad)}; convert it, for example with iconv."
        )
    return [line.decode("utf-8").rstrip() for line in raw]


def _bytes_of(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()  # once: a second file that is - is empty
    with open_text(Path(path)) as stream:
        return stream.read()


def listed(numbers: Sequence[int]) -> str:
    """Return the first ten of some numbers as text, and how many there are beside them."""
    more = len(numbers) - 10
    return ", ".join(map(str, numbers[:10])) + (f" and {more} more" if more > 0 else "")


def check_lengths(
    named: Mapping[str, Sized],
    what: str = "files to score",
    remedy: str = "give the files of one test set, complete and in its order",
) -> None:
    """Require all files, which are ``what``, to have the same number of lines.

    Raises:
        UserError: they differ.
    """
    counts = {name: len(lines) for name, lines in named.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError(f"{what} must have one line for each pair, but {told}; {remedy}.")


def tokenised_because(lines: Sequence[str]) -> str | None:
    """Say why lines look tokenised, or None when they look like plain text.

    Plain text may hold a few odd lines, so a trace counts when a tenth of the lines shows it, and
    spaced full stops and commas when they are more than half of all full stops and commas.
    """
    for pattern, name in _TRACES:
        if 10 * sum(bool(pattern.search(line)) for line in lines) > len(lines):
            return name
    spaced = sum(len(_SPACED_MARK.findall(line)) for line in lines)
    marks = sum(len(_ANY_MARK.findall(line)) for line in lines)
    if 2 * spaced > marks:
        return f"{spaced} of {marks} full stops and commas stand alone"
    return None


def moses_tokens(lines: Sequence[str], language: str) -> list[str]:
    """Tokenise as Moses' ``tokenizer.perl -l LANGUAGE`` does; tokens are joined by one space."""
    tokenizer = _tokenizer(base_language(language))
    return [tokenizer.tokenize(line, return_str=True) for line in lines]


def moses_name(language: str) -> str:
    """Return the tokeniser's name and version for a signature."""
    return f"sacremoses-{sacremoses.__version__}.{base_language(language)}"


def perl_tokens(line: str) -> str:
    """Return the tokens that multi-bleu.perl sees in a tokenised line, joined by one space."""
    return " ".join(_ASCII_SPACE.split(line.strip(" \t\n\r\f\v"))).translate(_OTHER_SPACE)


def split_compounds(line: str) -> str:
    r"""Split words at hyphens: ``rich-text`` -> ``rich ##AT##-##AT## text``.

    The rule of the GNMT, Transformer and fairseq figures for WMT14 En-De, ``s{(\S)-(\S)}`` from
    left to right; in ``a-b-c`` the middle letter is used up by the first match, so that only the
    first hyphen splits. Kept, since published figures contain it. Marks of an earlier split stay.
    """
    return _HYPHEN.sub(lambda m: m[1] or f"{m[2]} ##AT##-##AT## {m[3]}", line)


@lru_cache(maxsize=4)
def _tokenizer(language: str) -> sacremoses.MosesTokenizer:
    return sacremoses.MosesTokenizer(language)
