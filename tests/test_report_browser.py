"""The page in a real browser, at the width of a desktop and of a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import alone
from report_runs import plain_run, shrunk_run, write_checkpoint, write_data

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.tools.report import command
from autoassist_fairseq.tools.report.corpus import read_text

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing (apt-get install chromium)"),
]
# Asks the page, in a frame as wide as a screen, what it looks like; the answer becomes the title.
ASK = """<iframe id="page" style="width:{width}px;height:3000px;border:0" srcdoc="{page}"></iframe>
<script>onload = () => {{
  const page = document.getElementById("page").contentDocument, root = page.documentElement;
  const right = e => Math.round(e.getBoundingClientRect().right);
  const all = name => [...page.querySelectorAll(name)];
  document.title = JSON.stringify({{
    scroll: root.scrollWidth,
    images: all("img").map(e => [e.naturalWidth, right(e), e.clientWidth]),
    scripts: all("script").length, pairs: all("table.pairs td").map(right),
    cells: all("table.pairs td").map(e => e.textContent),
  }});
}}</script>"""


def seen(tmp_path: Path, page: str, width: int) -> dict[str, Any]:
    """Return what a browser says of the page at ``width`` pixels."""
    outer = tmp_path / f"{width}.html"
    outer.write_text(ASK.format(width=width, page=html.escape(page)), encoding="utf-8")
    profile = tmp_path / f"profile-{width}"
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", outer.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-2000:]
    return dict(json.loads(html.unescape(title[1])))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    tmp_path = tmp_path_factory.mktemp("page")
    long = "Donaudampfschifffahrtsgesellschaft" * 6
    lines = [f"<script>document.title='run'</script> {long} {n}" for n in range(30)]
    data = write_data(tmp_path / "data", lines, lines)
    assistant = Assistant(read_text(data).corpus, alone(features=("tokens",)), 1e4)
    assistant.learn(np.arange(30), np.linspace(1, 2, 30, dtype=np.float32))
    run = shrunk_run(tmp_path / "a-run-with-a-rather-long-name-for-a-narrow-table")
    write_checkpoint(run, data, assistant.state_dict(), features=["tokens"])
    words = [plain_run(tmp_path / "SGD"), run, "--data", data, "--out", tmp_path / "report"]
    assert command.main([str(word) for word in words]) == 0
    return (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_sticks_out_and_every_picture_is_there(
    page: str, tmp_path: Path, width: int
) -> None:
    found = seen(tmp_path, page, width)
    assert found["scroll"] <= width
    assert found["scripts"] == 0
    images = found["images"]
    assert len(images) == 8
    for natural, right, shown in images:
        assert natural > 500 and right <= width
        assert shown > 280  # legible on a phone: one panel beneath the other
    pairs = found["pairs"]
    assert pairs and max(pairs) <= width
    assert "<script>document.title='run'</script>" in str(found["cells"])
