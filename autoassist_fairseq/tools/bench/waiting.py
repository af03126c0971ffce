"""How long a Boss as fast as 80 GPUs waits for the BossQueue."""

from __future__ import annotations

import time

import numpy as np

from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.worker import Worker
from autoassist_fairseq.tools.bench.planning import GROUP, make_planner
from autoassist_fairseq.tools.bench.rows import Row

UPDATE_SECONDS = 0.030  # for 40,000 tokens: 10 times what a node with 8 V100 does
TIMEOUT = 60.0


def row(corpus: Corpus, updates: int, target: float) -> Row:
    """Let a stub Boss train on ``updates`` of a shrinking pass; it sleeps instead of computing."""
    planner = make_planner(corpus, warmup_passes=0)
    whole = planner.begin_pass(1, GROUP).updates
    updates = min(updates, whole)
    worker = Worker(planner, 0, TIMEOUT)
    waits, elapsed = train(worker, updates)
    worker.close()
    # Only the first window of a pass is waited for by design: its part of the whole pass counts.
    first, later = waits[0] / (elapsed * whole / updates), sum(waits[1:]) / elapsed
    return Row(
        "Boss waiting on the BossQueue, 40k tokens every 30 ms, % of its time",
        100 * (first + later),
        target,
        "{:.3f}",
        beside=f"{updates:,} of {whole:,} updates in {elapsed:.1f} s, {len(waits)} windows; "
        f"{1e3 * waits[0]:.1f} ms for the first, {1e3 * max(waits[1:], default=0):.1f} ms at most "
        "later",
    )


def train(worker: Worker, updates: int) -> tuple[list[float], float]:
    """Return the seconds waited for each plan, and the seconds in all."""
    rng = np.random.default_rng(0)
    waits: list[float] = []
    worker.start()
    begin = time.perf_counter()
    done = 0
    while done < updates:
        plan, waited = worker.boss_queue.get(TIMEOUT, worker.situation)
        waits.append(waited)
        for update in range(plan.first_update, min(plan.end_update, updates)):
            pairs = sum(map(len, plan.update(update)))
            time.sleep(UPDATE_SECONDS)
            losses = rng.gamma(4, 1, pairs).astype(np.float32)
            worker.assistant_queue.put(Feedback(plan.pass_index, update, losses))
            done += 1
    return waits, time.perf_counter() - begin
