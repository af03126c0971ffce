"""README and pages: links lead somewhere, tables say what the code says, the site can be made."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from doc_tables import TABLES, written

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
TOLD = {name: table for page in PAGES for name, table in written(page.read_text("utf-8")).items()}
FENCED = re.compile(r"^```.*?^```", re.S | re.M)
NEEDS_FAIRSEQ = {"options", "metrics"}


def prose(text: str) -> str:
    """A page without its code, in which brackets are no links and `#` no headings."""
    return re.sub(r"`[^`\n]*`", "", FENCED.sub("", text))


def anchors(text: str) -> set[str]:
    """What a link may name behind `#`: headings, as GitHub and MyST spell them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", FENCED.sub("", text), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: Path) -> list[str]:
    """The relative links of a page."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8")))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """The relative links of a page that lead nowhere; of a page in docs/, out of it, too."""
    bad = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        shown = page.parent == root or target.is_relative_to(root / "docs")
        there = shown and target.is_file()
        if not there or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            bad.append(link)
    return bad


def test_links_lead_somewhere() -> None:
    assert len(PAGES) > 25
    found = {str(page.relative_to(ROOT)): broken(page) for page in PAGES}
    assert {page: bad for page, bad in found.items() if bad} == {}


def test_every_page_is_found_from_the_readme() -> None:
    to_read, seen = [ROOT / "README.md"], set[Path]()
    while to_read:
        page = to_read.pop()
        seen.add(page)
        near = {(page.parent / link.split("#")[0]).resolve() for link in links(page)}
        to_read += [one for one in near if one in PAGES and one not in seen]
    assert sorted(seen) == PAGES


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "a.md"
    page.parent.mkdir()
    (tmp_path / "setup.py").touch()
    page.write_text(
        "# A\n`[no](x.md)` [a](b.md) [b](#a) [c](#c) [d](https://x.y/z) [e](../setup.py)\n"
        "```\n# c\n```\n"
    )
    assert broken(page, tmp_path) == ["b.md", "#c", "../setup.py"]
    assert anchors("# A b: `c`, d\n## A\n# a") == {"a-b-c-d", "a", "a-1"}


def test_the_readme_is_read_in_two_minutes() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_every_table_stands_in_a_page() -> None:
    assert set(TOLD) == set(TABLES)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in NEEDS_FAIRSEQ)) for name in TABLES],
)
def test_a_table_says_what_the_code_says(name: str) -> None:
    assert TOLD[name] == TABLES[name](), "run `make docs-tables`"


@pytest.mark.slow
def test_every_metric_is_in_the_table() -> None:
    from autoassist_fairseq.plugin.metrics import METRICS

    code = "".join(
        path.read_text("utf-8") for path in (ROOT / "autoassist_fairseq/plugin").glob("*.py")
    )
    assert set(re.findall(r'"(aa_\w+)", ', code)) == set(METRICS)


@pytest.mark.slow
def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("Sphinx is not installed: `make docs` installs it")
    flags = ["--quiet", "--fail-on-warning", "--keep-going", "--nitpicky"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            *flags,
            "-d",
            tmp_path / "trees",
            "docs",
            tmp_path / "site",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Several GPUs" in (tmp_path / "site" / "several-gpus.html").read_text("utf-8")
