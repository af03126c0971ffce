"""The report as one HTML page that needs no other file, and as Markdown beside its figures."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from autoassist_fairseq.tools.report import table
from autoassist_fairseq.tools.report.figures import Figure
from autoassist_fairseq.tools.report.keeping import Keeping
from autoassist_fairseq.tools.report.run import Run
from autoassist_fairseq.tools.report.verdicts import Verdict

TITLE = "AutoAssist: cost and quality of {} run{}"
# What Markdown gives a meaning inside a line, beside what HTML does.
Row = Sequence[str]
_MARKS = re.compile(r"([\\`*_\[\]#|~$])")


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    Attributes:
        runs: the first one is what the others are compared with.
        figures: in the order of the page.
        keepings: of the runs whose Assistant could be asked.
        verdicts: of the runs that looked for hopeless pairs.
        missing: (run's name, sentence) on what is not there.
    """

    runs: Sequence[Run]
    figures: Sequence[Figure]
    keepings: Sequence[Keeping]
    verdicts: Sequence[Verdict]
    missing: Sequence[tuple[str, str]]

    @property
    def title(self) -> str:
        """For people."""
        return TITLE.format(len(self.runs), "s" * (len(self.runs) != 1))


@dataclass(frozen=True)
class Page:
    """What a page of results is made of, whatever they are of.

    Attributes:
        title: of the whole.
        heading, header, rows, note: the table, its first two columns of words.
        figures: below it, in order.
        listed: title, sentence, header and rows of further tables: a number, and words.
        missing: (name, sentence) on what is not there.
        links: (sentence, address, what is there) of other pages.
    """

    title: str
    heading: str
    header: Row
    rows: Sequence[Row]
    note: str
    figures: Sequence[Figure]
    listed: Sequence[tuple[str, str, Row, list[Row]]] = ()
    missing: Sequence[tuple[str, str]] = ()
    links: Sequence[tuple[str, str, str]] = ()


def page_of(report: Report) -> Page:
    """Return the page that shows ``report``."""
    return Page(
        report.title,
        "Cost and quality (Table 2 of the paper)",
        table.HEADER,
        table.rows(report.runs),
        table.note(report.runs),
        report.figures,
        list(_listed(report)),
        report.missing,
    )


def as_html(page: Report | Page) -> str:
    """Return the page; figures are embedded, and all text is escaped."""
    page = page_of(page) if isinstance(page, Report) else page
    loader = PackageLoader("autoassist_fairseq.tools.report", ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    figures = [
        {**asdict(figure), "data": [_base64(path) for path in figure.paths]}
        for figure in page.figures
    ]
    return environment.get_template("page.html").render({**vars(page), "figures": figures})


def _listed(report: Report) -> Iterator[tuple[str, str, Row, list[Row]]]:
    """Yield title, sentence, header and rows of every table of pairs."""
    rows: list[Row]
    for one in report.keepings:
        rows = [(f"{e.keep:.1%}", e.source, e.target) for e in one.examples]
        yield f"Skipped most: {one.run}", one.sentence, ("kept", "source", "target"), rows
    for found in report.verdicts:
        header = ("kind", "by text", "surprise", "source", "target")
        rows = [
            (e.kind, _known(e.chance), _known(e.surprise), e.source, e.target)
            for e in found.examples
        ]
        yield f"Hopeless: {found.run}", found.sentence, header, rows


def _known(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.2f}"


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def as_markdown(page: Report | Page) -> str:
    """Return the page as Markdown; its figures lie beside it."""
    page = page_of(page) if isinstance(page, Report) else page
    parts = [f"# {escape(page.title)}"]
    if page.missing:
        lines = [f"- **{escape(name)}:** {escape(sentence)}" for name, sentence in page.missing]
        parts += ["**This report is partial.**", "\n".join(lines)]
    parts += [
        f"## {escape(page.heading)}",
        _table(page.header, page.rows, (0, 1)),
        escape(page.note),
        *(f"{escape(said)} [{escape(name)}]({to})" for said, to, name in page.links),
    ]
    for figure in page.figures:
        caption = escape(figure.caption)
        pictures = "\n".join(f"![{caption}]({path.name})" for path in figure.paths)
        parts += [f"## {escape(figure.title)}", pictures, caption]
    for title, sentence, header, rows in page.listed:
        words = len(header) - 2, len(header) - 1
        parts += [f"## {escape(title)}", sentence, _table(header, rows, words)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return ``text`` such that Markdown and HTML show it as it is, on one line."""
    return _MARKS.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _table(header: Row, rows: Sequence[Row], words: Sequence[int]) -> str:
    return table.grid([[escape(cell) for cell in line] for line in (header, *rows)], words)
