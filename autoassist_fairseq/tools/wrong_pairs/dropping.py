"""Training text without the pairs that are no translations, and these in a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoassist_fairseq.assistant.wrong.text_judge import KINDS
from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.dataprep.columns import Columns, column_files, read_columns, write_row
from autoassist_fairseq.tools.wrong_pairs.finding import Tally, find
from autoassist_fairseq.tools.wrong_pairs.text_files import TextFiles

HEADER = ("line", "posterior", "kind", "source", "target")


def drop(cleaned: Columns, kept: Columns, dropped: Path, sure: float) -> dict[str, Any]:
    """Write the rows of ``cleaned`` to ``kept``, but for wrong pairs, which ``dropped`` lists.

    Args:
        cleaned: source, target, and what else belongs to each pair.
        kept: as many files.
        dropped: tab-separated values; their lines are those of ``cleaned``, from 1.
        sure: see `find`.

    Returns:
        Pairs in and out, and dropped by kind.
    """
    tally, rows = Tally(), read_columns(cleaned)
    with (
        column_files(kept) as files,
        staged(dropped) as part,
        part.open("w", encoding="utf-8") as out,
    ):
        out.write("\t".join(HEADER) + "\n")
        for found in find(TextFiles(cleaned[0], cleaned[1]).corpus(), sure):
            tally.add(found)
            for at, row in zip(range(len(found.pairs)), rows, strict=False):
                if found.wrong[at]:
                    kind, posterior = KINDS[found.about.kind[at]], found.about.posterior[at]
                    text = (" ".join(side.split("\t")) for side in row[:2])
                    out.write(
                        "\t".join([str(found.pairs[at] + 1), f"{posterior:.4f}", kind, *text])
                        + "\n"
                    )
                else:
                    write_row(row, files)
    return {"in": tally.pairs, "out": tally.pairs - tally.wrong, "kinds": tally.counts}
