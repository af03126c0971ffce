"""Write the tables in these pages that repeat what the code says (``make docs-tables``).

A table stands between ``<!-- table NAME: ... -->`` and ``<!-- end of table -->``; NAME is a key of
`TABLES`. ``tests/test_docs.py`` compares every one with the code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))  # this tree, whatever is installed

BLOCK = re.compile(
    r"(?P<begin><!-- table (?P<name>[\w-]+)\b[^>]*-->\n).*?(?P<end><!-- end of table -->)", re.S
)


def options() -> str:
    """Return the options of the task: flag, default, meaning."""
    from autoassist_fairseq.plugin.options import AutoAssistTranslationConfig

    ours = [one for one in fields(AutoAssistTranslationConfig) if "autoassist_" in one.name]
    return _grid(
        ("option", "default", "meaning"),
        [
            (f"`--{one.name.replace('_', '-')}`", f"`{one.default}`", one.metadata["help"])
            for one in ours
        ],
    )


def metrics() -> str:
    """Return the metrics and what they mean."""
    from autoassist_fairseq.plugin.metrics import METRICS

    return _grid(("metric", "meaning"), [(f"`{name}`", text) for name, text in METRICS.items()])


def policies() -> str:
    """Return the policies and what each does."""
    from autoassist_fairseq.settings import POLICIES

    return _grid(("policy", "rule"), [(f"`{name}`", text) for name, text in POLICIES.items()])


def commands() -> str:
    """Return the commands of ``autoassist``, a line for each."""
    from autoassist_fairseq.__main__ import GROUPS

    return _grid(
        ("to", "command", "what it does"),
        [
            (group, f"`autoassist {name}`", command.summary)
            for group, entries in GROUPS.items()
            for name, command in entries.items()
        ],
    )


def downloads() -> str:
    """Return the files that data preparation may download."""
    from autoassist_fairseq.tools.dataprep.fetching import corpora

    every = [corpora.wmt14(version) for version in corpora.NEWS_COMMENTARY]
    every += [corpora.iwslt14(), corpora.multi30k()]
    return _grid(
        ("file", "bytes", "checksum", "who says so", "terms of use"),
        [
            (
                f"[{file.name}]({file.urls[0]})",
                f"{file.size:,}" if file.size else "recorded",
                f"`{file.checksum}`" if file.checksum else "recorded",
                file.evidence,
                f"[{file.licence}]({file.page})",
            )
            for file in dict.fromkeys(file for corpus in every for file in corpus.downloads)
        ],
    )


TABLES: dict[str, Callable[[], str]] = {
    "options": options,
    "metrics": metrics,
    "policies": policies,
    "commands": commands,
    "downloads": downloads,
}


def _grid(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(text: str) -> dict[str, str]:
    """Return the tables in a page by name."""
    return {
        found["name"]: found[0][len(found["begin"]) : -len(found["end"])].strip()
        for found in BLOCK.finditer(text)
    }


def rewritten(text: str) -> str:
    """Return a page with its tables as the code has them."""
    return BLOCK.sub(
        lambda found: f"{found['begin']}\n{TABLES[found['name']]()}\n\n{found['end']}", text
    )


def main() -> None:
    """Rewrite the pages; name those that changed."""
    for page in sorted(DOCS.rglob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = rewritten(old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(page)


if __name__ == "__main__":
    main()
