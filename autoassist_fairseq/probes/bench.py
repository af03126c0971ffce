"""``autoassist bench``: the Assistant against its targets, beside fairseq in the same run.

As a program, with ``--train TIMES.json DATA ...``, it is fairseq-train that writes down how long
its parts take.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fairseq.data import data_utils
from numpy.typing import NDArray

from autoassist_fairseq.tools.bench import command
from autoassist_fairseq.tools.bench.planning import BUDGET


def fairseq_packing(source: NDArray[Any], target: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Order and pack as ``LanguagePairDataset`` and ``FairseqTask`` do in 0.12.2."""
    indices = np.random.RandomState(1).permutation(len(source)).astype(np.int64)
    indices = indices[np.argsort(target[indices], kind="mergesort")]
    indices = indices[np.argsort(source[indices], kind="mergesort")]
    longest = np.maximum(source, target)[indices].astype(np.int64)
    batches: list[NDArray[np.int64]] = data_utils.batch_by_size(
        indices,
        num_tokens_fn=None,
        num_tokens_vec=longest,
        max_tokens=BUDGET.max_tokens,
        required_batch_size_multiple=BUDGET.multiple,
    )
    return batches


class Times:
    """Seconds of every update: the step, what of it is ours, sharing, and what is learned."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Any]] = {
            name: [] for name in ("step", "ours", "share", "learn", "epochs")
        }
        self._sums = {"ours": 0.0, "share": 0.0, "learn": 0.0}
        self._tokens = 0

    @contextmanager
    def part(self, name: str, clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
        """Add the time within to ``name`` of this update."""
        begin = clock()
        try:
            yield
        finally:
            self._sums[name] += clock() - begin

    def step(self, train_step: Callable[..., Any]) -> Callable[..., Any]:
        """Return fairseq's ``train_step``, its updates written down."""

        def timed(trainer: Any, samples: Any, *args: Any, **kwargs: Any) -> Any:
            self._tokens += sum(sample["ntokens"] for sample in samples)
            self._sums.update(ours=0.0, share=0.0)
            begin = time.perf_counter()
            result = train_step(trainer, samples, *args, **kwargs)
            self.seen["step"].append(time.perf_counter() - begin)
            for name, value in self._sums.items():
                self.seen[name].append(value)
            self._sums["learn"] = 0.0
            return result

        return timed

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Write down one epoch."""
        self._tokens = 0
        begin, cpu = time.perf_counter(), time.process_time()
        yield
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        self.seen["epochs"].append({"seconds": seconds, "cpu": cpu, "tokens": self._tokens})


def train(times: Path, words: list[str]) -> None:
    """Be ``fairseq-train`` with the arguments ``words``, and write ``times``."""
    from fairseq.trainer import Trainer
    from fairseq_cli import train as program

    from autoassist_fairseq.plugin import feedback, loss_tap, metrics
    from autoassist_fairseq.schedule.planner import Planner

    clock = Times()
    ours = clock.part("ours")
    for owner, method, timed in (
        (loss_tap, "token_losses", ours),
        (loss_tap, "pair_losses", ours),
        (feedback.Collector, "begin", ours),
        (feedback.Collector, "add", ours),
        (feedback.Collector, "end", clock.part("share")),
        (feedback.Collector, "end", ours),
        (metrics.UpdateLog, "write", ours),
        (Planner, "learn", clock.part("learn", time.thread_time)),
        (Trainer, "train_step", clock.step),
        (program, "train", clock.epoch()),
    ):
        setattr(owner, method, timed(getattr(owner, method)))
    sys.argv = ["fairseq-train", *words]
    program.cli_main()
    times.write_text(json.dumps(clock.seen))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; return 1 if a target was missed."""
    return command.main(fairseq_packing, argv)


if __name__ == "__main__":  # a child of `autoassist bench`
    train(Path(sys.argv[2]), sys.argv[3:])
