"""Lines in another language than their file's, named with confidence by py3langid.

The package is optional, and its model lies in its wheel. The shorter a line, the less it believes:
short lines stay. "zxx" is its name for what is in no language, such as formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from autoassist_fairseq.tools.common.languages import base_language, own_language

# Least belief in the other language, and how often that must be the belief in the right one:
# kindred languages share theirs.
CONFIDENCE, ODDS = 0.5, 20.0
_NO_LANGUAGE = "zxx"


def is_other_language(text: str, tag: str) -> bool:
    """Whether ``text`` is plainly in another language than ``tag``'s."""
    own = _label(tag)
    found, belief = _identifier().classify(text)
    if found in (own, _NO_LANGUAGE) or belief < CONFIDENCE:
        return False
    return bool(belief >= ODDS * dict(_identifier().rank(text))[own])


def language_problems(tags: Sequence[str]) -> list[str]:
    """Why lines in languages ``tags`` cannot be told from others, if so."""
    try:
        known = _identifier().labels if tags else ()
    except (ImportError, AttributeError):  # missing, or older than 0.4
        return ["`--language-id` needs py3langid 0.4: give `pip install '.[language-id]'`"]
    unknown = [tag for tag in tags if _label(tag) not in known]
    return [
        f"`--language-id` knows {len(known)} codes such as de, but not {tag!r}" for tag in unknown
    ]


def _label(tag: str) -> str:
    """Return py3langid's name of a language: the tag's own, if it has one, as for Cantonese."""
    own = own_language(tag)
    return own if own in _identifier().labels else base_language(tag)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # optional

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
