"""Whole sentences: short ones, and long ones in which German moves its verbs."""

from __future__ import annotations

from autoassist_fairseq.tools.demo_corpus.templates import GROUPS_OF_PHRASES, Group

SHORT = Group(
    0.18,
    (
        ("{person} speaks {language}.", "{person} spricht {language}."),
        ("{person} lives in {city}.", "{person} wohnt in {city}."),
        ("{person} comes from {country}.", "{person} kommt aus {country}."),
        ("{person} is learning {language}.", "{person} lernt {language}."),
        ("{person} was born in {year}.", "{person} wurde {year} geboren."),
        ("{person} is {small_words} years old.", "{person} ist {small_words} Jahre alt."),
        ("{person} arrived {ago}.", "{person} ist {ago} angekommen."),
        ("The course starts {ahead}.", "Der Kurs beginnt {ahead}."),
        ("The ticket costs {price}.", "Die Fahrkarte kostet {price}."),
        ("The bridge is {length} long.", "Die Brücke ist {length} lang."),
        ("The parcel weighs {mass}.", "Das Paket wiegt {mass}."),
        ("The car is doing {speed}.", "Das Auto fährt {speed}."),
        ("The tank holds {volume}.", "Der Tank fasst {volume}."),
        ("The field is {area} in size.", "Das Feld ist {area} groß."),
        ("The film lasts {duration}.", "Der Film dauert {duration}."),
        ("It is {temperature} in {city}.", "In {city} sind es {temperature}."),
        ("We are open every {weekday}.", "Wir haben jeden {weekday} geöffnet."),
        ("The shop closes at {clock}.", "Das Geschäft schließt um {clock} Uhr."),
        ("Please wake me at {clock_words}.", "Bitte weck mich um {clock_words}."),
        ("She stayed for {span}.", "Sie blieb {span}."),
        ("{country} has {millions} inhabitants.", "{country} hat {millions} Einwohner."),
        ("The office is on the {ordinal_dative} floor.", "Das Büro ist im {ordinal_dative} Stock."),
    ),
)
LONG = Group(
    0.22,
    (
        (
            "The train from {city} to {city2} leaves at {clock} and arrives at {clock2}.",
            "Der Zug von {city} nach {city2} fährt um {clock} Uhr ab und kommt um {clock2} Uhr an.",
        ),
        (
            "{person} says that the meeting in {city} begins on {date_full} at {clock}.",
            "{person} sagt, dass die Sitzung in {city} am {date_full} um {clock} Uhr beginnt.",
        ),
        (
            "In {year}, {count_words} people lived in {city}, today there are {millions}.",
            "Im Jahr {year} lebten {count_words} Menschen in {city}, heute sind es {millions}.",
        ),
        (
            "{person} paid {price} for the flight to {city}, which lasted {duration}.",
            "{person} hat {price} für den Flug nach {city} bezahlt, der {duration} dauerte.",
        ),
        (
            "If it is {temperature} in {city} on {weekday}, we will go to {country}.",
            "Wenn es am {weekday} in {city} {temperature} sind, fahren wir nach {country}.",
        ),
        (
            "{person} and {person2} moved to {country} {ago} because they speak {language}.",
            "{person} und {person2} sind {ago} nach {country} gezogen, weil sie {language} "
            "sprechen.",
        ),
        (
            "The company sold {big_words} machines in {month_year}.",
            "Das Unternehmen hat im {month_year} {big_words} Maschinen verkauft.",
        ),
        (
            "About {share} percent of the {count_words} students understand {language}.",
            "Etwa {share} Prozent der {count_words} Studenten verstehen {language}.",
        ),
        (
            "The price rose from {price_symbol} to {price_symbol2} between {date_long} and "
            "{date_long2}.",
            "Der Preis stieg zwischen dem {date_long} und dem {date_long2} von {price_symbol} auf "
            "{price_symbol2}.",
        ),
        (
            "{person} has to send {price_words} to {city} by {date_long}.",
            "{person} muss bis zum {date_long} {price_words} nach {city} schicken.",
        ),
        (
            "{person} and {person2} spent {span} in {country} and came back on {month_day}.",
            "{person} und {person2} verbrachten {span} in {country} und kamen am {month_day} "
            "zurück.",
        ),
        (
            "The new road is {length} long, costs {big_words} dollars and opens {ahead}.",
            "Die neue Straße ist {length} lang, kostet {big_words} Dollar und öffnet {ahead}.",
        ),
        (
            "{person} can read {language} and write {language2}, but has never been to {country}.",
            "{person} kann {language} lesen und {language2} schreiben, war aber noch nie in "
            "{country}.",
        ),
        (
            "For the {ordinal_dative} time, {person} asked when the bus to {city} leaves.",
            "Zum {ordinal_dative} Mal fragte {person}, wann der Bus nach {city} abfährt.",
        ),
        (
            "Although the box weighs {mass}, {person} carried it to the hotel at {clock_words}.",
            "Obwohl die Kiste {mass} wiegt, hat {person} sie um {clock_words} zum Hotel getragen.",
        ),
        (
            "In the year {year_words}, the king of {country} bought {area} of land for {price}.",
            "Im Jahr {year_words} kaufte der König von {country} für {price} {area} Land.",
        ),
        (
            "The library has {big_words} books in {languages}.",
            "Die Bibliothek besitzt {big_words} Bücher auf {languages}.",
        ),
        (
            "On {weekday} at {clock_words}, the winners from {countries} will be announced.",
            "Am {weekday} um {clock_words} werden die Sieger aus {countries} bekannt gegeben.",
        ),
        (
            "{person} believes that {sum_clause}, and that {difference_clause}.",
            "{person} glaubt, dass {sum_clause} und dass {difference_clause}.",
        ),
    ),
)

GROUPS: tuple[Group, ...] = (*GROUPS_OF_PHRASES, SHORT, LONG)
