"""Paths that the system refuses to look at: one sentence, from whichever command."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoassist_fairseq.__main__ import main
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.pipeline import prepare
from autoassist_fairseq.tools.dataprep.settings import PrepSettings

pytestmark = pytest.mark.slow  # loads compiled loops
LONG = "x" * 300
CORPUS = "prepare corpus --source-lang en --target-lang de --valid a.en a.de"


@pytest.mark.parametrize(
    "command",
    [
        f"{CORPUS} --train a.en a.de --out {LONG}",
        f"{CORPUS} --train {LONG} a.de --out out",
        f"prepare multi30k --out {LONG}",
        f"prepare multi30k --from {LONG} --out out",
        f"find-wrong-pairs {LONG} a.de --out out",
        f"find-wrong-pairs a.en a.de --out {LONG}",
        f"noise a.en a.de --out {LONG}",
        f"synthetic-corpus --pairs 5 --out {LONG}",
        f"train base {LONG}",
        f"compare --data . --out {LONG} --arms off --budget tokens=9",
        f"pack --out {LONG}",
        f"demo --out {LONG}",
    ],
)
def test_a_name_that_is_too_long(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "a.de"):
        Path(name).write_text("".join(f"{name} {line}\n" for line in range(5)))
    said = f"could not be read or written at ({tmp_path}/)?x+.*: File name too long"
    with pytest.raises(UserError, match=said):
        main(command.split())
    assert {path.name for path in tmp_path.iterdir()} == {"a.en", "a.de"}


def test_a_name_that_is_too_long_in_a_call() -> None:
    with pytest.raises(UserError, match="File name too long"):
        prepare(PrepSettings(("en", "de"), {}, Path(LONG)))
