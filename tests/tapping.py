"""A small Transformer, a padded batch and the criteria for the tests of the loss tap.

Imports torch and fairseq, which takes seconds: import it from slow tests only.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from fairseq.criterions import FairseqCriterion
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate
from fairseq.models.transformer import TransformerConfig, TransformerModelBase

PAIRS, WORDS = 7, 30


def make_task() -> Any:
    """Return what models and criteria ask of a task: two dictionaries."""
    words = Dictionary()
    for word in range(WORDS):
        words.add_symbol(f"w{word}")
    return SimpleNamespace(source_dictionary=words, target_dictionary=words)


def make_criterion(name: str, task: Any) -> FairseqCriterion:
    """Return a new criterion."""
    if name == "cross_entropy":
        return CrossEntropyCriterion(task, False)
    options = {"ignore_prefix_size": 2, "report_accuracy": True} if "all" in name else {}
    return LabelSmoothedCrossEntropyCriterion(task, bool(options), 0.2, **options)


def make_model(task: Any) -> Any:
    """Return a Transformer of one layer, with dropout."""
    torch.manual_seed(0)
    cfg = TransformerConfig()
    for side in (cfg.encoder, cfg.decoder):
        side.embed_dim, side.ffn_embed_dim, side.layers, side.attention_heads = 16, 32, 1, 2
    cfg.decoder.input_dim = cfg.decoder.output_dim = 16
    return TransformerModelBase.build_model(cfg, task)


def make_sample(task: Any) -> Any:
    """Return pairs of different lengths, both sides padded; targets have 3 to 9 words."""
    random = torch.Generator().manual_seed(1)
    words = task.source_dictionary
    eos = torch.tensor([words.eos()])

    def sentence(length: int) -> torch.Tensor:
        return torch.cat([torch.randint(4, 4 + WORDS, (length,), generator=random), eos])

    pairs = [
        {"id": pair, "source": sentence(9 - pair), "target": sentence(2 + pair)}
        for pair in range(PAIRS)
    ]
    return collate(pairs, words.pad(), words.eos())


def step(criterion: FairseqCriterion, model: Any, sample: Any) -> tuple[Any, list[torch.Tensor]]:
    """Return what the criterion returns, and all gradients; dropout's mask is always the same."""
    model.train()
    model.zero_grad()
    torch.manual_seed(5)
    result = criterion(model, sample)
    result[0].backward()
    return result, [p.grad.clone() for p in model.parameters() if p.grad is not None]


def losses_row_by_row(model: Any, sample: Any, pad: int, skip: int) -> list[tuple[float, int]]:
    """Return each pair's summed loss, in float64 by torch's own function, and its words."""
    torch.manual_seed(5)
    model.train()
    with torch.no_grad():
        scores = torch.log_softmax(model(**sample["net_input"])[0].double(), -1)[:, skip:]
    losses = []
    for row, target in zip(scores, sample["target"][:, skip:], strict=True):
        words = target[target.ne(pad)]
        losses.append((F.nll_loss(row[: len(words)], words, reduction="sum").item(), len(words)))
    return losses
