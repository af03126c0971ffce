"""`prepare --drop-wrong-pairs`: training text alone, every pair accounted for, resumable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prepared import use_fake_preprocess

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.command import main
from autoassist_fairseq.tools.demo_corpus.build import build
from autoassist_fairseq.tools.noise.command import spoil
from autoassist_fairseq.tools.noise.kinds import Text


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def write(folder: Path) -> set[str]:
    """Raw text whose every fifth training pair is shuffled, validation too; return the targets."""
    bad: set[str] = set()
    for split, size in (("train", 1_500), ("valid", 50)):
        pairs = build(seed=5, sizes={split: size})[split]
        text = Text([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        spoiled = spoil(text, {"shuffle": 0.2}, 1)
        for name, side in (("en", spoiled.source), ("de", spoiled.target)):
            (folder / f"{split}.{name}").write_text("".join(f"{line}\n" for line in side))
        both = zip(spoiled.source, spoiled.target, spoiled.flags, strict=True)
        bad |= {f"{source}\t{target}" for source, target, flag in both if flag}
    return bad


@pytest.mark.slow
@pytest.mark.parametrize("track", ["raw", "moses"])
def test_wrong_pairs_are_dropped_and_listed(
    track: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_fake_preprocess(monkeypatch)
    bad, out = write(tmp_path), tmp_path / "out"
    files = [f"{tmp_path}/{name}" for name in ("train.en", "train.de", "valid.en", "valid.de")]
    words = ["corpus", "--source-lang", "en", "--target-lang", "de", "--train", *files[:2]]
    words += ["--valid", *files[2:], "--out", f"{out}", "--vocab-size", "200", "--workers", "1"]
    words += ["--track", track]
    assert main([*words, "--drop-wrong-pairs"]) == 0
    cleaned = list(
        zip(*(lines(out / f"cleaned/text/train.{n}") for n in ("en", "de")), strict=True)
    )
    kept = list(zip(*(lines(out / f"text/train.{n}") for n in ("en", "de")), strict=True))
    rows = [line.split("\t") for line in lines(out / "cleaned/dropped.tsv")]
    assert rows[0] == ["line", "posterior", "kind", "source", "target"]
    numbers = [int(row[0]) - 1 for row in rows[1:]]
    assert [tuple(row[3:]) for row in rows[1:]] == [cleaned[number] for number in numbers]
    assert kept == [pair for at, pair in enumerate(cleaned) if at not in {*numbers}]
    found = sum("\t".join(row[3:]) in bad for row in rows[1:])
    assert found > 0.8 * len(numbers) and found > 150
    assert lines(out / "text/valid.de") == lines(tmp_path / "valid.de"), "valid loses nothing"
    if track == "moses":
        assert len(lines(out / "tokens/train.en")) == len(kept)
    steps = {s["name"]: s for s in json.loads((out / "manifest.json").read_text())["steps"]}
    counts = steps["wrong-pairs"]["counts"]
    assert (counts["in"], counts["out"]) == (len(cleaned), len(kept))
    kinds = [row[2] for row in rows[1:]]
    assert {kind: n for kind, n in counts["kinds"].items() if n} == {
        k: kinds.count(k) for k in kinds
    }

    capsys.readouterr()
    main([*words, "--drop-wrong-pairs"])
    assert capsys.readouterr().err.count("done before, skipped") == len(steps)
    main([*words, "--drop-wrong-pairs", "--sure", "0.99"])
    told = capsys.readouterr().err
    assert "text-train: done before" in told and "wrong-pairs ..." in told
    assert len(lines(out / "cleaned/dropped.tsv")) < len(rows)
    main(words)
    assert (
        list(zip(lines(out / "text/train.en"), lines(out / "text/train.de"), strict=True))
        == cleaned
    )
    assert not [path for path in (out / "cleaned").rglob("*") if path.is_file()]


def test_sure_is_checked(tmp_path: Path) -> None:
    write(tmp_path)
    files = [f"{tmp_path}/train.en", f"{tmp_path}/train.de"]
    words = ["--train", *files, "--valid-every", "9", "--out", f"{tmp_path}/o", "--sure", "1.5"]
    with pytest.raises(UserError, match=r"`--sure` must be in \[0, 1\), but is 1.5"):
        main(["corpus", "--source-lang", "en", "--target-lang", "de", *words])
    assert not (tmp_path / "o").exists()
