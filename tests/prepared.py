"""What the tests of data preparation share: a stand-in for ``fairseq-preprocess``."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoassist_fairseq.tools.dataprep import binarise


def use_fake_preprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the seconds that fairseq takes to start."""
    monkeypatch.setattr(binarise, "run_logged", _fake_preprocess)


def _fake_preprocess(name: str, options: list[str], log: Path, **_: object) -> None:
    """Leave the files that ``fairseq-preprocess`` would leave."""
    assert name == "fairseq-preprocess"
    assert "--joined-dictionary" in options
    given = dict(zip(options, options[1:], strict=False))
    languages = given["--source-lang"], given["--target-lang"]
    prefixes = {"train": "--trainpref", "valid": "--validpref", "test": "--testpref"}
    splits = [split for split, option in prefixes.items() if option in given]
    for split in splits:
        for language in languages:
            assert Path(f"{given[prefixes[split]]}.{language}").is_file()
    folder = Path(given["--destdir"])
    folder.mkdir(parents=True)
    for path in binarise.outputs(folder, languages, splits):
        path.write_text("x 1\n")
    (folder / "preprocess.log").touch()
