"""The settings of a run: one frozen object, checked as a whole at the border."""

from __future__ import annotations

from dataclasses import dataclass

from autoassist_fairseq.errors import UserError

POLICIES = ("shrink", "uniform", "off")
FEATURE_FAMILIES = ("length", "frequency", "tokens", "tokens-idf")
THRESHOLDS = ("mean", "quantile")
ON_ERROR = ("stop", "continue")


@dataclass(frozen=True)
class Settings:
    """What the ``--autoassist-*`` options say.

    Attributes:
        policy: ``shrink`` (the paper's rule), ``uniform`` (same planner, keeps all) or ``off``.
        base_prob: lowest chance of a pair to be kept, in (0, 1].
        warmup_passes: passes at the start that keep every pair, >= 0.
        window: pairs planned at a time; 0 = chosen for the corpus.
        features: the feature families that the Assistant uses, of `FEATURE_FAMILIES`.
        lr: AdaGrad step size of the Assistant, > 0.
        threshold: how the shrinking threshold T is taken from recent losses.
        quantile: the quantile for ``threshold='quantile'``, in (0, 1).
        timeout: seconds that the Boss waits for the BossQueue before it gives up, > 0.
        on_error: what to do when the Assistant fails: ``stop``, or ``continue`` without it.
        seed: seed of every random stream.
    """

    policy: str = "shrink"
    base_prob: float = 0.5
    warmup_passes: int = 1
    window: int = 0
    features: tuple[str, ...] = ("length", "frequency", "tokens")
    lr: float = 1.0
    threshold: str = "mean"
    quantile: float = 0.5
    timeout: float = 300.0
    on_error: str = "stop"
    seed: int = 1

    def problems(self) -> list[str]:
        """Return one sentence for each rule that these settings break."""
        named = {
            "policy": (self.policy in POLICIES, f"one of {', '.join(POLICIES)}", self.policy),
            "base-prob": (0 < self.base_prob <= 1, "in (0, 1]", self.base_prob),
            "warmup-passes": (self.warmup_passes >= 0, "0 or more", self.warmup_passes),
            "window": (self.window >= 0, "0 (chosen for the corpus) or more pairs", self.window),
            "features": (
                bool(self.features) and set(self.features) <= set(FEATURE_FAMILIES),
                f"a comma-separated list of {', '.join(FEATURE_FAMILIES)}",
                ",".join(self.features),
            ),
            "lr": (0 < self.lr < float("inf"), "a finite number above 0", self.lr),
            "threshold": (
                self.threshold in THRESHOLDS,
                f"one of {', '.join(THRESHOLDS)}",
                self.threshold,
            ),
            "quantile": (0 < self.quantile < 1, "in (0, 1)", self.quantile),
            "on-error": (self.on_error in ON_ERROR, f"one of {', '.join(ON_ERROR)}", self.on_error),
            "timeout": (self.timeout > 0, "more than 0 seconds", self.timeout),
        }
        return [
            f"`--autoassist-{name}` must be {rule}, but is {value!r}"
            for name, (holds, rule, value) in named.items()
            if not holds
        ]

    def check(self) -> Settings:
        """Return these settings; raise `UserError` with every problem at once."""
        problems = self.problems()
        if problems:
            raise UserError("; ".join(problems) + ".")
        return self
