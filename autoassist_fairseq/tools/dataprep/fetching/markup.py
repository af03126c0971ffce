"""Plain text out of the markup in which test sets and talks are published."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

_SEGMENT = re.compile(r"^\s*<seg\b[^>]*>(.*?)</seg>")
_WRAPPED = re.compile(r"^<(title|description)>(.*)</\1>$")
_ABOUT = re.compile(r"^<(url|talkid|keywords|speaker|reviewer|translator)\b")


def segments(lines: Iterable[str]) -> Iterator[str]:
    """The text of every ``<seg>``, one per line, as WMT's SGML and IWSLT's XML have it.

    Neither can be trusted to be valid XML; entities are resolved.
    """
    for line in lines:
        if found := _SEGMENT.match(line):
            yield html.unescape(found[1]).strip()


def tagged(lines: Iterable[str]) -> Iterator[str]:
    """The sentences of IWSLT's training files; titles and descriptions of talks are sentences."""
    for line in lines:
        text = line.strip()
        if not _ABOUT.match(text):
            found = _WRAPPED.match(text)
            yield found[2].strip() if found else text


#: How to get plain text, for each kind of markup; "plain" is what needs nothing done.
KINDS: Mapping[str, Callable[[Iterable[str]], Iterator[str]]] = {
    "segments": segments,
    "tags": tagged,
}
