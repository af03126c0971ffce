"""The step into fairseq: pieces in, binarised splits and one joined dictionary out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoassist_fairseq.tools.common.child import run_logged
from autoassist_fairseq.tools.common.files import count_lines, staged


def outputs(folder: Path, languages: tuple[str, str], splits: Sequence[str]) -> tuple[Path, ...]:
    """The files that `binarise` leaves in ``folder``."""
    pair = "-".join(languages)
    dictionaries = [f"dict.{language}.txt" for language in languages]
    data = [
        f"{split}.{pair}.{language}.{kind}"
        for split in splits
        for language in languages
        for kind in ("bin", "idx")
    ]
    return tuple(folder / name for name in (*dictionaries, *data))


def binarise(
    pieces: Path,
    folder: Path,
    languages: tuple[str, str],
    splits: Sequence[str],
    *,
    dictionary: Path,
    workers: int,
    log: Path,
) -> dict[str, int]:
    """Run ``fairseq-preprocess`` on ``pieces/{split}.{language}``; returns lines and symbols.

    Both languages share ``dictionary``.
    """
    prefixes = [part for split in splits for part in (f"--{split}pref", f"{pieces}/{split}")]
    with staged(folder) as part:
        run_logged(
            "fairseq-preprocess",
            [
                *("--source-lang", languages[0], "--target-lang", languages[1]),
                *prefixes,
                *("--destdir", str(part), "--joined-dictionary", "--srcdict", str(dictionary)),
                *("--workers", str(workers)),
            ],
            log,
            filling=part,
        )
        # fairseq's own log names the temporary folder; ours has the same lines.
        (part / "preprocess.log").unlink(missing_ok=True)
        files = [pieces / f"{split}.{language}" for split in splits for language in languages]
        return {
            "lines": sum(map(count_lines, files)),
            "dictionary": count_lines(part / f"dict.{languages[0]}.txt"),
        }
