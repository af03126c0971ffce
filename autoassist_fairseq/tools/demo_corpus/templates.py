"""The frames of the demo corpus, as ``templates.txt`` lists them.

A paragraph is a group: its share of the corpus, and what it holds. Then one template per line,
English and German with a bar between; a line without one lists slots that stand alone in both.

``{slot}`` is drawn once and put into both languages. A digit after a slot's name draws it once more
(``{city}`` and ``{city2}``). German inflects, so a slot stands only where its form fits: countries
have no article, ordinals say their ending.
"""

from __future__ import annotations

from pathlib import Path

from autoassist_fairseq.tools.demo_corpus.base import Bilingual


def _group(paragraph: str) -> tuple[float, list[Bilingual]]:
    heading, *lines = paragraph.splitlines()
    templates: list[Bilingual] = []
    for line in lines:
        if " | " in line:
            templates.append(Bilingual(*line.split(" | ")))
        else:
            templates += [Bilingual(slot, slot) for slot in line.split()]
    return float(heading.split()[0]), templates


_TEXT = Path(__file__).with_name("templates.txt").read_text(encoding="utf-8")
#: The share of the corpus (in [0, 1]) and the templates of each group.
GROUPS = [_group(paragraph) for paragraph in _TEXT.split("\n\n")]
