"""Names: of countries, cities, languages, scripts, currencies (CLDR), and of people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from babel import Locale, dates, lists

from autoassist_fairseq.tools.demo_corpus.base import (
    LANGUAGES,
    Bilingual,
    Rng,
    Slot,
    both,
    pick,
    plain,
    words_of,
)

PEOPLE = words_of("""
    Anna Ben Clara Daniel David Emma Eva Felix Greta Hannah Ida Jonas Julia Karl Laura Lena Maria
    Martin Max Nora Oliver Paula Peter Robert Sarah Simon Sophie Thomas Vera Walter
""")
# Countries that take no article, in either language.
COUNTRIES = words_of("""
    AF AL AM AO AR AT AU AZ BD BE BG BH BI BJ BN BO BR BW BY CA CL CM CN CO CR CU CY DE DK DZ EC
    EE EG ER ES ET FI FJ FR GA GE GH GN GR GT HN HR HT HU ID IE IL IN IS IT JM JO JP KE KG KH KP
    KR KW KZ LA LK LR LT LV LY MA MD ME MG MK ML MR MT MW MX MY MZ NA NG NI NO NP NZ OM PA PE PK
    PL PT PY QA RO RS RU RW SA SE SI SL SN SV SY TG TH TJ TM TN TO TZ UG UY UZ VE VN WS ZA ZM ZW
""")
CITIES = {
    "Africa": words_of("""
        Abidjan Accra Addis_Ababa Algiers Bamako Cairo Casablanca Dakar Harare Johannesburg Kampala
        Khartoum Kinshasa Lagos Luanda Maputo Nairobi Tripoli Tunis Windhoek
    """),
    "America": words_of("""
        Bogota Boise Caracas Chicago Denver Detroit Guatemala Halifax Havana La_Paz Lima
        Los_Angeles Managua Mexico_City Montevideo New_York Panama Phoenix Santiago Sao_Paulo
        Toronto Vancouver Winnipeg
    """),
    "Asia": words_of("""
        Almaty Amman Baghdad Baku Bangkok Beirut Colombo Damascus Dhaka Dubai Hong_Kong Jakarta
        Jerusalem Kabul Karachi Krasnoyarsk Kuala_Lumpur Manila Muscat Novosibirsk Omsk Pyongyang
        Riyadh Seoul Shanghai Singapore Taipei Tashkent Tbilisi Tehran Tokyo Vladivostok Yakutsk
        Yekaterinburg Yerevan
    """),
    "Australia": words_of("Adelaide Brisbane Darwin Hobart Melbourne Perth Sydney"),
    "Europe": words_of("""
        Amsterdam Athens Belgrade Berlin Bratislava Brussels Bucharest Budapest Copenhagen Dublin
        Helsinki Istanbul Kaliningrad Lisbon Ljubljana London Madrid Minsk Moscow Oslo Paris
        Podgorica Prague Riga Rome Samara Saratov Sarajevo Skopje Sofia Stockholm Tallinn Vaduz
        Vienna Vilnius Volgograd Warsaw Zagreb Zurich
    """),
}
# Languages whose German names follow "auf" and "lernt" as they are.
SPOKEN = words_of("""
    ar bg bn bs ca cs cy da de el en es et eu fa fi fr ga he hi hr hu hy id is it ja ka kk ko la
    lt lv mk ml mn ms mt nl no pl pt ro ru sk sl sq sr sv sw ta te th tr uk ur uz vi zh
""")
Table = Sequence[Bilingual]


@cache
def cldr_names(kind: str) -> Table:
    """All of CLDR's ``territories``, ``languages``, ``scripts`` or ``currencies``."""
    english, german = _cldr(kind)
    return _chosen(kind, sorted(english.keys() & german.keys()))


def _cldr(kind: str) -> tuple[dict[str, str], dict[str, str]]:
    english, german = (getattr(Locale.parse(language), kind) for language in LANGUAGES)
    return english, german


def _chosen(kind: str, keys: Sequence[str]) -> Table:
    english, german = _cldr(kind)
    return tuple(Bilingual(plain(english[key]), plain(german[key])) for key in keys)


@cache
def countries() -> Table:
    """The countries that sentences speak of."""
    return _chosen("territories", COUNTRIES)


@cache
def languages() -> Table:
    """The languages that sentences speak of."""
    return _chosen("languages", SPOKEN)


@cache
def cities() -> Table:
    """The cities that CLDR translates because they name a time zone."""
    zones = (f"{region}/{city}" for region, names in CITIES.items() for city in names)
    return tuple(_city(zone) for zone in zones)


def _city(zone: str) -> Bilingual:
    return both(lambda locale: dates.get_timezone_location(zone, locale=locale, return_city=True))


@cache
def people() -> Table:
    """First names that both languages use."""
    return tuple(Bilingual(name, name) for name in PEOPLE)


def one(table: Table) -> Slot:
    """One name of ``table``."""
    return lambda rng: pick(rng, table)


def several(table: Table, style: str = "standard") -> Slot:
    """A list of two to five different names, joined by "and" or (style "or") by "or"."""

    def slot(rng: Rng) -> Bilingual:
        chosen = rng.choice(len(table), size=int(rng.integers(2, 6)), replace=False)
        columns = zip(*(table[index] for index in chosen), strict=True)
        joined = (
            lists.format_list(list(column), style=style, locale=language)
            for column, language in zip(columns, LANGUAGES, strict=True)
        )
        return Bilingual(*joined)

    return slot
