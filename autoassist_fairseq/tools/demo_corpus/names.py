"""Names: of countries, cities, languages, scripts, currencies (CLDR), and of people."""

from __future__ import annotations

from collections.abc import Sequence

from babel import Locale, dates, lists

from autoassist_fairseq.tools.demo_corpus.base import LANGUAGES, Bilingual, Rng, Slot, both, pick

Table = Sequence[Bilingual]

_PEOPLE = """
    Anna Ben Clara Daniel David Emma Eva Felix Greta Hannah Ida Jonas Julia Karl Laura Lena Maria
    Martin Max Nora Oliver Paula Peter Robert Sarah Simon Sophie Thomas Vera Walter
"""
# Countries that take no article, in either language.
_COUNTRIES = """
    AF AL AM AO AR AT AU AZ BD BE BG BH BI BJ BN BO BR BW BY CA CL CM CN CO CR CU CY DE DK DZ EC
    EE EG ER ES ET FI FJ FR GA GE GH GN GR GT HN HR HT HU ID IE IL IN IS IT JM JO JP KE KG KH KP
    KR KW KZ LA LK LR LT LV LY MA MD ME MG MK ML MR MT MW MX MY MZ NA NG NI NO NP NZ OM PA PE PK
    PL PT PY QA RO RS RU RW SA SE SI SL SN SV SY TG TH TJ TM TN TO TZ UG UY UZ VE VN WS ZA ZM ZW
"""
# Languages whose German names follow "auf" and "lernt" as they are.
_LANGUAGES = """
    ar bg bn bs ca cs cy da de el en es et eu fa fi fr ga he hi hr hu hy id is it ja ka kk ko la
    lt lv mk ml mn ms mt nl no pl pt ro ru sk sl sq sr sv sw ta te th tr uk ur uz vi zh
"""
# The cities that CLDR translates because they name a time zone, each line after its region.
_CITIES = """
    Africa Abidjan Accra Addis_Ababa Algiers Bamako Cairo Casablanca Dakar Harare Johannesburg
    Africa Kampala Khartoum Kinshasa Lagos Luanda Maputo Nairobi Tripoli Tunis Windhoek
    America Bogota Boise Caracas Chicago Denver Detroit Guatemala Halifax Havana La_Paz Lima
    America Los_Angeles Managua Mexico_City Montevideo New_York Panama Phoenix Santiago Sao_Paulo
    America Toronto Vancouver Winnipeg
    Asia Almaty Amman Baghdad Baku Bangkok Beirut Colombo Damascus Dhaka Dubai Hong_Kong
    Asia Jakarta Jerusalem Kabul Karachi Krasnoyarsk Kuala_Lumpur Manila Muscat Novosibirsk
    Asia Omsk Pyongyang Riyadh Seoul Shanghai Singapore Taipei Tashkent Tbilisi Tehran Tokyo
    Asia Vladivostok Yakutsk Yekaterinburg Yerevan
    Australia Adelaide Brisbane Darwin Hobart Melbourne Perth Sydney
    Europe Amsterdam Athens Belgrade Berlin Bratislava Brussels Bucharest Budapest Copenhagen
    Europe Dublin Helsinki Istanbul Kaliningrad Lisbon Ljubljana London Madrid Minsk Moscow Oslo
    Europe Paris Podgorica Prague Riga Rome Samara Saratov Sarajevo Skopje Sofia Stockholm
    Europe Tallinn Vaduz Vienna Vilnius Volgograd Warsaw Zagreb Zurich
"""


def cldr(kind: str, keys: str = "") -> Table:
    """CLDR's ``territories``, ``languages``, ``scripts`` or ``currencies``: ``keys``, or all."""

    def name(key: str) -> Bilingual:
        return both(lambda language: getattr(Locale(language), kind)[key])

    english, german = (getattr(Locale(language), kind) for language in LANGUAGES)
    return [name(key) for key in keys.split() or sorted(english.keys() & german.keys())]


def _city(zone: str) -> Bilingual:
    return both(lambda locale: dates.get_timezone_location(zone, locale=locale, return_city=True))


PEOPLE: Table = [Bilingual(name, name) for name in _PEOPLE.split()]
COUNTRIES = cldr("territories", _COUNTRIES)
SPOKEN = cldr("languages", _LANGUAGES)
CITIES: Table = [
    _city(f"{region}/{city}")
    for region, *cities in map(str.split, _CITIES.strip().splitlines())
    for city in cities
]


def _one(table: Table) -> Slot:
    return lambda rng: pick(rng, table)


def _several(table: Table, style: str = "standard") -> Slot:
    """A list of two to five different names, joined by "and" or (style "or") by "or"."""

    def slot(rng: Rng) -> Bilingual:
        chosen = rng.choice(len(table), size=int(rng.integers(2, 6)), replace=False)
        english, german = zip(*(table[index] for index in chosen), strict=True)
        return Bilingual(
            lists.format_list(english, style=style, locale="en"),
            lists.format_list(german, style=style, locale="de"),
        )

    return slot


SLOTS: dict[str, Slot] = {
    "person": _one(PEOPLE),
    "city": _one(CITIES),
    "country": _one(COUNTRIES),
    "language": _one(SPOKEN),
    "people": _several(PEOPLE),
    "cities": _several(CITIES),
    "countries": _several(COUNTRIES),
    "country_or": _several(COUNTRIES, "or"),
    "languages": _several(SPOKEN),
    "any_territory": _one(cldr("territories")),
    "any_language": _one(cldr("languages")),
    "any_script": _one(cldr("scripts")),
    "any_currency": _one(cldr("currencies")),
}
