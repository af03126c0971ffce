#!/usr/bin/env python
"""Check the plug-in on a GPU: no added synchronisation, overflow, precision, and what a step costs.

Prints one Markdown table. ``--device cpu`` runs what a CPU can show.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from fairseq import utils
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate
from fairseq.models.transformer import TransformerConfig, TransformerModelBase

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin import loss_tap
from autoassist_fairseq.plugin.feedback import Collector, Ticket
from autoassist_fairseq.plugin.loss_tap import LossTap
from autoassist_fairseq.schedule.messages import Feedback

# Transformer base and big (Vaswani et al. 2017); tiny is for a look at this script on a CPU.
SHAPES = {"tiny": (32, 64, 2, 2), "base": (512, 2048, 6, 8), "big": (1024, 4096, 6, 16)}
WORDS = 32_000
LENGTH = 27
# What the tap adds to a forward pass.
TAPPING = ("token_losses", "pair_losses")


class Bench:
    """One Transformer, one criterion and one batch on a device, in one precision."""

    def __init__(self, shape: str, dtype: torch.dtype, device: torch.device, tokens: int) -> None:
        torch.manual_seed(0)
        words = Dictionary()
        for word in range(WORDS if shape != "tiny" else 100):
            words.add_symbol(f"w{word}")
        task: Any = SimpleNamespace(source_dictionary=words, target_dictionary=words)
        self.device = device
        self.model = TransformerModelBase.build_model(config(shape), task).to(device, dtype)
        self.criterion = LabelSmoothedCrossEntropyCriterion(task, False, 0.1).to(device)
        self.tap = LossTap(self.criterion)
        sample = batch(words, max(2, tokens // LENGTH))
        self.sample = utils.apply_to_sample(lambda tensor: tensor.to(device), sample)
        self.pairs = len(self.sample["id"])
        self.order = torch.arange(self.pairs, device=device).flip(0)
        self.delivered: list[Feedback] = []
        self.collector = Collector(1, self.delivered.append)
        self._update = 0

    def step(self, tapped: bool, strict: bool = False) -> torch.Tensor:
        """Run forward and backward, and what the plug-in adds if ``tapped``.

        If ``strict``, nothing that it adds may wait for the GPU.
        """
        self.model.zero_grad(set_to_none=True)
        ticket = Ticket(1, self._update, 0, 1, 0, self.pairs, 0)
        self._update += 1
        self.tap.listening = tapped
        if tapped:
            self.collector.begin(ticket)
        quiet = waiting_is_an_error(strict and self.device.type == "cuda")
        added: dict[str, Any] = {name: quiet(getattr(loss_tap, name)) for name in TAPPING}
        with mock.patch.multiple(loss_tap, **added):
            loss: torch.Tensor = self.criterion(self.model, self.sample)[0]
        loss.backward()
        if tapped:
            with quiet:
                self.collector.add(ticket, self.order, self.tap.take())
                self.collector.end(ticket)
        return loss

    def delivered_losses(self) -> Any:
        """Return the losses [P] of the last step, which was tapped."""
        self.collector.flush()
        return self.delivered[-1].losses

    def milliseconds(self, tapped: bool) -> float:
        """Return how long one step takes."""
        self.wait()
        begin = time.perf_counter()
        self.step(tapped)
        self.wait()
        return 1e3 * (time.perf_counter() - begin)

    def wait(self) -> None:
        """Wait until the device is idle."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def config(shape: str) -> TransformerConfig:
    """Return the configuration of a Transformer."""
    width, inner, layers, heads = SHAPES[shape]
    cfg = TransformerConfig()
    cfg.share_all_embeddings, cfg.dropout = True, 0.1
    for side in (cfg.encoder, cfg.decoder):
        side.embed_dim, side.ffn_embed_dim = width, inner
        side.layers, side.attention_heads = layers, heads
    cfg.decoder.input_dim = cfg.decoder.output_dim = width
    return cfg


def batch(words: Dictionary, pairs: int) -> Any:
    """Return a collated batch of random pairs of 5 to `LENGTH` words."""
    rng = np.random.default_rng(0)

    def sentence() -> torch.Tensor:
        drawn = rng.integers(words.nspecial, len(words), rng.integers(5, LENGTH))
        return torch.from_numpy(np.append(drawn, words.eos()))

    rows = [{"id": i, "source": sentence(), "target": sentence()} for i in range(pairs)]
    return collate(rows, words.pad(), words.eos())


@contextmanager
def waiting_is_an_error(strict: bool) -> Iterator[None]:
    """Make every operation that waits for the GPU raise, if ``strict``."""
    if strict:
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if strict:
            torch.cuda.set_sync_debug_mode("default")


def adds_no_synchronisation(bench: Bench) -> str:
    """Run every line of ours in a step where waiting for the GPU is an error (not fairseq's)."""
    bench.step(tapped=True)  # allocations of the first step may wait
    bench.collector.flush()
    bench.step(tapped=True, strict=True)
    losses = bench.delivered_losses()
    return f"none; {np.isfinite(losses).all() and (losses > 0).all()} finite losses delivered"


def overflow_is_missing(bench: Bench) -> str:
    """Spoil the model so that losses overflow; they must arrive as missing."""
    spoilt = next(bench.model.decoder.parameters())
    before = spoilt.detach().clone()
    with torch.no_grad():
        spoilt.fill_(float("nan"))
    bench.step(tapped=True)
    with torch.no_grad():
        spoilt.copy_(before)
    missing = float((bench.delivered_losses() < 0).mean())
    if missing != 1:
        raise UserError(f"an overflowed update must arrive as missing, but {missing:.0%} did")
    return "all missing"


def step_times(bench: Bench, repeats: int) -> str:
    """Return the median milliseconds of a step without and with the tap, taken in turns."""
    turns = [[bench.milliseconds(tapped) for tapped in (False, True)] for _ in range(repeats + 3)]
    medians = map(statistics.median, zip(*turns[3:], strict=True))  # the first ones warm up
    return " / ".join(f"{median:.2f}" for median in medians)


def same_numbers(bench: Bench) -> str:
    """Compare loss and gradients with and without the tap, to the bit."""
    results = []
    for tapped in (False, True):
        torch.manual_seed(1)
        loss = bench.step(tapped)
        gradients = [p.grad for p in bench.model.parameters() if p.grad is not None]
        results.append([loss.detach(), *gradients])
    bench.collector.flush()
    return "identical" if all(map(torch.equal, *results)) else "DIFFERENT"


def rows(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield (what, result) for every check."""
    device = torch.device(options.device)
    for shape in options.shapes.split(","):
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            if device.type == "cpu" and dtype == torch.float16:
                continue
            name = f"{shape}, {str(dtype).removeprefix('torch.')}"
            bench = Bench(shape, dtype, device, options.tokens)
            yield f"{name}: synchronisation added", adds_no_synchronisation(bench)
            yield f"{name}: loss and gradients with the tap", same_numbers(bench)
            yield f"{name}: overflowed losses", overflow_is_missing(bench)
            times = step_times(bench, options.repeats)
            yield f"{name}: step without / with tap, ms", times


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="autoassist check-gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--shapes", default="base,big", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--tokens", type=int, default=3000, help="padded tokens per batch")
    parser.add_argument("--repeats", type=int, default=30, help="steps timed for each median")
    options = parser.parse_args(argv)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "`--device` must be one that torch sees, but cuda is not available here; run this on "
            "a machine with a GPU, or use `--device cpu` for what a CPU can show."
        )
    machine = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(f"| {machine}, torch {torch.__version__} | |\n|---|---|")
    for what, result in rows(options):
        print(f"| {what} | {result} |", flush=True)
    return 0
