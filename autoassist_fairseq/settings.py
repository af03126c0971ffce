"""The settings of a run: one frozen object, checked as a whole at the border."""

from __future__ import annotations

from dataclasses import dataclass

from autoassist_fairseq.errors import UserError

# What each policy does with a pair; docs/policies.md shows these sentences.
POLICIES = {
    "uniform": "keeps every pair; where hopeless ones are cut, every other pair",
    "shrink": "the paper's rule: a pair that the Assistant takes for trivial is kept at the "
    "safeguard rate only",
    "random": "drops `--autoassist-rate` of the pairs, whichever they are: the control that a "
    "clever rule has to beat",
    "self-paced": "pairs whose remembered loss is below a limit that grows from a quarter of them "
    "to all; weight (1 - loss / limit)^(1/3)",
    "importance": "scores a chunk of pairs by a forward pass and draws a batch from it; weight "
    "1 / (P p)",
    "loss-table": "InfoBatch: pairs below the mean remembered loss are dropped at "
    "`--autoassist-rate`, all data for the last eighth of training; weight 1 / P(keep)",
    "competence": "the easiest pairs, by length or rarity of the source, or by what it is worth "
    "for the target, more of them as training goes on; no warm-up",
    "off": "fairseq's own batches: `--task translation`, digit for digit",
}
# Those that `keep` can be asked of: they say whom, not how many.
AIMING = ("shrink", "random", "self-paced", "loss-table")
# Those that open the pairs little by little.
OPENING = ("self-paced", "competence")
# Those that weight the losses of pairs.
WEIGHING = ("self-paced", "importance", "loss-table")
FEATURE_FAMILIES = ("length", "frequency", "tokens", "expected")
DIFFICULTIES = ("length", "rarity", "worth")
# What is done about hopeless pairs; the option may be auto, too, which is one of these by policy.
HOPELESS = ("off", "keep", "cut", "weight")
ON_ERROR = ("stop", "continue")


@dataclass(frozen=True)
class Settings:
    """What the ``--autoassist-*`` options say.

    Attributes:
        policy: who decides which pairs are kept, of `POLICIES`: ``uniform`` (keeps all),
            ``shrink`` (the paper's rule), ``off`` (fairseq's batches), or a peer.
        base_prob: lowest chance of a pair to be kept, in (0, 1].
        keep: share of the target tokens that a pass after the warm-up keeps, in (0, 1), in the
            place of ``base_prob``, ``rate`` or ``pace``; 0 = as those make it.
        warmup_passes: passes at the start that keep every pair, or a part of the first, >= 0.
        warmup_updates: the same in updates; 0 = as ``warmup_passes`` says.
        window: pairs planned at a time; 0 = chosen for the corpus.
        features: the feature families that the Assistant uses, of `FEATURE_FAMILIES`.
        lr: AdaGrad step size of the Assistant, > 0.
        rate: ``random``: share of the pairs that is dropped, ``loss-table``: chance that an easy
            pair is dropped; one for each pass, the last one for all after it; in [0, 1).
        pace: ``self-paced``, ``competence``: full passes after which all pairs are open; 0 = as
            many as are `rules.OPEN_AFTER` of training, but for ``competence`` `rules.OPEN_PASSES`
            at most.
        difficulty: ``competence``: what makes a pair hard, of `DIFFICULTIES`.
        presample: ``importance``: candidates for each pair that is trained on, > 1.
        hopeless: what is done about hopeless pairs, of `HOPELESS`; ``off``: nobody looks for them.
        sure: how probable it must be that a pair is wrong before it is hopeless, in (0, 1).
        reexamine: chance of a hopeless pair to be trained on with ``hopeless='cut'``, and its
            weight with ``'weight'``, in (0, 1].
        updates, passes: the end of training, for those that go by it (`paced`); 0 = not known.
        folders: data folders that make the training set, one of which each pass is over.
        timeout: seconds that the Boss waits for the BossQueue before it gives up, > 0.
        on_error: what to do when the Assistant fails: ``stop``, or ``continue`` without it.
        seed: seed of every random stream.
    """

    policy: str = "uniform"
    base_prob: float = 0.5
    keep: float = 0.0
    warmup_passes: float = 1.0
    warmup_updates: int = 0
    window: int = 0
    features: tuple[str, ...] = ("length", "frequency", "tokens")
    lr: float = 1.0
    rate: tuple[float, ...] = (0.5,)
    pace: float = 0.0
    difficulty: str = "worth"
    presample: int = 3
    hopeless: str = "cut"
    sure: float = 0.5
    reexamine: float = 0.05
    updates: int = 0
    passes: int = 0
    folders: int = 1
    timeout: float = 300.0
    on_error: str = "stop"
    seed: int = 1

    @property
    def rule(self) -> str:
        """The policy, and what it goes by: what is frozen for a pass fits no other rule."""
        by = f" by {self.difficulty}" if self.policy == "competence" else ""
        return self.policy + by

    @property
    def paced(self) -> bool:
        """Whether the policy goes by how much of training is done."""
        opens = not self.pace and not self.keep
        return self.policy == "loss-table" or (opens and self.policy in OPENING)

    @property
    def weighs(self) -> bool:
        """Whether the losses of pairs may have weights."""
        return self.policy in WEIGHING or self.hopeless == "weight"

    @property
    def expects(self) -> bool:
        """Whether losses are compared with what was to be expected."""
        return self.hopeless != "off" or "expected" in self.features

    def problems(self) -> list[str]:
        """Return one sentence for each rule that these settings break."""
        named = {
            "policy": (self.policy in POLICIES, f"one of {', '.join(POLICIES)}", self.policy),
            "base-prob": (0 < self.base_prob <= 1, "in (0, 1]", self.base_prob),
            "keep": (0 <= self.keep < 1, "in (0, 1), or 0 (not set)", self.keep),
            "warmup-passes": (
                0 <= self.warmup_passes < float("inf"),
                "a number of passes, 0 or more",
                self.warmup_passes,
            ),
            "warmup-updates": (
                self.warmup_updates >= 0,
                "0 (as `--autoassist-warmup-passes` says) or more",
                self.warmup_updates,
            ),
            "window": (self.window >= 0, "0 (chosen for the corpus) or more pairs", self.window),
            "features": (
                bool(self.features) and set(self.features) <= set(FEATURE_FAMILIES),
                f"a comma-separated list of {', '.join(FEATURE_FAMILIES)}",
                ",".join(self.features),
            ),
            "lr": (0 < self.lr < float("inf"), "a finite number above 0", self.lr),
            "rate": (
                bool(self.rate) and all(0 <= rate < 1 for rate in self.rate),
                "in [0, 1), one for all passes or one for each, or a log",
                ",".join(map(str, self.rate)),
            ),
            "pace": (
                0 <= self.pace < float("inf"),
                "a number of passes, or 0 (as the policy has it)",
                self.pace,
            ),
            "difficulty": (
                self.difficulty in DIFFICULTIES,
                f"one of {', '.join(DIFFICULTIES)}",
                self.difficulty,
            ),
            "hopeless": (
                self.hopeless in HOPELESS,
                f"one of auto, {', '.join(HOPELESS)}",
                self.hopeless,
            ),
            "sure": (0 < self.sure < 1, "in (0, 1)", self.sure),
            "reexamine": (0 < self.reexamine <= 1, "in (0, 1]", self.reexamine),
            "presample": (self.presample > 1, "2 or more", self.presample),
            "updates": (self.updates >= 0, "0 (from --max-update) or more", self.updates),
            "on-error": (self.on_error in ON_ERROR, f"one of {', '.join(ON_ERROR)}", self.on_error),
            "timeout": (self.timeout > 0, "more than 0 seconds", self.timeout),
        }
        told = [
            f"`--autoassist-{name}` must be {rule}, but is {value!r}"
            for name, (holds, rule, value) in named.items()
            if not holds
        ]
        needs_end = self.paced and self.policy != "competence"
        if needs_end and not (self.updates or self.passes):
            pace = " or `--autoassist-pace`" if self.policy in OPENING else ""
            told.append(
                f"`--autoassist-policy {self.policy}` must know the end of training, but there is "
                f"none; give `--max-update`, `--max-epoch`, `--autoassist-updates`{pace}"
            )
        if self.keep and self.policy not in AIMING:
            told.append(
                f"`--autoassist-keep` must go with a policy that can aim at a share of the tokens, "
                f"{', '.join(AIMING)}, but goes with {self.policy!r}; leave it out, or use one of "
                "them"
            )
        if self.policy == "importance" and self.hopeless != "off":
            told.append(
                "`--autoassist-hopeless` must be off with `--autoassist-policy importance`, which "
                f"measures what it draws for its loss, but is {self.hopeless!r}; use another policy"
            )
        return told

    def check(self) -> Settings:
        """Return these settings; raise `UserError` with every problem at once."""
        problems = self.problems()
        if problems:
            raise UserError("; ".join(problems) + ".")
        return self
