"""The Moses-tokenised track: punctuation normalised and words cut, as published figures need it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import sacremoses

from autoassist_fairseq.tools.common.languages import base_language


@dataclass(frozen=True)
class MosesTokeniser:
    """Makes tokens of both sides of a pair. Picklable; sacremoses is set up in each process.

    Attributes:
        languages: source and target, for Moses' rules.
        lowercase: fold case, after tokenising.
        split_hyphens: cut words at hyphens, marked ``@-@`` (tokenizer.perl's ``-a``).
    """

    languages: tuple[str, str]
    lowercase: bool = False
    split_hyphens: bool = False

    def __call__(self, *sides: str) -> tuple[str, str]:
        """The tokens of ``sides``, source and target, joined by spaces."""
        source, target = map(self._tokens, self.languages, sides)
        return source, target

    def _tokens(self, language: str, text: str) -> str:
        normaliser, tokeniser = _tools(language)
        tokens: str = tokeniser.tokenize(
            normaliser.normalize(_printable(text)),
            aggressive_dash_splits=self.split_hyphens,
            return_str=True,
        )
        return tokens.lower() if self.lowercase else tokens


def _printable(text: str) -> str:
    """Every control character a space, as Moses' remove-non-printing-char.perl has it.

    Tabs and line separators among them keep words apart; sacremoses would take them away.
    """
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text)


@lru_cache
def _tools(
    language: str,
) -> tuple[sacremoses.MosesPunctNormalizer, sacremoses.MosesTokenizer]:
    code = base_language(language)
    return sacremoses.MosesPunctNormalizer(code), sacremoses.MosesTokenizer(code)
