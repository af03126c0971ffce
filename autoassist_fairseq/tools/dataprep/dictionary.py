"""fairseq's dictionary, made of the pieces that the training text really uses.

A sentencepiece model also has pieces that its own training text never shows (BPE builds words from
them). Were they used for other text, the model would meet symbols that it never learned, or
``<unk>``. So the dictionary allows what training shows, and single characters, from which
everything else can be spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from autoassist_fairseq.tools.common.files import staged

# fairseq puts four symbols of its own first, and fills up to a multiple of eight (for GPUs).
_SPECIAL_SYMBOLS = 4
_MULTIPLE = 8
_FILLER = "madeupword{:04d}"


def write_dictionary(path: Path, counts: Mapping[str, int], spare: Iterable[str] = ()) -> int:
    """Write pieces and their ``counts``, most frequent first; returns the number of pieces.

    ``spare`` pieces are written even if they have no count.
    """
    known = dict.fromkeys(spare, 0) | dict(counts)
    entries = sorted(known.items(), key=lambda entry: (-entry[1], entry[0]))
    fillers = range(-(len(entries) + _SPECIAL_SYMBOLS) % _MULTIPLE)
    entries += [(_FILLER.format(index), 0) for index in fillers]
    with staged(path) as part:
        lines = "".join(f"{piece} {count}\n" for piece, count in entries)
        part.write_text(lines, encoding="utf-8", newline="\n")
    return len(known)


def read_pieces(path: Path) -> frozenset[str]:
    """The symbols of a dictionary."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return frozenset(line.rpartition(" ")[0] for line in lines)


def respelled(pieces: Iterable[str], allowed: frozenset[str]) -> Iterator[str]:
    """``pieces`` with those that are not ``allowed`` cut into the longest ones that are.

    Characters that are not allowed either stay as they are: training does not know them.
    """
    for piece in pieces:
        if piece in allowed:
            yield piece
        else:
            yield from _cut(piece, allowed)


def _cut(piece: str, allowed: frozenset[str]) -> Iterator[str]:
    start = 0
    while start < len(piece):
        ends = range(len(piece), start + 1, -1)
        end = next((end for end in ends if piece[start:end] in allowed), start + 1)
        yield piece[start:end]
        start = end
