"""The corpora that can be fetched, and the table of their downloads.

No figure here is made up or measured elsewhere in passing: each names the public source that it was
taken from. The archives themselves could not be reached when the table was written, except for
Multi30k, whose files were at hand. What nobody states is None: it is recorded at the first
download, in the lock file.
"""

from __future__ import annotations

from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download, Part, Side


def _wmt(path: str, size: int | None, checksum: str, evidence: str = "") -> Download:
    """A file of WMT's on statmt.org."""
    host = "data.statmt.org" if "/translation-task/" in path else "www.statmt.org"
    return Download(
        path.rpartition("/")[2],
        (f"https://{host}/{path}", f"http://{host}/{path}"),
        page="https://www.statmt.org/wmt14/translation-task.html",
        licence="free for research, cite the shared task",
        evidence=evidence or "TensorFlow Datasets 4.9.10, url_checksums",
        size=size,
        checksum=checksum,
    )


EUROPARL = _wmt(
    "wmt13/training-parallel-europarl-v7.tgz",
    657_632_379,
    "sha256:0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
)
COMMON_CRAWL = _wmt(
    "wmt13/training-parallel-commoncrawl.tgz",
    918_311_367,
    "sha256:c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
)
#: Versions of News Commentary: how the names of their German-English texts begin, and the archives.
NEWS_COMMENTARY = {
    9: (
        "training/news-commentary-v9",
        "wmt14/training-parallel-nc-v9.tgz",
        80_418_416,
        "sha256:cb8953f292298e6877ae433c98912b927cb0766b303f4540512ddd286c748485",
    ),
    10: (
        "news-commentary-v10",
        "wmt15/training-parallel-nc-v10.tgz",
        125_136_590,
        "sha256:11e053e7ea29e87e69a1ad05e61cb559820947ecec144ea8c1d6cf05017c9602",
    ),
    11: (
        "training-parallel-nc-v11/news-commentary-v11",
        "wmt16/translation-task/training-parallel-nc-v11.tgz",
        75_178_032,
        "sha256:cfe8ab047e05043476e498ee765c98e939c7b7d6d294e856344c84476b619d6a",
    ),
    12: (
        "training/news-commentary-v12",
        "wmt17/translation-task/training-parallel-nc-v12.tgz",
        168_591_139,
        "sha256:2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2",
    ),
}
DEV = _wmt(
    "wmt19/translation-task/dev.tgz",
    38_654_961,
    "sha256:7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7",
)
TEST_2014 = _wmt(
    "wmt14/test-full.tgz",
    None,
    "md5:a8cd784e006feb32ac6f3d9ec7eb389a",
    "sacreBLEU 2.6.0, sacrebleu/dataset",
)

#: The version of News Commentary that WMT14 itself gave out.
WMT14_NEWS_COMMENTARY = 9


def _sides(
    download: Download, source: str, target: str, markup: str = "plain"
) -> tuple[Side, Side]:
    return Side(download, source, markup), Side(download, target, markup)


def _bitext(download: Download, stem: str) -> tuple[Side, Side]:
    return _sides(download, f"{stem}.de-en.en", f"{stem}.de-en.de")


def wmt14(news_commentary: int = WMT14_NEWS_COMMENTARY) -> Corpus:
    """WMT14 English-German with a version of News Commentary, one of `NEWS_COMMENTARY`."""
    stem, path, size, checksum = NEWS_COMMENTARY[news_commentary]
    news = _bitext(_wmt(path, size, checksum), stem)
    dev = _sides(DEV, "dev/newstest2013.en", "dev/newstest2013.de")
    stem = "test-full/newstest2014-deen"
    test = _sides(TEST_2014, f"{stem}-src.en.sgm", f"{stem}-ref.de.sgm", "segments")
    return Corpus(
        "wmt14",
        "WMT14 English-German",
        ("en", "de"),
        (
            Part("europarl-v7", "train", _bitext(EUROPARL, "training/europarl-v7")),
            Part("commoncrawl", "train", _bitext(COMMON_CRAWL, "commoncrawl")),
            Part(f"news-commentary-v{news_commentary}", "train", news),
            Part("newstest2013", "valid", dev),
            Part("newstest2014", "test", test),
        ),
        # Common Crawl has characters of every script; most of them are not worth a piece.
        {"vocab_size": 32_000, "character_coverage": 0.9999},
    )


IWSLT14_FILE = Download(
    "de-en.tgz",
    (
        "https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
        "http://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
        "https://wit3.fbk.eu/archive/2014-01/texts/de/en/de-en.tgz",
    ),
    page="https://wit3.fbk.eu/2014-01",
    licence="CC BY-NC-ND, TED talks",
    evidence="nobody known",
)
# fairseq tests on the first five of these, in this order.
_IWSLT14_TESTS = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")


def iwslt14() -> Corpus:
    """IWSLT14 German-English, with the splits that fairseq's own script made customary."""
    stem = "de-en/train.tags.de-en"
    train = Part("talks", "train", _sides(IWSLT14_FILE, f"{stem}.de", f"{stem}.en", "tags"))
    tests = (
        Part(name, "test", _sides(IWSLT14_FILE, f"{stem}.de.xml", f"{stem}.en.xml", "segments"))
        for name in _IWSLT14_TESTS
        for stem in [f"de-en/IWSLT14.{name}.de-en"]
    )
    return Corpus(
        "iwslt14",
        "IWSLT14 German-English",
        ("de", "en"),
        (train, *tests),
        {
            "vocab_size": 10_000,
            "track": "moses",
            "lowercase": True,
            "valid_every": 23,
            "max_words": 175,
            "max_ratio": 1.5,
            "keep_duplicates": True,
            "keep_copies": True,
        },
    )


_MULTI30K = {
    "train.en": (568_929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    "train.de": (637_044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    "val.en": (21_650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "val.de": (24_681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "test_2016_flickr.en": (
        21_077,
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    ),
    "test_2016_flickr.de": (
        22_890,
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    ),
}


def _multi30k_side(name: str) -> Side:
    size, sha256 = _MULTI30K[name]
    page = "https://github.com/multi30k/dataset"
    raw = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
    file = Download(
        f"{name}.gz",
        (f"{raw}/{name}.gz",),
        page=page,
        licence="as its README says, cite Elliott et al. 2016",
        evidence="computed from a copy",
        size=size,
        checksum=f"sha256:{sha256}",
    )
    return Side(file)


def multi30k() -> Corpus:
    """Multi30k task 1, English-German, with the 2016 Flickr test set."""
    parts = (
        Part(stem, split, (_multi30k_side(f"{stem}.en"), _multi30k_side(f"{stem}.de")))
        for stem, split in (("train", "train"), ("val", "valid"), ("test_2016_flickr", "test"))
    )
    return Corpus("multi30k", "Multi30k task 1, English-German", ("en", "de"), tuple(parts))


CORPORA = {"multi30k": multi30k, "wmt14": wmt14, "iwslt14": iwslt14}
