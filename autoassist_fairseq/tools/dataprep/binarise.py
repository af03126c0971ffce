"""The step into fairseq: pieces in, binarised splits and one joined dictionary out."""

from __future__ import annotations

import shutil
import tempfile
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
    scratch: Path | None = None,
) -> dict[str, int]:
    """Run ``fairseq-preprocess`` on ``pieces/{split}.{language}``; returns lines and symbols.

    Both languages share ``dictionary``; ``scratch`` is as for `clean_training_text`.
    """
    prefixes = [part for split in splits for part in (f"--{split}pref", f"{pieces}/{split}")]
    with tempfile.TemporaryDirectory(dir=scratch) as name, staged(folder) as part:
        # fairseq's workers outlive a run that is killed: they must not write into the next one's.
        made = Path(name) / folder.name
        run_logged(
            "fairseq-preprocess",
            [
                *("--source-lang", languages[0], "--target-lang", languages[1]),
                *prefixes,
                *("--destdir", str(made), "--joined-dictionary", "--srcdict", str(dictionary)),
                *("--workers", str(workers)),
            ],
            log,
            filling=made,
        )
        # fairseq's own log names the temporary folder; ours has the same lines.
        (made / "preprocess.log").unlink(missing_ok=True)
        shutil.move(made, part)
        files = [pieces / f"{split}.{language}" for split in splits for language in languages]
        return {
            "lines": sum(map(count_lines, files)),
            "dictionary": count_lines(part / f"dict.{languages[0]}.txt"),
        }
