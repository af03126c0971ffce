"""Tokens as multi-bleu.perl sees them, compounds, and text that gives itself away as tokenised."""

from __future__ import annotations

import gzip
import io
import math
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from translations import BASELINE, REFERENCE, SYSTEM

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.scoring.metrics import tokenised_bleu
from autoassist_fairseq.tools.scoring.text import (
    moses_tokens,
    perl_tokens,
    read_lines,
    split_compounds,
    tokenised_because,
)


def multi_bleu(hypotheses: list[str], references: list[list[str]]) -> float:
    """Return BLEU in [0, 100] straight from its definition (Papineni et al. 2002)."""
    correct, total, length, closest = [0] * 5, [0] * 5, 0, 0
    for i, line in enumerate(hypotheses):
        words, others = line.split(), [reference[i].split() for reference in references]
        length += len(words)
        closest += min((abs(len(other) - len(words)), len(other)) for other in others)[1]
        for n in range(1, 5):
            counts = [
                Counter(tuple(w[k : k + n]) for k in range(len(w) - n + 1))
                for w in (words, *others)
            ]
            allowed: Counter[tuple[str, ...]] = Counter()
            for other in counts[1:]:
                allowed |= other
            correct[n] += (counts[0] & allowed).total()
            total[n] += counts[0].total()
    if not all(correct[1:]):
        return 0.0
    precision = sum(math.log(correct[n] / total[n]) for n in range(1, 5)) / 4
    return 100 * math.exp(precision + min(0.0, 1 - closest / length))


LINE = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)


@pytest.mark.slow
@given(st.lists(st.tuples(LINE, LINE, LINE), min_size=1, max_size=6))
def test_tokenised_bleu_by_definition(lines: list[tuple[str, str, str]]) -> None:
    hypotheses, first, second = (list(column) for column in zip(*lines, strict=True))
    for references in ([first], [first, second]):
        figure = tokenised_bleu(hypotheses, references, "x")
        assert figure.score == pytest.approx(multi_bleu(hypotheses, references), abs=1e-9)


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ([["a b c d e", "d e", "f g h x y z"]], 0.0),
        ([["a b c d e", "d e", "f g h x y z"], ["a b c d", "d e g h", "f g h i k l"]], 60.044447),
    ],
)
def test_values_that_multi_bleu_perl_printed(references: list[list[str]], expected: float) -> None:
    figure = tokenised_bleu(["a b c", "d e", "f g h i j"], references, "x")
    assert figure.score == pytest.approx(expected, abs=1e-6)


def test_only_ascii_white_space_separates_tokens() -> None:
    # multi-bleu.perl printed 66.874030; at the no-break space sacreBLEU alone would split
    figure = tokenised_bleu(["5\u00a0km a b c d"], [["5\u00a0km a b c e"]], "x")
    assert figure.score == pytest.approx(66.874030, abs=1e-6)
    assert len(perl_tokens(" 5\u00a0km\t\ta \u2028b\x85\r").split()) == 3
    assert perl_tokens("a\u00a0b") != perl_tokens("a\u2003b")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rich-text format", "rich ##AT##-##AT## text format"),
        ("Karl-Heinz-Platz", "Karl ##AT##-##AT## Heinz ##AT##-##AT## Platz"),
        ("Klein- und -betriebe , a - b", "Klein- und -betriebe , a - b"),
        # as `perl -ple 's{(\S)-(\S)}{$1 ##AT##-##AT## $2}g'` prints them
        ("a-b-c", "a ##AT##-##AT## b-c"),
        ("a--b", "a ##AT##-##AT## -b"),
        ("Ä-Ö", "Ä ##AT##-##AT## Ö"),
        # split before: Moses' own mark and this one stay whole
        ("rich @-@ text", "rich @-@ text"),
        ("rich ##AT##-##AT## text-book", "rich ##AT##-##AT## text ##AT##-##AT## book"),
        ("me@-@you", "me@ ##AT##-##AT## @you"),
    ],
)
def test_compounds(line: str, expected: str) -> None:
    assert split_compounds(line) == expected


def test_moses_tokens() -> None:
    line = 'Das ist »Karl-Heinz\' Haus«, 3.5 km von z.B. hier... "Gut" & so!'
    assert moses_tokens([line], "de") == [
        "Das ist » Karl-Heinz &apos; Haus « , 3.5 km von z.B. hier ... &quot; Gut &quot; &amp; so !"
    ]


PLAIN = [
    REFERENCE.splitlines(),
    SYSTEM.splitlines(),
    BASELINE.splitlines(),
    ["Was est-ce que c'est ?", "Oui !", "Bon : voilà ; c'est fini."],  # French spaces these
    ["a headline", "another"],
    ["He paused ... and left, quietly.", "Version 2 .5 is out, they say."],
    ["Mail me at a@b.org, or not."],
    ["One , two, three."],
]


@pytest.mark.parametrize("lines", PLAIN)
def test_plain_text_is_not_taken_for_tokens(lines: list[str]) -> None:
    assert tokenised_because(lines) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Ein Hund , eine Katze .", "Ein Satz ."], "3 of 3 full stops and commas stand alone"),
        (["One , two , three."], "2 of 3 full stops"),
        (["It &apos;s here"], "Moses escapes"),
        (["der Klein@@ betrieb"], "BPE marks"),
        (["\u2581der \u2581Klein betrieb"], "sentencepiece marks"),
        (["rich ##AT##-##AT## text"], "split compounds"),
    ],
)
def test_tokens_give_themselves_away(lines: list[str], said: str) -> None:
    assert said in (tokenised_because(lines) or "")


def test_moses_output_is_recognised() -> None:
    assert tokenised_because(moses_tokens(REFERENCE.splitlines(), "de"))


def test_a_few_odd_lines_do_not_matter() -> None:
    lines = REFERENCE.splitlines() * 5
    assert tokenised_because([*lines, "Ein Hund , eine Katze .", "&quot; @@ "]) is None


def test_lines_are_read_as_sacrebleu_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = "eins \r\n\nzwei\u2028drei\n vier".encode()  # only \n ends a line
    expected = ["eins", "", "zwei\u2028drei", " vier"]
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "a.gz").write_bytes(gzip.compress(data))
    (tmp_path / "mark.txt").write_bytes(b"\xef\xbb\xbf" + data)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    for path in (tmp_path / "a.txt", tmp_path / "a.gz", tmp_path / "mark.txt", "-"):
        assert read_lines(path, "--sys") == expected
    with pytest.raises(UserError, match="`--ref` - must hold at least one line"):
        read_lines("-", "--ref")  # both cannot be


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_too(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_bytes, args=[pack(b"eins\nzwei\n")])
    writing.start()
    assert read_lines(pipe, "--sys") == ["eins", "zwei"]
    writing.join()
