"""Every line of ours in one step of a Transformer: waits, numbers, overflow, weights, cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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
from autoassist_fairseq.plugin.weighting import WEIGHTS, add_weights
from autoassist_fairseq.probes.gpu.events import Events
from autoassist_fairseq.schedule.messages import Feedback

# Transformer base and big (Vaswani et al. 2017); tiny is for a look at this script on a CPU.
SHAPES = {"tiny": (32, 64, 2, 2), "base": (512, 2048, 6, 8), "big": (1024, 4096, 6, 16)}
WORDS = 32_000
LENGTH = 27
# What the tap adds to a forward pass.
TAPPING = ("token_losses", "pair_losses", "weighted_sum")


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
        self.weights = np.random.default_rng(0).integers(1, 4, self.pairs).astype(np.float64)
        self.lengths = sample["target"].ne(words.pad()).sum(-1).numpy()
        self.order = torch.arange(self.pairs, device=device).flip(0)
        self.delivered: list[Feedback] = []
        self.collector = Collector(1, self.delivered.append)
        self._update = 0

    def step(self, tapped: bool, strict: bool = False, weighted: bool = False) -> torch.Tensor:
        """Run forward and backward, and what the plug-in adds if ``tapped``.

        If ``strict``, nothing that it adds may wait for the GPU; weights are added on the way.
        """
        self.model.zero_grad(set_to_none=True)
        ticket = Ticket(1, self._update, 0, 1, 0, self.pairs, 0)
        self._update += 1
        self.tap.listening = tapped
        if tapped:
            self.collector.begin(ticket)
        quiet = partial(waiting_is_an_error, strict and self.device.type == "cuda")
        added: dict[str, Any] = {name: quiet()(getattr(loss_tap, name)) for name in TAPPING}
        sample = dict(self.sample)
        if weighted:
            with quiet():
                add_weights(sample, self.weights, self.lengths)
        with mock.patch.multiple(loss_tap, **added):
            loss: torch.Tensor = self.criterion(self.model, sample)[0]
        loss.backward()
        if tapped:
            with quiet():
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
    """Run every line of ours in steps where waiting for the GPU is an error (not fairseq's)."""
    for weighted in (False, True):
        bench.step(tapped=True, weighted=weighted)  # allocations of the first step may wait
        bench.collector.flush()
        bench.step(tapped=True, strict=True, weighted=weighted)
        losses = bench.delivered_losses()
        if not (np.isfinite(losses).all() and (losses > 0).all()):
            raise UserError("every loss of a step must be delivered, finite and above 0")
    return "no wait added, with weights and without"


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
    return "overflowed losses are missing"


def step_times(bench: Bench, repeats: int) -> str:
    """Return the median milliseconds of a step without and with the tap, taken in turns."""
    turns = [[bench.milliseconds(tapped) for tapped in (False, True)] for _ in range(repeats + 3)]
    medians = map(statistics.median, zip(*turns[3:], strict=True))  # the first ones warm up
    return " / ".join(f"{median:.2f}" for median in medians) + " ms a step without / with the tap"


def same_numbers(bench: Bench) -> str:
    """Compare loss and gradients with and without the tap, to the bit."""
    results = []
    for tapped in (False, True):
        torch.manual_seed(1)
        loss = bench.step(tapped)
        gradients = [p.grad for p in bench.model.parameters() if p.grad is not None]
        results.append([loss.detach(), *gradients])
    bench.collector.flush()
    if not all(map(torch.equal, *results)):
        raise UserError("loss and gradients must be the same with the tap, but differ")
    return "loss and gradients identical with the tap"


def weights_reach_the_loss(bench: Bench) -> str:
    """Compare a weighted loss with the sum over rows, weighted by hand."""
    torch.manual_seed(2)
    loss = float(bench.step(tapped=True, weighted=True).detach())
    bench.collector.flush()
    torch.manual_seed(2)
    with torch.no_grad():
        output = bench.model(**bench.sample["net_input"])
        tokens = bench.criterion.compute_loss(bench.model, output, bench.sample, reduce=False)[0]
    rows = tokens.view(bench.pairs, -1).double().sum(-1).cpu().numpy()
    by_hand = float(rows @ bench.weights)
    if abs(loss / by_hand - 1) > 1e-3:
        raise UserError(
            f"the weighted loss must be {by_hand:.6g}, summed by hand, but is {loss:.6g}"
        )
    return f"{WEIGHTS.partition('_')[2]} reach the loss"


def check(events: Events, shape: str, dtype: str, device: str, tokens: int, repeats: int) -> None:
    """Run every check with one Transformer; tell what each found."""
    bench = Bench(shape, getattr(torch, dtype), torch.device(device), tokens)
    checks: tuple[Callable[[Bench], str], ...] = (
        *(adds_no_synchronisation, same_numbers, overflow_is_missing, weights_reach_the_loss),
        lambda bench: step_times(bench, repeats),
    )
    for one in checks:
        try:
            events.write("line", ok=True, found=one(bench))
        except (UserError, RuntimeError) as error:
            events.write("line", ok=False, found=str(error).splitlines()[0])
