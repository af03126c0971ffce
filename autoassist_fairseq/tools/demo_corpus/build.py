"""Draw the demo corpus from its templates: distinct pairs, split once, always the same.

``templates.txt`` holds them. A paragraph is a group: its share of the corpus, and what it holds.
Then one template per line, English and German with a bar between; a line without one lists slots
that stand alone in both. ``{slot}`` is drawn once and put into both languages; a digit after a
slot's name draws it once more (``{city}`` and ``{city2}``). German inflects, so a slot stands only
where its form fits: countries have no article, ordinals say their ending.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.demo_corpus import amounts, calendar, names, words
from autoassist_fairseq.tools.demo_corpus.base import LANGUAGES, Bilingual, Rng, pick

#: Pairs of each split.
SIZES: Mapping[str, int] = {"train": 20_000, "valid": 500, "test": 500}
#: The slots that templates may name.
SLOTS = {**names.SLOTS, **calendar.SLOTS, **amounts.SLOTS, **words.SLOTS}
#: A place to fill, and its slot: ``{city2}`` is ("city2", "city").
PLACE = re.compile(r"{(([a-z_]+)\d*)}")
# Draws per pair before a group counts as exhausted.
_PATIENCE = 50

Corpus = dict[str, list[Bilingual]]


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


def fill(template: Bilingual, rng: Rng) -> Bilingual:
    """Draw every slot of ``template`` once and put it into both languages."""
    drawn = {name: SLOTS[slot](rng) for name, slot in PLACE.findall(template.en)}
    english = {name: value.en for name, value in drawn.items()}
    german = {name: value.de for name, value in drawn.items()}
    return Bilingual(template.en.format_map(english), template.de.format_map(german))


def build(seed: int = 1, sizes: Mapping[str, int] = SIZES) -> Corpus:
    """The corpus: ``sizes`` distinct pairs per split.

    No source sentence and no target sentence stands in it twice, so nothing of the test set can
    have been seen in training. The same seed and library versions give the same corpus.

    Raises:
        UserError: more pairs are asked for than the templates can tell apart.
    """
    total = sum(sizes.values())
    rng = np.random.default_rng([seed, total])
    seen: set[str] = set()
    pairs: list[Bilingual] = []
    ends = np.round(np.cumsum([share for share, _ in GROUPS]) * total).astype(int)
    for (_, templates), end in zip(GROUPS, ends, strict=True):
        pairs += distinct(templates, end - len(pairs), rng, seen)
    order = iter(rng.permutation(total))
    return {split: [pairs[i] for i in islice(order, size)] for split, size in sizes.items()}


def distinct(
    templates: Sequence[Bilingual], size: int, rng: Rng, seen: set[str]
) -> Iterator[Bilingual]:
    """Draw ``size`` pairs whose sentences are not in ``seen``, and put them there.

    Raises:
        UserError: the templates do not give so many.
    """
    found = 0
    for _ in range(size * _PATIENCE):
        if found == size:
            return
        pair = fill(pick(rng, templates), rng)
        if pair.en not in seen and pair.de not in seen:
            seen.update(pair)
            found += 1
            yield pair
    if found < size:
        raise UserError(
            f"The templates must give {size} different pairs of one group, but gave {found}; ask "
            "for a smaller corpus."
        )


def write(corpus: Corpus, out: Path) -> None:
    """Write ``out/{split}.{language}`` in UTF-8, one sentence per line."""
    out.mkdir(parents=True, exist_ok=True)
    for split, pairs in corpus.items():
        for column, language in enumerate(LANGUAGES):
            lines = "".join(f"{pair[column]}\n" for pair in pairs)
            (out / f"{split}.{language}").write_text(lines, encoding="utf-8")
