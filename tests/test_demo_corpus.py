"""The demo corpus: distinct, split cleanly, always the same, and right in both languages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.demo_corpus import build, names
from autoassist_fairseq.tools.demo_corpus.base import Bilingual, Rng
from autoassist_fairseq.tools.demo_corpus.build import GROUPS, PLACE, SLOTS

SMALL = {"train": 900, "valid": 50, "test": 50}
TEMPLATES = [template for _, templates in GROUPS for template in templates]


@pytest.fixture(scope="module")
def corpus() -> build.Corpus:
    return build.build(seed=3, sizes=SMALL)


def sentences(corpus: build.Corpus) -> Iterator[str]:
    return (sentence for pairs in corpus.values() for pair in pairs for sentence in pair)


def test_splits_have_the_sizes_asked_for(corpus: build.Corpus) -> None:
    assert {split: len(pairs) for split, pairs in corpus.items()} == SMALL


def test_no_sentence_stands_in_two_places(corpus: build.Corpus) -> None:
    for side in (0, 1):
        found = [pair[side] for pairs in corpus.values() for pair in pairs]
        assert len(set(found)) == len(found) == sum(SMALL.values())


def test_a_seed_gives_one_corpus(corpus: build.Corpus) -> None:
    assert build.build(seed=3, sizes=SMALL) == corpus
    assert build.build(seed=4, sizes=SMALL)["train"] != corpus["train"]


def test_every_group_reaches_every_split(corpus: build.Corpus) -> None:
    lengths = [len(pair.en.split()) for pair in corpus["test"]]
    # Mixed difficulty: single words as well as long sentences, also among 50 pairs.
    assert min(lengths) <= 2
    assert max(lengths) >= 15


def test_text_has_ordinary_spaces_only(corpus: build.Corpus) -> None:
    for sentence in sentences(corpus):
        assert sentence == " ".join(sentence.split(" ")).strip()
        assert not re.search(r"[^\S ]|\u00ad|[{}]", sentence), sentence


@pytest.mark.slow
def test_the_demo_has_20000_train_pairs_whatever_the_process(tmp_path: Path) -> None:
    corpora = []
    for hash_seed in ("0", "1"):
        folder = tmp_path / hash_seed
        subprocess.run(
            [
                *(sys.executable, "-c"),
                "import pathlib, sys; from autoassist_fairseq.tools.demo_corpus.build import "
                "build, write; write(build(), pathlib.Path(sys.argv[1]))",
                str(folder),
            ],
            check=True,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        corpora.append({file.name: file.read_text("utf-8") for file in folder.iterdir()})
    assert corpora[0] == corpora[1]
    lines = {name: text.count("\n") for name, text in corpora[0].items()}
    sizes = {"train": 20_000, "valid": 500, "test": 500}
    assert lines == {f"{s}.{lang}": n for s, n in sizes.items() for lang in ("en", "de")}
    for language in ("en", "de"):
        everything = [
            line
            for name, text in corpora[0].items()
            if name.endswith(language)
            for line in text.splitlines()
        ]
        assert len(set(everything)) == 21_000


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template[0][:40])
def test_template_has_the_same_known_slots_on_both_sides(template: Bilingual) -> None:
    english, german = (sorted(set(PLACE.findall(side))) for side in template)
    assert english == german
    assert {slot for _, slot in english} <= SLOTS.keys()


def test_every_slot_is_used() -> None:
    used = {slot for template in TEMPLATES for _, slot in PLACE.findall(template[0])}
    assert used == SLOTS.keys()


def test_shares_cover_the_corpus() -> None:
    assert sum(share for share, _ in GROUPS) == pytest.approx(1.0)


def test_a_slot_is_drawn_once_and_its_numbered_twin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cities = iter([Bilingual("Vienna", "Wien"), Bilingual("Prague", "Prag")])
    clocks = iter([Bilingual("6:20 PM", "18:20"), Bilingual("7:32 AM", "07:32")])
    monkeypatch.setitem(SLOTS, "city", lambda _: next(cities))
    monkeypatch.setitem(SLOTS, "clock", lambda _: next(clocks))
    template = next(t for t in TEMPLATES if t[0].startswith("The train from"))
    assert build.fill(template, np.random.default_rng(0)) == (
        "The train from Vienna to Prague leaves at 6:20 PM and arrives at 7:32 AM.",
        "Der Zug von Wien nach Prag fährt um 18:20 Uhr ab und kommt um 07:32 Uhr an.",
    )


def test_an_exhausted_group_is_an_error() -> None:
    week = [Bilingual("{weekday}", "{weekday}")]
    with pytest.raises(UserError, match=r"must give 8 different pairs .* but gave 7"):
        list(build.distinct(week, 8, np.random.default_rng(0), set()))


@pytest.mark.parametrize(
    ("hour", "minute", "english", "german"),
    [
        (1, 0, "one o'clock", "ein Uhr"),
        (12, 0, "twelve o'clock", "zwölf Uhr"),
        (3, 15, "quarter past three", "Viertel nach drei"),
        (3, 25, "twenty-five past three", "fünf vor halb vier"),
        (3, 30, "half past three", "halb vier"),
        (12, 30, "half past twelve", "halb eins"),
        (3, 35, "twenty-five to four", "fünf nach halb vier"),
        (12, 45, "quarter to one", "Viertel vor eins"),
        (11, 55, "five to twelve", "fünf vor zwölf"),
    ],
)
def test_time_of_day_in_words(hour: int, minute: int, english: str, german: str) -> None:
    assert SLOTS["clock_words"](fixed(hour, minute // 5)) == (english, german)


def test_every_time_of_day_has_words() -> None:
    draws = [(hour, fives) for hour in range(1, 13) for fives in range(12)]
    times = [SLOTS["clock_words"](fixed(*draw)) for draw in draws]
    assert len({time.en for time in times}) == len({time.de for time in times}) == 144


def fixed(*draws: int) -> Rng:
    """A generator whose ``integers`` gives these numbers."""

    class Fixed:
        values = iter(draws)

        def integers(self, *_: int) -> int:
            return next(self.values)

        def random(self) -> float:
            return 0.0

        def choice(self, options: tuple[int, ...]) -> int:
            return options[next(self.values)]

    return Fixed()  # type: ignore[return-value]


DAYS_TO_4_MARCH_1997 = 35_491


@pytest.mark.parametrize(
    ("slot", "draws", "english", "german"),
    [
        ("date_full", (DAYS_TO_4_MARCH_1997,), "Tuesday, March 4, 1997", "Dienstag, 4. März 1997"),
        ("date_short", (DAYS_TO_4_MARCH_1997,), "3/4/97", "04.03.97"),
        ("month_year", (DAYS_TO_4_MARCH_1997,), "March 1997", "März 1997"),
        ("clock", (15, 45, 12), "3:45 PM", "15:45"),
        ("ago", (1, 5), "5 weeks ago", "vor 5 Wochen"),
        ("ahead", (2, 3), "in 3 months", "in 3 Monaten"),
        ("span", (0, 4), "4 days", "4 Tage"),
        ("big_words", (7, 1_234_567), "one million, two hundred and thirty-four thousand, five "
         "hundred and sixty-seven", "eine Million zweihundertvierunddreißigtausend"
         "fünfhundertsiebenundsechzig"),
        ("count_words", (3, 101), "one hundred and two", "einhundertzwei"),
        ("ordinal_words", (2, 23), "twenty-third", "dreiundzwanzigste"),
        ("ordinal_dative", (2, 23), "twenty-third", "dreiundzwanzigsten"),
        ("year_words", (1997,), "nineteen ninety-seven", "neunzehnhundertsiebenundneunzig"),
        ("sum", (1, 7, 2, 12), "twelve plus seven is nineteen", "zwölf plus sieben ist neunzehn"),
        ("difference_clause", (1, 7, 2, 12), "twelve minus seven is five",
         "zwölf minus sieben fünf ist"),
        ("price_words", (12, 5, 0), "twelve euro, five cents", "zwölf Euro und fünf Cent"),
        ("share", (345,), "34.5", "34,5"),
        ("percent", (345,), "34.5%", "34,5 %"),
        ("millions", (12, 0), "1.2 million", "1,2 Millionen"),
    ],
)  # fmt: skip
def test_values_in_both_languages(
    slot: str, draws: tuple[int, ...], english: str, german: str
) -> None:
    assert SLOTS[slot](fixed(*draws)) == (english, german)


def test_decimals_differ_only_in_their_separators() -> None:
    swapped = str.maketrans(",.", ".,")
    rng = np.random.default_rng(0)
    for _ in range(200):
        english, german = SLOTS["decimal"](rng)
        assert english.translate(swapped) == german


def test_prices_and_measures_are_named() -> None:
    price = SLOTS["price"](np.random.default_rng(0))
    assert re.fullmatch(r"[\d,.]+ .+", price.en)
    assert SLOTS["speed"](fixed(12, 2)) == ("12 knots", "12 Knoten")
    assert SLOTS["year"](fixed(1850)) == ("1850", "1850")


@pytest.mark.parametrize(
    ("table", "pair"),
    [
        (names.COUNTRIES, ("Germany", "Deutschland")),
        (names.CITIES, ("Vienna", "Wien")),
        (names.CITIES, ("Mexico City", "Mexiko-Stadt")),
        (names.SPOKEN, ("Danish", "Dänisch")),
        (names.cldr("territories"), ("Switzerland", "Schweiz")),
        (names.cldr("currencies"), ("Euro", "Euro")),
    ],
)
def test_names_are_translated(table: names.Table, pair: tuple[str, str]) -> None:
    assert pair in table


def test_countries_of_sentences_need_no_article() -> None:
    german = {country.de for country in names.COUNTRIES}
    assert not german & {"Schweiz", "Türkei", "Niederlande", "Ukraine", "Vereinigte Staaten"}
    assert not any("(" in name for country in names.COUNTRIES for name in country)
