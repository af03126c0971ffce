"""Small archives with the names and the layout of the published ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download, Part


def tar(members: Mapping[str, str | bytes | tarfile.TarInfo]) -> bytes:
    """A gzipped tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
                continue
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def lines(words: Sequence[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def segments(texts: Sequence[str]) -> str:
    """A test set as WMT and IWSLT mark it up."""
    body = "".join(f'<seg id="{place}"> {text} </seg>\n' for place, text in enumerate(texts, 1))
    return (
        f'<refset setid="x" trglang="any">\n<doc docid="d">\n<p>\n{body}</p>\n</doc>\n</refset>\n'
    )


def talks(texts: Sequence[str]) -> str:
    """A training file of IWSLT: the first text is a title, the second a description."""
    head = "<url>http://www.ted.com/talks/x</url>\n<keywords>talks</keywords>\n"
    head += "<speaker>Somebody</speaker>\n<talkid>1</talkid>\n"
    wrapped = f"<title>{texts[0]}</title>\n<description>{texts[1]}</description>\n"
    return head + wrapped + lines(texts[2:])


def wmt14(version: int, texts: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, bytes]:
    """The files of WMT14 by name; ``texts`` by part: europarl, crawl, news, valid, test."""
    plain = {
        part: (lines([s for s, _ in p]), lines([t for _, t in p])) for part, p in texts.items()
    }
    news = {
        9: "training/news-commentary-v9",
        10: "news-commentary-v10",
        11: "training-parallel-nc-v11/news-commentary-v11",
        12: "training/news-commentary-v12",
    }[version]

    def bitext(stem: str, part: str) -> dict[str, str]:
        german, other = f"{stem}.de-en", f"{stem}.fr-en"
        return {
            f"{other}.fr": "autre\n",
            f"{other}.en": "other\n",
            f"{german}.de": plain[part][1],
            f"{german}.en": plain[part][0],
        }

    test = [[pair[side] for pair in texts["test"]] for side in (0, 1)]
    stem = "test-full/newstest2014-deen"
    return {
        "training-parallel-europarl-v7.tgz": tar(bitext("training/europarl-v7", "europarl")),
        "training-parallel-commoncrawl.tgz": tar(bitext("commoncrawl", "crawl")),
        f"training-parallel-nc-v{version}.tgz": tar(bitext(news, "news")),
        "dev.tgz": tar(
            {"dev/newstest2013.de": plain["valid"][1], "dev/newstest2013.en": plain["valid"][0]}
        ),
        "test-full.tgz": tar(
            {f"{stem}-src.en.sgm": segments(test[0]), f"{stem}-ref.de.sgm": segments(test[1])}
        ),
    }


def iwslt14(train: Sequence[tuple[str, str]], tests: Mapping[str, tuple[str, str]]) -> bytes:
    """``de-en.tgz``; pairs are German and English; a test set of one pair for each name."""
    members = {
        f"de-en/train.tags.de-en.{language}": talks([pair[side] for pair in train])
        for side, language in enumerate(("de", "en"))
    }
    for name, pair in tests.items():
        for side, language in enumerate(("de", "en")):
            members[f"de-en/IWSLT14.{name}.de-en.{language}.xml"] = segments([pair[side]])
    return tar(members)


def published(corpus: Corpus, files: Mapping[str, bytes], url: str, *, checked: bool) -> Corpus:
    """``corpus`` as if ``files`` were the published ones, at ``url``."""

    def there(download: Download) -> Download:
        content = files.get(download.name)
        if content is None:
            return download
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}" if checked else None
        return replace(download, urls=(f"{url}/{download.name}",), size=None, checksum=checksum)

    def moved(part: Part) -> Part:
        sides = [replace(side, download=there(side.download)) for side in part.sides]
        return replace(part, sides=(sides[0], sides[1]))

    return replace(corpus, parts=tuple(map(moved, corpus.parts)))


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def multi30k(texts: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, bytes]:
    """The files of Multi30k by name; ``texts`` by split."""
    stems = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
    return {
        f"{stem}.{language}.gz": gzip.compress(lines([p[side] for p in texts[split]]).encode())
        for split, stem in stems.items()
        for side, language in enumerate(("en", "de"))
    }
