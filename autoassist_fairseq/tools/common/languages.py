"""What follows from a language's tag: its Moses rules, sacreBLEU's tokeniser, spaces or none."""

from __future__ import annotations

import re
from collections.abc import Sequence

Languages = tuple[str | None, str | None]
"""Source and target; None for what a run was not told, and took from its corpus."""
UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})
"""Languages that put no spaces between words."""

# ISO 639-3 (FLORES and NLLB write `deu_Latn`) and 639-2 codes of the languages that differ from
# others here: those without spaces, and those that Moses has rules for.
_CODES = (
    "zho=zh chi=zh cmn=zh yue=zh jpn=ja tha=th lao=lo khm=km mya=my bur=my kor=ko eng=en "
    "deu=de ger=de fra=fr fre=fr spa=es ita=it por=pt nld=nl dut=nl ces=cs cze=cs pol=pl "
    "rus=ru ron=ro rum=ro hun=hu fin=fi swe=sv ell=el gre=el est=et lit=lt lav=lv lvs=lv "
    "slk=sk slo=sk slv=sl isl=is ice=is cat=ca gle=ga hin=hi ben=bn tam=ta tel=te guj=gu "
    "kan=kn mal=ml mar=mr pan=pa nor=no nob=no nb=no"
)
_SHORT = dict(code.split("=") for code in _CODES.split())
_LONG_LINE = 10  # characters: fewer may well be one word


def base_language(tag: str) -> str:
    """Return the two-letter code of a tag: ``zh`` of ``zh_CN``, ``zh-Hans``, ``ZH``, ``zho_Hans``.

    What has no such code is returned without region and script, in small letters.
    """
    language = own_language(tag)
    return _SHORT.get(language, language)


def own_language(tag: str) -> str:
    """Return a tag without region and script, in small letters: ``yue`` of ``yue_Hant``."""
    return re.split(r"[-_.@]", tag, maxsplit=1)[0].lower()


def language_of(name: str) -> str:
    """Return the tag that a name ends in, as ``test.zh`` or ``ref.zh_CN.txt.gz``, else ``""``."""
    stem = re.sub(r"(\.(gz|txt|tok|detok))+$", "", name)
    ending = stem.rpartition(".")[2]
    tag = ending if "." in stem and re.fullmatch(r"[a-z]{2}([-_]\w+)?", ending) else ""
    return tag or (ending if ending.partition("_")[0] in _SHORT else "")


def sacrebleu_tokenizer(tag: str) -> str:
    """Return the name of sacreBLEU's tokeniser for a target language, the same on every machine.

    ``zh`` for Chinese, ``char`` for other languages without spaces, ``13a`` for all others.
    ``ja-mecab`` and ``ko-mecab`` would need packages that not every machine has.
    """
    language = base_language(tag)
    return "zh" if language == "zh" else "char" if language in UNSPACED else "13a"


def unsplit_share(lines: Sequence[str]) -> float:
    """Return the share, of lines that are no single word, of those that hold no space.

    Whatever splits at spaces, ``13a`` too, takes each of these for one token.
    """
    long = [line for line in lines if len(line) >= _LONG_LINE]
    return sum(len(line.split()) == 1 for line in long) / max(1, len(long))


# Chinese and Japanese with their punctuation, Thai, Lao, Khmer, Burmese.
_UNSPACED_SCRIPT = (
    "\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\uaa60-\uaa7f"
    "\ua9e0-\ua9ff\u1780-\u17ff\u19e0-\u19ff"
)
_UNSPACED = re.compile(f"[{_UNSPACED_SCRIPT}]")
_WORD = re.compile(rf"[{_UNSPACED_SCRIPT}]|[^\s{_UNSPACED_SCRIPT}]+")


def count_words(text: str) -> int:
    """Count what stands between single spaces; characters where a script puts no spaces.

    The text says which script it is in, not a tag: a name in Latin letters is one word in Chinese
    text as well.
    """
    if text.isascii() or not _UNSPACED.search(text):
        return text.count(" ") + 1
    return len(_WORD.findall(text))
