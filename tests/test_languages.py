"""A language's tag, however it is written, says how its text is cut into tokens."""

from __future__ import annotations

import pytest

from autoassist_fairseq.tools.common.languages import (
    UNSPACED,
    base_language,
    language_of,
    sacrebleu_tokenizer,
    unsplit_share,
)


@pytest.mark.parametrize(
    ("tags", "base", "tokenizer", "unspaced"),
    [
        ("zh zh_CN zh-Hans ZH zho_Hans cmn zh-Hant-TW yue_Hant", "zh", "zh", True),
        ("ja ja_XX jpn_Jpan JA-jp", "ja", "char", True),
        ("th tha_Thai", "th", "char", True),
        ("my my_MM mya_Mymr", "my", "char", True),
        ("km khm_Khmr", "km", "char", True),
        ("lo lao_Laoo", "lo", "char", True),
        ("ko kor_Hang ko_KR", "ko", "13a", False),
        ("de de_DE deu_Latn DE de.tok", "de", "13a", False),
        ("gsw gsw-CH", "gsw", "13a", False),
        ("", "", "13a", False),
    ],
)
def test_every_way_to_write_a_language(
    tags: str, base: str, tokenizer: str, unspaced: bool
) -> None:
    for tag in tags.split() or [""]:
        assert base_language(tag) == base
        assert sacrebleu_tokenizer(tag) == tokenizer
        assert (base_language(tag) in UNSPACED) == unspaced


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("test.zh", "zh"),
        ("text/ref.zh_CN.gz", "zh_CN"),
        ("ref.zh-Hans", "zh-Hans"),
        ("ref.zh.txt", "zh"),
        ("ref.zh.tok.txt.gz", "zh"),
        ("flores.zho_Hans", "zho_Hans"),
        ("test.translated.de", "de"),
        ("reference.txt", ""),
        ("de", ""),
        ("-", ""),
        ("a.tok", ""),
    ],
)
def test_the_language_that_a_name_ends_in(name: str, tag: str) -> None:
    assert language_of(name) == tag


def test_lines_without_spaces_are_counted() -> None:
    assert unsplit_share(["我有一只猫,它很喜欢鱼。", "Ein Hund bellt.", "Ja!", ""]) == 0.5
    assert unsplit_share(["Ja!"]) == 0.0
