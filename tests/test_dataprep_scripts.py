"""The scripts of ``data-prep/``, from the shell to what fairseq reads."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import archives
import pytest

from autoassist_fairseq.tools.common.files import sha256
from autoassist_fairseq.tools.demo_corpus.build import build

ROOT = Path(__file__).resolve().parents[1]
MULTI30K = ROOT.parent / "shared" / "data" / "multi30k"


def test_the_python_that_is_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "python3.x"
    fake.write_text("#!/bin/sh\necho mine $*\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name in ("python3.x", str(fake)):
        monkeypatch.setenv("PYTHON", name)
        assert run("prepare_corpus.sh").stdout == "mine -m autoassist_fairseq prepare corpus\n"
    for name in ("python3.y", str(tmp_path / "gone")):
        monkeypatch.setenv("PYTHON", name)
        done = run("prepare_corpus.sh")
        said = f"error: `PYTHON` must name a Python, but {name} is not found; give its path.\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "data-prep" / script), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(not MULTI30K.is_dir(), reason=f"no Multi30k in {MULTI30K}")
def test_multi30k(tmp_path: Path) -> None:
    out = tmp_path / "out"
    lock = tmp_path / "lock.json"
    arguments = ("--from", str(MULTI30K), "--out", str(out), "--lock", str(lock))
    first, second = (run("prepare_multi30k.sh", *arguments) for _ in range(2))
    assert first.stdout == second.stdout == f"{out / 'bin'}\n", first.stderr
    assert " ...\n" not in second.stderr  # all steps were skipped
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    counts = {step["name"]: step["counts"] for step in manifest["steps"]}
    # Three of Multi30k's 29,000 training pairs stand in it twice (counted with sort | uniq -d).
    rules = ("undecodable", "empty", "length", "ratio", "copy", "language", "near-duplicate")
    train = dict.fromkeys(rules, 0)
    train |= {"in": 29_000, "duplicate": 3, "out": 28_997}
    assert counts["text-train"] == {**train, "sources": {"train": train}}
    assert (counts["text-valid"]["out"], counts["text-test"]["out"]) == (1_014, 1_000)
    dictionaries = [out / "bin" / f"dict.{name}.txt" for name in ("en", "de")]
    assert sha256(dictionaries[0]) == sha256(dictionaries[1])


@pytest.mark.slow
def test_wmt14_on_the_moses_track(tmp_path: Path) -> None:
    sizes = {"europarl": 120, "crawl": 100, "news": 80, "valid": 20, "test": 20}
    files = archives.wmt14(12, build(seed=7, sizes=sizes))  # type: ignore[arg-type]
    folder = archives.write_files(tmp_path / "here", files)
    where = ("--from", str(folder), "--out", str(tmp_path / "out"))
    what = ("--news-commentary", "12", "--track", "moses", "--vocab-size", "200")
    lock = ("--lock", str(tmp_path / "lock.json"))
    refused = run("prepare_wmt14.sh", *where, *what, *lock)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    assert "must have the checksum sha256:" in refused.stderr
    assert "Traceback" not in refused.stderr
    taken = run("prepare_wmt14.sh", *where, *what, *lock, "--accept-changed")
    assert taken.stdout == f"{tmp_path / 'out' / 'bin'}\n", taken.stderr
    assert (tmp_path / "out" / "bin" / "test.en-de.de.idx").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("script", ["prepare_corpus.sh", "prepare_iwslt14.sh"])
def test_help(script: str, tmp_path: Path) -> None:
    link = tmp_path / script
    link.symlink_to(ROOT / "data-prep" / script)
    shown = run(str(link), "--help")
    assert shown.returncode == 0
    assert "--valid-every" in shown.stdout
