"""The three BLEU figures, chrF and TER, each with a label and a signature; all by sacreBLEU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest, Result

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.languages import (
    base_language,
    sacrebleu_tokenizer,
    unsplit_share,
)
from autoassist_fairseq.tools.scoring.text import perl_tokens, split_compounds, tokenised_because

References = Sequence[Sequence[str]]
"""One list of lines for each reference translation."""


@dataclass(frozen=True)
class Figure:
    """One score that cannot be taken for another.

    Attributes:
        key: name for machines.
        label: name for people, with every doubt about what the score means.
        score: in [0, 100] (TER: errors per 100 words, from 0).
        detail: precisions, brevity penalty, lengths; empty where there is none.
        signature: what reproduces the score, and its doubts in short.
    """

    key: str
    label: str
    score: float
    detail: str
    signature: str


def detokenised_bleu(hypotheses: Sequence[str], references: References, metric: BLEU) -> Figure:
    """Return sacreBLEU on plain text, the only one of the three to compare across papers."""
    reasons = [reason for lines in references if (reason := tokenised_because(lines))]
    doubts = {"reference-looks-tokenised": f"the reference looks tokenised: {''.join(reasons[:1])}"}
    figure = _figure("sacrebleu", "detokenised BLEU (sacreBLEU)", metric, hypotheses, references)
    at_spaces = metric.tokenizer.signature() in ("13a", "intl", "none")
    one = _one_token(references) if at_spaces else {}
    return _doubted(figure, (doubts if reasons else {}) | one | _lower_case(hypotheses, references))


def tokenised_bleu(hypotheses: Sequence[str], references: References, tokens_by: str) -> Figure:
    """Return BLEU on tokens as they are, as multi-bleu.perl computes it (case kept, unsmoothed).

    Args:
        hypotheses: lines of tokens.
        references: lines of tokens.
        tokens_by: who made the tokens, for the signature.
    """
    return _on_tokens("tokenised", "tokenised BLEU (multi-bleu)", hypotheses, references, tokens_by)


def compound_bleu(hypotheses: Sequence[str], references: References, tokens_by: str) -> Figure:
    """Return tokenised BLEU after splitting words at hyphens (papers on WMT14 En-De)."""
    return _on_tokens(
        "compound_split",
        "tokenised BLEU, compounds split at hyphens",
        [split_compounds(perl_tokens(line)) for line in hypotheses],
        [[split_compounds(perl_tokens(line)) for line in lines] for lines in references],
        f"{tokens_by}+compounds",
    )


def other_figure(
    key: str, hypotheses: Sequence[str], references: References, language: str
) -> Figure:
    """Return ``chrf`` (chrF2) or ``ter`` on plain text."""
    label = {"chrf": "chrF2 (sacreBLEU)", "ter": "TER (sacreBLEU; lower is better)"}[key]
    metric = plain_metric(key, None, language)
    figure = _figure(key, label, metric, hypotheses, references)
    at_spaces = key == "ter" and not metric.asian_support
    cased = _lower_case(hypotheses, references) if key == "chrf" else {}  # TER looks at no case
    return _doubted(figure, (_one_token(references) if at_spaces else {}) | cased)


def plain_metric(key: str, tokenize: str | None, language: str) -> Metric:
    """Return sacreBLEU's metric object ``bleu``, ``chrf`` or ``ter``, as ``language`` needs it.

    Args:
        key: which.
        tokenize: sacreBLEU's tokeniser for BLEU; None for that of the language.
        language: tag of the target language, however written.

    Raises:
        UserError: the tokeniser needs a package or a file that is not there.
    """
    if key == "bleu":
        try:
            return BLEU(tokenize=tokenize or sacrebleu_tokenizer(language))
        except (ImportError, RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"`--sacrebleu-tokenize` {tokenize} needs what is not on this machine ({reason}); "
                "see to that, or choose another one."
            ) from error
    asian = base_language(language) in ("zh", "ja")  # else TER takes their lines for one word
    return CHRF() if key == "chrf" else TER(normalized=asian, asian_support=asian)


@dataclass(frozen=True)
class Comparison:
    """A system beside a baseline, by sacreBLEU's paired bootstrap resampling.

    Attributes:
        metric: name with which sacreBLEU labels it.
        baseline: score, mean and half the 95% confidence interval of the baseline.
        system: the same of the system.
        p_value: probability of a difference this large when there is none, in [0, 1].
        signature: with the seed and the number of resamples.
    """

    metric: str
    baseline: dict[str, float | None]
    system: dict[str, float | None]
    p_value: float
    signature: str


def compare(
    baseline: Sequence[str],
    system: Sequence[str],
    references: References,
    metrics: dict[str, Metric],
    samples: int,
) -> list[Comparison]:
    """Compare two systems on plain text; the seed is sacreBLEU's (``SACREBLEU_SEED``, 12345).

    Equal scores have p = 1: sacreBLEU counts resamples whose difference is *larger* than that
    found, of which equal systems have none, and would call them significantly different.
    """
    systems = [("baseline", baseline), ("system", system)]
    test = PairedTest(systems, metrics, references, test_type="bs", n_samples=samples)
    signatures, scores = test()
    found = []
    for name, signature in signatures.items():
        base, ours = (_result(r) for r in scores[name])
        p = 1.0 if ours["score"] == base["score"] else float(ours["p_value"] or 0.0)
        del ours["p_value"]
        found.append(Comparison(name, base, ours, p, signature.format()))
    return found


def bootstrap_seed() -> int | None:
    """Return sacreBLEU's seed (``SACREBLEU_SEED``, 12345); None for none.

    Raises:
        UserError: it is no seed.
    """
    text = os.environ.get("SACREBLEU_SEED", "12345").lower()
    if text != "none" and not text.isdecimal():
        raise UserError(
            f"`SACREBLEU_SEED` must be a whole number from 0, or none, but is {text!r}; unset it."
        )
    return None if text == "none" else int(text)


def as_json(
    figures: Sequence[Figure],
    comparisons: Sequence[Comparison],
    pairs: int,
    subset: str | None = None,
) -> Any:
    """Return everything as plain types for ``json.dump``; ``subset`` is what was translated."""
    return {
        "subset": subset,
        "pairs": pairs,
        "figures": [asdict(figure) for figure in figures],
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }


def _on_tokens(
    key: str, label: str, hypotheses: Sequence[str], references: References, tokens_by: str
) -> Figure:
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    shown = [perl_tokens(line) for line in hypotheses]
    against = [[perl_tokens(line) for line in lines] for lines in references]
    figure = _figure(key, label, metric, shown, against)
    figure = replace(figure, signature=f"{figure.signature}|pre:{tokens_by}")
    return _doubted(figure, _one_token(references) | _lower_case(hypotheses, references))


def _figure(
    key: str, label: str, metric: Metric, hypotheses: Sequence[str], references: References
) -> Figure:
    score = metric.corpus_score(hypotheses, references)
    detail = getattr(score, "_verbose", "")
    return Figure(key, label, float(score.score), detail, metric.get_signature().format())


def _one_token(references: References) -> dict[str, str]:
    share = max(unsplit_share(lines) for lines in references)
    doubt = f"{share:.0%} of the lines are one token each"
    return {"lines-are-one-token": doubt} if share > 0.5 else {}


def _lower_case(hypotheses: Sequence[str], references: References) -> dict[str, str]:
    """Every capital of the references counts as an error, however good the translations are."""
    cased = any(10 * sum(map(_has_capital, lines)) > len(lines) for lines in references)
    lower = any(line != line.upper() for line in hypotheses)  # an empty line has no case
    if not cased or not lower or any(map(_has_capital, hypotheses)):
        return {}
    doubt = (
        "the hypotheses are in lower case beside a cased reference, so that capitals count as "
        "errors: lower-case the reference too, which is another measure"
    )
    return {"hypotheses-in-lower-case": doubt}


def _has_capital(line: str) -> bool:
    text = line.replace("##AT##", "")  # the mark of a split compound
    return text != text.lower()


def _doubted(figure: Figure, doubts: dict[str, str]) -> Figure:
    label = "; ".join([figure.label, *doubts.values()])
    return replace(figure, label=label, signature="|doubt:".join([figure.signature, *doubts]))


def _result(result: Result | str) -> dict[str, float | None]:
    assert isinstance(result, Result)  # the names of the systems are in another column
    names = ("score", "mean", "ci", "p_value")
    values = {name: getattr(result, name) for name in names}
    return {name: None if v is None else float(v) for name, v in values.items()}
