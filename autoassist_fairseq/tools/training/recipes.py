"""From a recipe and the machines at hand to the exact training command: pure functions.

The AutoAssist paper's appendix names the GPUs, the tokens per GPU, the budget of tokens seen and
the averaging; the optimiser and the model are those of the Transformer papers that it builds on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.words import Options, model_size

PAPER_GPUS = 8
# Policies that no paper has by themselves: hopeless pairs are cut beside them.
OURS = ("uniform", "competence")
PAPER_TOKENS_SEEN = 6e9
CPU_OPTIONS = {"--cpu": None, "--distributed-backend": "gloo", "--ddp-backend": "legacy_ddp"}


@dataclass(frozen=True)
class Recipe:
    """What the paper fixes for one model.

    Attributes:
        name: ``base`` or ``big``.
        arch: fairseq's architecture.
        tokens_per_gpu: bound on a batch, padding included (``--max-tokens``).
        lr: peak learning rate.
        dropout: in [0, 1).
        precision: ``fp32``, ``fp16`` or ``bf16``.
        tokens_seen: training budget in tokens.
        warmup: updates until the peak learning rate.
        size: options that change the model's size.
    """

    name: str
    arch: str
    tokens_per_gpu: int
    lr: float
    dropout: float
    precision: str
    tokens_seen: float = PAPER_TOKENS_SEEN
    warmup: int = 4000
    size: Options = field(default_factory=dict)

    @property
    def tokens_per_update(self) -> int:
        """Tokens of one update on the paper's 8 GPUs."""
        return PAPER_GPUS * self.tokens_per_gpu

    def tiny(self) -> Recipe:
        """Return the same recipe at a size that trains on one CPU in seconds."""
        return replace(
            self,
            tokens_per_gpu=self.tokens_per_gpu // 10,
            lr=5e-3,
            dropout=0.1,
            precision="fp32",
            tokens_seen=2e5,
            warmup=50,
            size=model_size(layers=1, width=64, heads=4),
        )


RECIPES = {
    "base": Recipe("base", "transformer_wmt_en_de", 5000, 7e-4, 0.1, "fp32"),
    "big": Recipe("big", "transformer_vaswani_wmt_en_de_big", 3000, 5e-4, 0.3, "fp16"),
}


@dataclass(frozen=True)
class Batching:
    """How one update is spread over processes and micro-batches.

    Attributes:
        processes: GPUs of all nodes.
        update_freq: micro-batches per process and update.
        max_tokens: bound on one micro-batch.
    """

    processes: int
    update_freq: int
    max_tokens: int


def fit_batching(
    tokens_per_update: int, tokens_per_gpu: int, processes: int, update_freq: int | None = None
) -> Batching:
    """Spread an update so that its tokens stay the paper's, whatever the number of GPUs.

    Args:
        tokens_per_update: what to keep.
        tokens_per_gpu: what a GPU holds at once; ignored when ``update_freq`` is given.
        processes: GPUs of all nodes.
        update_freq: micro-batches per update; None for the fewest that fit.

    Raises:
        UserError: a number is below 1, or a micro-batch would hold no token.
    """
    wanted = {"--tokens-per-gpu": tokens_per_gpu, "--gpus": processes, "--update-freq": update_freq}
    for option, value in wanted.items():
        if value is not None and value < 1:
            raise UserError(f"`{option}` must be at least 1, but is {value}.")
    steps = update_freq or math.ceil(tokens_per_update / (tokens_per_gpu * processes))
    max_tokens = round(tokens_per_update / (steps * processes))
    if max_tokens < 1:
        raise UserError(
            f"`--update-freq` {steps} on {processes} GPUs leaves no token of {tokens_per_update} "
            "per update for a batch; choose smaller numbers."
        )
    return Batching(processes, steps, max_tokens)


def updates_for(tokens_seen: float, tokens_per_update: float) -> int:
    """Return the updates that train on at least ``tokens_seen`` tokens.

    Raises:
        UserError: a number is not finite or not above 0.
    """
    for option, n in {
        "--tokens-seen": tokens_seen,
        "--tokens-per-update": tokens_per_update,
    }.items():
        if not 0 < n < math.inf:
            raise UserError(f"`{option}` must be a finite number above 0, but is {n:g}.")
    return math.ceil(tokens_seen / tokens_per_update)


def train_options(
    recipe: Recipe, batching: Batching, updates: int, policy: str, user_dir: str
) -> dict[str, object]:
    """Return every option of ``fairseq-train`` but those of one user's run."""
    options: dict[str, object] = {
        "--user-dir": user_dir,
        "--task": "autoassist_translation",
        "--autoassist-policy": policy,
        "--arch": recipe.arch,
        "--share-all-embeddings": None,
        **recipe.size,
        "--dropout": recipe.dropout,
        "--weight-decay": 0.0,
        "--criterion": "label_smoothed_cross_entropy",
        "--label-smoothing": 0.1,
        "--optimizer": "adam",
        "--adam-betas": "(0.9, 0.98)",
        "--clip-norm": 0.0,
        "--lr": recipe.lr,
        "--lr-scheduler": "inverse_sqrt",
        "--warmup-updates": recipe.warmup,
        "--warmup-init-lr": 1e-07,
        "--max-tokens": batching.max_tokens,
        "--update-freq": batching.update_freq,
        "--max-update": updates,
        "--keep-last-epochs": 10,  # what the paper averages
        "--log-format": "json",
        "--log-interval": 100,
    }
    if policy not in OURS:  # as published, the others look for no hopeless pairs
        options["--autoassist-hopeless"] = "off"
    if recipe.precision != "fp32":
        options[f"--{recipe.precision}"] = None
    return options


def launcher(torchrun: str, gpus: int, nodes: int, rendezvous: str | None) -> list[str]:
    """Return what stands before ``fairseq-train``: torchrun, or nothing for a single process.

    Raises:
        UserError: several nodes without a place to meet.
    """
    if nodes < 1:
        raise UserError(f"`--nodes` must be at least 1, but is {nodes}.")
    if nodes > 1 and not rendezvous:
        raise UserError(
            f"`--nodes` {nodes} needs `--rendezvous HOST:PORT`, the first node's address, the same "
            "on each node; start the script on every node."
        )
    if nodes * gpus == 1:
        return []
    where = ["--standalone"]
    if nodes > 1:
        where = ["--nnodes", str(nodes), "--rdzv-backend", "c10d", "--rdzv-id", "autoassist"]
        where += ["--rdzv-endpoint", str(rendezvous)]
    return [torchrun, *where, "--nproc-per-node", str(gpus)]
