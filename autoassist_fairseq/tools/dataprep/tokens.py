"""The Moses-tokenised track: punctuation normalised and words cut, as published figures need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sacremoses


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
            normaliser.normalize(text), aggressive_dash_splits=self.split_hyphens, return_str=True
        )
        return tokens.lower() if self.lowercase else tokens


@lru_cache
def _tools(
    language: str,
) -> tuple[sacremoses.MosesPunctNormalizer, sacremoses.MosesTokenizer]:
    # Control characters go as well, as Moses' remove-non-printing-char.perl does.
    normaliser = sacremoses.MosesPunctNormalizer(language, post_remove_control_chars=True)
    return normaliser, sacremoses.MosesTokenizer(language)
