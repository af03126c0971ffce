"""Where data preparation leaves what scoring needs: beside the binarised corpus.

::

    OUT/bin/                  DATA
    OUT/subwords/joint.model  sentencepiece model, when the corpus was made of raw text
    OUT/text/test.de          plain text of a split
    OUT/tokens/test.de        its tokens, when the corpus was made of Moses tokens
"""

from __future__ import annotations

from pathlib import Path

from autoassist_fairseq.errors import UserError


def sentencepiece_model(data: Path, given: Path | None) -> Path | None:
    """Return the sentencepiece model: the given one, else the prepared one, else None."""
    prepared = data.resolve().parent / "subwords" / "joint.model"
    return given or (prepared if prepared.is_file() else None)


def tokens(data: Path, split: str, language: str) -> Path | None:
    """Return the prepared tokens of a split's side, else None."""
    prepared = data.resolve().parent / "tokens" / f"{split}.{language}"
    return prepared if prepared.is_file() else None


def references(data: Path, split: str, language: str, given: list[str] | None) -> list[str]:
    """Return the reference files: the given ones, else the prepared text.

    Raises:
        UserError: neither is there.
    """
    prepared = data.resolve().parent / "text" / f"{split}.{language}"
    if not given and not prepared.is_file():
        raise UserError(
            f"`--ref` is missing: give the plain {language} text of the `{split}` split (it is "
            f"found by itself only as {prepared})."
        )
    return given or [str(prepared)]
