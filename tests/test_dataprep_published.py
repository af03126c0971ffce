"""Published corpora end to end, from a server on loopback with small archives of their layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import archives
import pytest
from mirror import Mirror, serving
from prepared import use_fake_preprocess

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.command import main
from autoassist_fairseq.tools.dataprep.fetching import corpora
from autoassist_fairseq.tools.dataprep.fetching.fetch import Lock
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus
from autoassist_fairseq.tools.demo_corpus.build import build

Texts = Mapping[str, list[tuple[str, str]]]
OPTIONS = ("--workers", "1", "--timeout", "1", "--tries", "1")


@pytest.fixture(scope="module")
def texts() -> Texts:
    sizes = {"europarl": 120, "crawl": 100, "news": 80, "valid": 20, "test": 20}
    return build(seed=7, sizes=sizes)  # type: ignore[return-value]


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    use_fake_preprocess(monkeypatch)
    with serving() as mirror:
        yield mirror


Serve = Callable[..., None]


@pytest.fixture
def serve(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Make small archives pass for the published ones."""

    def serve(name: str, files: Mapping[str, bytes], *, checked: bool = True) -> None:
        mirror.files |= files
        real: Callable[..., Corpus] = getattr(corpora, name)

        def small(*version: int) -> Corpus:
            return archives.published(real(*version), files, mirror.url, checked=checked)

        monkeypatch.setattr(corpora, name, small)
        monkeypatch.setitem(corpora.CORPORA, name, small)

    return serve


def prepare(tmp_path: Path, corpus: str, *more: str) -> Path:
    out = tmp_path / "out"
    assert main([corpus, "--out", str(out), "--vocab-size", "300", *OPTIONS, *more]) == 0
    return out


def manifest(out: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((out / "manifest.json").read_text("utf-8"))
    return {step["name"]: step for step in content["steps"]}


def text(out: Path, name: str) -> list[str]:
    return (out / "text" / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_wmt14_from_its_archives(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve, version: int
) -> None:
    serve("wmt14", archives.wmt14(version, texts))
    more = [] if version == 9 else ["--news-commentary", str(version)]  # 9 is the default
    out = prepare(tmp_path, "wmt14", *more)
    steps = manifest(out)
    counts = steps["text-train"]["counts"]
    assert {name: source["in"] for name, source in counts["sources"].items()} == {
        "europarl-v7": 120,
        "commoncrawl": 100,
        f"news-commentary-v{version}": 80,
    }
    expected = [pair for part in ("europarl", "crawl", "news") for pair in texts[part]]
    assert text(out, "train.en") == [pair[0] for pair in expected]
    assert text(out, "train.de") == [pair[1] for pair in expected]
    assert text(out, "valid.de") == [pair[1] for pair in texts["valid"]]
    assert text(out, "test.en") == [pair[0] for pair in texts["test"]]
    assert steps["fetch-test-full.tgz"]["counts"]["url"] == f"{mirror.url}/test-full.tgz"


def test_a_rerun_fetches_nothing_and_skips_all(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("wmt14", archives.wmt14(9, texts))
    prepare(tmp_path, "wmt14")
    asked = len(mirror.asked)
    assert asked == 5
    capsys.readouterr()
    prepare(tmp_path, "wmt14")
    assert len(mirror.asked) == asked
    assert "..." not in capsys.readouterr().err


@pytest.mark.slow
def test_iwslt14_has_the_customary_splits(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve
) -> None:
    train = [(german, english) for english, german in texts["europarl"]]
    names = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
    tests = {name: (f"Das ist Rede {name}, ja.", f"This is talk {name}, yes.") for name in names}
    serve("iwslt14", {"de-en.tgz": archives.iwslt14(train, tests)}, checked=False)
    out = prepare(tmp_path, "iwslt14", "--max-ratio", "99")
    everything = text(out, "train.de")
    held_out = text(out, "valid.de")
    assert len(held_out) == 120 // 23
    for place, line in enumerate(held_out, start=1):
        everything.insert(23 * place - 1, line)
    assert everything == [german for german, _ in train]
    assert text(out, "test.en") == [english for _, english in tests.values()]
    # Moses' tokens, lower case, are what subwords are made of.
    tokens = (out / "tokens" / "test.en").read_text("utf-8").splitlines()
    assert tokens[0] == "this is talk ted.dev2010 , yes ."
    pieces = (out / "pieces" / "test.en").read_text("utf-8").splitlines()
    assert [line.replace("@@ ", "") for line in pieces] == tokens
    lock = json.loads((out / "downloads" / "downloads.lock.json").read_text("utf-8"))["files"]
    assert lock["de-en.tgz"]["sha256"]


def test_a_damaged_lock_file_is_not_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    for content in ('{"format": 1, "fi', "{}"):
        path.write_text(content)
        with pytest.raises(UserError, match="`--lock` .* cannot be read as one"):
            Lock(path).objection(corpora.DEV, path)
        assert path.read_text() == content


@pytest.mark.slow
def test_the_lock_file_is_for_every_later_download(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve
) -> None:
    pairs = [(german, english) for english, german in texts["europarl"]]
    names = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
    tests = dict.fromkeys(names, ("Ja.", "Yes."))
    serve("iwslt14", {"de-en.tgz": archives.iwslt14(pairs, tests)}, checked=False)
    lock = str(tmp_path / "lock.json")
    prepare(tmp_path / "first", "iwslt14", "--lock", lock)
    mirror.files["de-en.tgz"] = archives.iwslt14(pairs[1:], tests)
    told = (
        r"it must have the checksum sha256:.*recorded in .*lock\.json.*: `--accept-changed` takes"
    )
    with pytest.raises(UserError, match=told):
        prepare(tmp_path / "second", "iwslt14", "--lock", lock)
    # What was fetched without this lock file is compared with it as well.
    prepare(tmp_path / "third", "iwslt14")
    with pytest.raises(UserError, match=r"must have the checksum .* \(recorded in .*lock\.json\)"):
        prepare(tmp_path / "third", "iwslt14", "--lock", lock)
    prepare(tmp_path / "third", "iwslt14", "--lock", lock, "--accept-changed")
    prepare(tmp_path / "third", "iwslt14", "--lock", lock)


@pytest.mark.parametrize(
    ("bad", "told"),
    [(b"<html>Log in</html>" * 99, "is damaged"), (archives.tar({"x": "y"}), "must hold de-en/")],
    ids=["a page", "another archive"],  # that of its bytes, which tell the time, is never the same
)
def test_a_bad_first_download_is_not_what_later_ones_are_held_to(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve, bad: bytes, told: str
) -> None:
    names = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
    good = archives.iwslt14(
        [(german, english) for english, german in texts["europarl"]],
        dict.fromkeys(names, ("Ja.", "Yes.")),
    )
    serve("iwslt14", {"de-en.tgz": good}, checked=False)
    found, lock = tmp_path / "found" / "de-en.tgz", tmp_path / "lock.json"
    archives.write_files(found.parent, {found.name: bad})
    mirror.files["de-en.tgz"] = bad
    for more in ([], ["--from", str(found.parent)], ["--downloads", str(found.parent)]):
        with pytest.raises(UserError, match=told):
            prepare(tmp_path, "iwslt14", "--lock", str(lock), *more)
        assert not lock.exists()
    assert found.read_bytes() == bad  # the user's own file stays
    mirror.files["de-en.tgz"] = good
    prepare(tmp_path, "iwslt14", "--lock", str(lock))
    assert (tmp_path / "out" / "downloads" / "de-en.tgz").read_bytes() == good
    assert json.loads(lock.read_text())["files"]["de-en.tgz"]["size"] == len(good)


@pytest.mark.slow
def test_multi30k_is_fetched_or_found(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve
) -> None:
    splits = {"train": texts["europarl"], "valid": texts["valid"], "test": texts["test"]}
    files = archives.multi30k(splits)
    serve("multi30k", files)
    out = prepare(tmp_path, "multi30k")
    assert text(out, "test.de") == [pair[1] for pair in texts["test"]]
    assert not (out / "downloads" / "downloads.lock.json").exists()  # the table knows it all
    asked = len(mirror.asked)
    found = archives.write_files(tmp_path / "here", files)
    prepare(tmp_path / "two", "multi30k", "--from", str(found))
    assert len(mirror.asked) == asked
    (found / "val.de.gz").write_bytes(files["train.de.gz"])
    with pytest.raises(UserError, match=r"here/val\.de\.gz must have the checksum .* `--accept-ch"):
        prepare(tmp_path / "three", "multi30k", "--from", str(found))


def test_a_garbled_file_is_taken_from_the_next_place(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve
) -> None:
    files = archives.wmt14(9, texts)
    serve("wmt14", files)
    mirror.files |= {f"near/{name}": content for name, content in files.items()}
    mirror.answer("near/dev.tgz", ("garble", 30))
    mirror.answer("near/test-full.tgz", ("status", 404))
    out = prepare(tmp_path, "wmt14", "--mirror", f"{mirror.url}/near/")
    places = [path for path in mirror.asked if "dev" in path or "test" in path]
    assert places == ["near/dev.tgz", "dev.tgz", "near/test-full.tgz", "test-full.tgz"]
    assert text(out, "valid.de") == [pair[1] for pair in texts["valid"]]


def test_a_file_that_nobody_has_right_names_every_place(
    tmp_path: Path, texts: Texts, mirror: Mirror, serve: Serve
) -> None:
    serve("wmt14", archives.wmt14(9, texts))
    mirror.answer("training-parallel-europarl-v7.tgz", ("garble", 30))
    with pytest.raises(UserError) as error:
        prepare(tmp_path, "wmt14", "--mirror", f"{mirror.url}/near")
    message = str(error.value)
    assert (
        f"{mirror.url}/near/training-parallel-europarl-v7.tgz: 404 Client Error: Not Found"
        in message
    )
    assert (
        f"{mirror.url}/training-parallel-europarl-v7.tgz: it must have the checksum sha256:"
        in message
    )
    assert "give another place with `--mirror`" in message
    # The file that was wrong is not there: the next run may find a right one.
    assert not list((tmp_path / "out" / "downloads").glob("*europarl*"))
    prepare(tmp_path, "wmt14")


def test_archives_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, texts: Texts, mirror: Mirror
) -> None:
    folder = archives.write_files(tmp_path / "here", archives.wmt14(9, texts))
    with pytest.raises(
        UserError, match="must have the checksum sha256:0224c7c7.*TensorFlow Datasets"
    ):
        prepare(tmp_path, "wmt14", "--from", str(folder))
    out = prepare(tmp_path, "wmt14", "--from", str(folder), "--accept-changed")
    assert len(text(out, "train.de")) == 300


def test_missing_archives_are_all_named(tmp_path: Path, texts: Texts) -> None:
    folder = archives.write_files(tmp_path / "here", archives.wmt14(9, texts))
    (folder / "dev.tgz").unlink()
    with pytest.raises(UserError, match="must hold .* but .*nc-v12.tgz, .*dev.tgz is not there"):
        prepare(tmp_path, "wmt14", "--from", str(folder), "--news-commentary", "12")
    with pytest.raises(UserError, match="`--from` must be a folder"):
        prepare(tmp_path, "wmt14", "--from", str(folder / "dev.tgz"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--mirror", "ftp://x"], "`--mirror` must be an http or https URL, but is 'ftp://x'"),
        (["--timeout", "0", "--tries", "0"], "`--timeout` must be over 0.*`--tries` must be at"),
        (["--vocab-size", "1", "--from", "nowhere"], "`--vocab-size` .* 1; `--from` .* nowhere is"),
        (["--vocab-size", "1"], "`--vocab-size` must be at least 4, but is 1"),
    ],
)
def test_bad_options_fetch_nothing(tmp_path: Path, options: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        prepare(tmp_path, "wmt14", *options)
    assert not (tmp_path / "out").exists()
