"""autoassist compare: p-values against sacreBLEU's own command, and by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.compare.arms import Arm
from autoassist_fairseq.tools.compare.jobs import Result
from autoassist_fairseq.tools.compare.significance import bootstrap, paired, t_test
from autoassist_fairseq.tools.compare.table import Row, as_text
from autoassist_fairseq.tools.scoring.command import main as score
from autoassist_fairseq.tools.scoring.metrics import detokenised_bleu

WORDS = [*"abcdefgh", "Hund", "Mann", "rennt", "schnell", "Ball", "Park", "Kind", "spielt"]
LINES = 60


def reference() -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(6, 14))) for _ in range(LINES)]


def spoilt(lines: list[str], share: float, seed: int) -> list[str]:
    """Replace a share of the words."""
    rng = np.random.default_rng(seed)
    return [
        " ".join(str(rng.choice(WORDS)) if rng.random() < share else w for w in line.split())
        for line in lines
    ]


def scored(lines: list[str], against: list[str]) -> Result:
    bleu = float(BLEU().corpus_score(lines, [against]).score)
    return Result(1, 1.0, 1.0, None, bleu, "", None, 0, 1, lines)


def sacrebleu_p(folder: Path, ref: list[str], *systems: list[str]) -> float:
    """What sacreBLEU's command says of the second system."""
    for name, lines in zip(("ref", "base", "system"), (ref, *systems), strict=True):
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    tool = Path(sys.executable).with_name("sacrebleu")
    words = [tool, "ref", "-i", "base", "system", "-m", "bleu", "--paired-bs", "-f", "json"]
    done = subprocess.run(
        [*map(str, words), "--paired-bs-n", "200"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(json.loads(done.stdout)[1]["BLEU"]["p_value"])


@pytest.mark.slow
@pytest.mark.parametrize(("share", "low", "high"), [(0.2, 0.02, 0.95), (0.6, 0.0, 0.02)])
def test_the_bootstrap_is_sacrebleus(tmp_path: Path, share: float, low: float, high: float) -> None:
    ref = reference()
    base, system = spoilt(ref, 0.22, 1), spoilt(ref, share, 2)
    p, signature = bootstrap([base], [system], ref, 200)
    assert low < p < high
    assert p == pytest.approx(sacrebleu_p(tmp_path, ref, base, system), abs=1e-4)
    assert "bs:200|seed:12345" in signature


def test_equal_scores_are_no_difference() -> None:
    ref = reference()
    base = spoilt(ref, 0.3, 1)
    assert bootstrap([base], [list(base)], ref, 50)[0] == 1.0


def test_the_t_test_by_hand() -> None:
    # Differences 1, 2, 3: t = 2 / (1 / sqrt(3)), two degrees of freedom, whose
    # p is 1 - t / sqrt(2 + t^2)
    t = 2 * 3**0.5
    assert t_test([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx(1 - t / (2 + t * t) ** 0.5)
    assert t_test([1.0], [2.0]) is None
    assert t_test([1.0, 2.0], [2.0, 3.0]) is None  # no spread at all


def test_arms_are_paired_by_seed() -> None:
    ref = reference()
    first = {seed: scored(spoilt(ref, 0.5, seed), ref) for seed in (1, 2, 3)}
    other = {seed: scored(spoilt(ref, 0.48, 10 + seed), ref) for seed in (2, 3, 4)}
    found = paired(first, other, ref, 100)
    assert found is not None
    assert found.seeds == (2, 3)
    expected = [other[seed].bleu - first[seed].bleu for seed in (2, 3)]
    assert found.difference == pytest.approx(sum(expected) / 2)
    assert set(found.by_seed) == {2, 3}
    assert 0.02 < found.sentences < 0.98
    assert found.over_seeds == t_test(
        [first[seed].bleu for seed in (2, 3)], [other[seed].bleu for seed in (2, 3)]
    )
    base, system = ([runs[seed].hypotheses for seed in (2, 3)] for runs in (first, other))
    assert found.sentences == bootstrap(base, system, ref, 100)[0]


def test_copies_of_a_seed_leave_p_as_it_is() -> None:
    ref = reference()
    base, system = spoilt(ref, 0.3, 1), spoilt(ref, 0.22, 2)
    one = bootstrap([base], [system], ref, 200)[0]
    assert 0.02 < one < 0.4
    assert bootstrap([base] * 3, [system] * 3, ref, 200)[0] == one


@pytest.mark.slow
def test_a_sentence_is_drawn_with_the_translations_of_all_seeds() -> None:
    """Beside a reference that knows no statistics: lines of seeds drawn together, scored anew."""
    ref, samples = reference(), 50
    first, other = ([spoilt(ref, share, seed) for seed in (1, 2)] for share in (0.26, 0.25))

    def bleu(runs: list[list[str]], drawn: list[int]) -> float:
        lines = [run[i] for run in runs for i in drawn]
        return float(BLEU().corpus_score(lines, [[ref[i] for i in drawn] * 2]).score)

    every = list(range(LINES))
    drawn = np.random.default_rng(12345).choice(LINES, size=(samples, LINES), replace=True)
    apart = [abs(bleu(other, d) - bleu(first, d)) for d in drawn.tolist()]
    found = abs(bleu(other, every) - bleu(first, every))
    larger = sum(one - float(np.mean(apart)) > found for one in apart)
    p = bootstrap(first, other, ref, samples)[0]
    assert 0.02 < p < 0.98
    assert p == pytest.approx((larger + 1) / (samples + 1), abs=0.021)  # a tie at most


def test_arms_without_a_common_seed_are_not_compared() -> None:
    one = scored(["a"], ["a"])
    assert paired({1: one}, {2: one}, ["a"], 10) is None


def test_a_seed_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "x")
    with pytest.raises(UserError, match="`SACREBLEU_SEED` must be a whole number.*'x'"):
        bootstrap([["a b"]], [["a c"]], ["a b"], 10)
    with pytest.raises(UserError, match="`SACREBLEU_SEED`"):
        score(["--sys", "-", "--ref", "-", "--baseline", "-"])


def test_a_doubt_about_bleu_stands_below_the_table() -> None:
    lines = ["一二三四五六七八九十"] * 4
    figure = detokenised_bleu(lines, [lines], BLEU())
    run = Result(1, 1.0, 1.0, None, figure.score, figure.signature, None, 0, 1, lines, figure.label)
    table = as_text([Row(Arm("off", "off"), {1: run}, {}, None)])
    assert "warning: detokenised BLEU (sacreBLEU); 100% of the lines are one token each" in table
