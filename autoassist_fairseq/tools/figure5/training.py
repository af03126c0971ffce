"""A run: the Boss trains on what the planner's thread plans, and sends back what it lost."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.assistant.policies.rules import importance_draw
from autoassist_fairseq.schedule.folder import CORPUS, Folder
from autoassist_fairseq.schedule.messages import MISSING, Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.planner_state import convert
from autoassist_fairseq.schedule.streams import CHUNK, stream
from autoassist_fairseq.schedule.worker import Worker
from autoassist_fairseq.tools.figure5 import job as jobs
from autoassist_fairseq.tools.figure5.boss import Boss
from autoassist_fairseq.tools.figure5.job import Job
from autoassist_fairseq.tools.figure5.sets import ImageSet

# Seconds of training between two checkpoints, at least.
SAVE_SECONDS = 20.0
# What `PlanStats` says of a window that is kept.
NOTED = ("considered", "kept", "accuracy", "majority", "learned", "safeguard")


@dataclass
class Progress:
    """How far a run has come, and what it found.

    Attributes:
        updates: done.
        images: trained on.
        seconds: of training: planning and waiting for it count, testing and saving do not.
        processor: seconds of this process's threads meanwhile, whatever else the machine does.
        points: tests: images, seconds, processor, accuracy in [0, 1], loss in nats.
        windows: of every window: its pass, the images trained on before it, and `NOTED`.
    """

    updates: int = 0
    images: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    points: list[dict[str, float]] = field(default_factory=list)
    windows: list[dict[str, float]] = field(default_factory=list)


class Training:
    """One run from where it stands to its end.

    Args:
        job: what to do.
        images: to train and to test on.
        vectors: what the Assistant sees of the training images.
        account: what the results depend on; `jobs.Job.account`.
    """

    def __init__(
        self, job: Job, images: ImageSet, vectors: Vectors, account: dict[str, Any]
    ) -> None:
        self.job, self.images, self.account = job, images, account
        chunk = job.settings.presample if job.settings.policy == "importance" else 1
        folder = Folder.of(vectors, {CORPUS: account["images"]})
        self.planner = Planner(folder, Budget(0, job.batch * chunk), job.settings)
        self.worker = Worker(self.planner, 0, job.settings.timeout)
        self.boss = Boss(
            job.depth,
            job.width,
            images.classes,
            job.lr,
            job.momentum,
            job.settings.seed,
            job.device,
            job.batch,
        )
        self.progress = Progress()
        self._saved = 0.0
        self._resume()

    def run(self) -> Progress:
        """Train to the end; a run that is stopped goes on from its last checkpoint."""
        try:
            if not self.progress.points:
                self._test()
            while self.progress.updates < self.job.updates:
                self._pass()
        finally:
            self.worker.close()
        return self.progress

    def _pass(self) -> None:
        """Train on one pass, or the rest of one, or as much of it as is to be trained on."""
        self._start_clocks()
        planner, progress = self.planner, self.progress
        now = planner.current
        if now is None or planner.learned == now.updates:
            now = planner.begin_pass(now.index + 1 if now else self._next_pass, 1)
        first = planner.learned
        self.worker.start()
        plan: Plan | None = None
        for update in range(first, min(now.updates, first + self.job.updates - progress.updates)):
            if plan is None or update == plan.end_update:
                plan, _ = self.worker.next_plan()
                if update == plan.first_update:  # else it was noted before the run was stopped
                    told = {name: getattr(plan.stats, name) for name in NOTED}
                    progress.windows.append({**told, "pass": now.index, "images": progress.images})
            self._update(plan, update)
            progress.updates += 1
            if progress.updates % self.job.every == 0 or progress.updates == self.job.updates:
                self._stop_clocks()
                self._test()
                self._save_at_times()
                self._start_clocks()
        self.worker.settle()
        self._stop_clocks()

    def _start_clocks(self) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def _stop_clocks(self) -> None:
        self.progress.seconds += time.perf_counter() - self._begun[0]
        self.progress.processor += time.process_time() - self._begun[1]

    def _update(self, plan: Plan, update: int) -> None:
        """Train on one batch, and tell the Assistant."""
        [rows], [weights] = plan.update(update), plan.weights_of(update)
        train, chosen = self.images.train, slice(None)
        pixels, labels = train.read(rows), train.labels[rows]
        losses = np.full(len(rows), MISSING)
        if self.job.settings.policy == "importance":
            chosen, weights = self._drawn(plan, update, pixels, labels)
        elif weights is not None:  # they say who counts more, not how far a step goes
            weights = weights / weights.mean()
        losses[chosen] = self.boss.train(pixels[chosen], labels[chosen], weights)
        self.progress.images += len(labels[chosen])
        self.worker.assistant_queue.put(Feedback(plan.pass_index, update, losses))

    def _drawn(
        self, plan: Plan, update: int, pixels: NDArray[Any], labels: NDArray[Any]
    ) -> tuple[Any, NDArray[Any]]:
        """Return the rows that ``importance`` draws from a chunk, and their weights.

        A row that is drawn again weighs more: a batch of copies has no scatter.

        Half of each chance is the same for all: what is scored by the scatter of all batches, and
        trained by that of its own, would else have weights without bound.
        """
        settings, scores = self.job.settings, self.boss.scores(pixels, labels)
        scores = scores + scores.mean()
        rng = stream(CHUNK, settings.seed, plan.pass_index, update)
        drawn, weights = importance_draw(scores, max(1, len(labels) // settings.presample), rng)
        rows, which = np.unique(drawn, return_inverse=True)
        return rows, np.bincount(which, weights)

    def _test(self) -> None:
        accuracy, loss = self.boss.test(self.images.test)
        told = {name: getattr(self.progress, name) for name in ("images", "seconds", "processor")}
        self.progress.points.append({**told, "accuracy": accuracy, "loss": loss})

    def _save_at_times(self) -> None:
        done = self.progress.updates == self.job.updates
        if done or self.progress.seconds - self._saved < SAVE_SECONDS:
            return
        self._saved = self.progress.seconds
        self.worker.settle()
        state = {"planner": self.planner.state_dict(), "progress": asdict(self.progress)}
        jobs.save(self.job, self.account, {**state, "boss": self.boss.state_dict()})

    def _resume(self) -> None:
        import torch

        state = jobs.load(self.job, self.account)
        self._next_pass = 1
        if state is None:
            return
        self.planner.load_state_dict(
            convert(state["planner"], torch.Tensor, lambda tensor: tensor.numpy())
        )
        self.boss.load_state_dict(state["boss"])
        self.progress = Progress(**state["progress"])
        self._saved = self.progress.seconds
        self._next_pass = int(self.progress.windows[-1]["pass"]) + 1
