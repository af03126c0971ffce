"""``--tune-lr A,B,C``: the learning rate with which the first arm's validation loss is lowest.

Tuned for the first arm, used by all: a gain over a baseline with a poor rate is none.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Mapping, Sequence

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import read_json, write_json
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.common.words import value_of
from autoassist_fairseq.tools.compare import jobs
from autoassist_fairseq.tools.compare.arms import Arm
from autoassist_fairseq.tools.compare.jobs import Job
from autoassist_fairseq.tools.compare.pool import Pool
from autoassist_fairseq.tools.compare.training import last_validation
from autoassist_fairseq.tools.compare.work import train_shown

FOLDER = "tuning"


def rates_of(text: str) -> list[float]:
    """Read ``--tune-lr``.

    Raises:
        UserError: not two or more different numbers above 0.
    """
    try:
        rates = [float(word) for word in text.split(",")]
    except ValueError:
        rates = []
    if len(set(rates)) < max(len(rates), 2) or not all(0 < rate < float("inf") for rate in rates):
        raise UserError(
            "`--tune-lr` must be two or more different numbers above 0, such as 1e-3,2e-3,4e-3, "
            f"but is {text!r}."
        )
    return rates


def check_free(arms: Sequence[Arm], extra: Sequence[str]) -> None:
    """Require that nothing else sets the rate, and a first arm that stands alone.

    Raises:
        UserError: one rule is broken.
    """
    for words, where in ((extra, "--"), *((arm.flags, f"--arm {arm.name}") for arm in arms)):
        if value_of(words, "--lr") is not None:
            raise UserError(
                f"`{where}` must leave --lr to --tune-lr, which sets it for all arms, but gives "
                f"{value_of(words, '--lr')}; leave out one of the two."
            )
    if arms[0].needs:
        raise UserError(
            f"`--tune-lr` must tune a first arm that needs no other, but {arms[0].name} needs "
            f"{sorted(arms[0].needs)[0]}; put another arm first."
        )


def tuned(
    job: Job, rates: Sequence[float], side_by_side: int
) -> tuple[float, Mapping[float, float]]:
    """Train ``job`` with each of ``rates``; returns the best one, and each one's validation loss.

    Raises:
        UserError: a run failed, or none had a finite validation loss.
    """
    trials = {f"lr{rate:g}": (rate, _trial(job, rate)) for rate in rates}
    for _, trial in trials.values():
        jobs.check_started(trial)

    def work(name: str, slot: int, stop: threading.Event) -> None:
        _train(trials[name][1], slot, stop)

    failed = Pool(work, side_by_side).run(list(trials), {})
    if failed:
        name, sentence = next(iter(failed.items()))
        raise UserError(f"`--tune-lr` must end for every rate, but {name} failed: {sentence}")
    losses = {rate: _loss(trial) for rate, trial in trials.values()}
    best = min(losses, key=lambda rate: losses[rate])
    if losses[best] == math.inf:
        raise UserError(
            f"`--tune-lr` goes by the validation loss, but with none of {', '.join(trials)} it is "
            f"finite (the runs are in {job.out / FOLDER}); try lower rates."
        )
    say(f"tuned: {told(losses, best)}")
    return best, losses


def told(losses: Mapping[float, float], best: float) -> str:
    """Return a sentence on what was tried, and a warning where the best is at the edge."""
    figures = {rate: f"{loss:.3f}" for rate, loss in losses.items() if loss < math.inf}
    tried = ", ".join(f"{rate:g}: {figures.get(rate, 'not finite')}" for rate in sorted(losses))
    edge = best in (min(losses), max(losses))
    return (
        f"learning rate {best:g}, by the first arm's validation loss ({tried})"
        + (
            f"; warning: the {'largest' if best == max(losses) else 'smallest'} that was tried, so "
            "a better one may lie beyond"
        )
        * edge
    )


def _trial(job: Job, rate: float) -> Job:
    arm = dataclasses.replace(
        job.arm, name=f"lr{rate:g}", flags=(*job.arm.flags, "--lr", f"{rate:g}")
    )
    return dataclasses.replace(job, arm=arm, out=job.out / FOLDER, average=1)


def _train(trial: Job, slot: int, stop: threading.Event) -> None:
    if read_json(trial.folder / jobs.DONE) is not None:
        say(f"{trial.name}: done before, skipped")
        return
    jobs.begin(trial)
    loss = _trained(trial, slot, stop)
    if loss is None:
        say(f"{trial.name}: no finite validation loss: this rate is out")
    write_json(trial.folder / jobs.DONE, {**trial.account, "valid_loss": loss})


def _trained(trial: Job, slot: int, stop: threading.Event) -> float | None:
    """Train; returns the validation loss, None where training diverged."""
    try:
        train_shown(trial, slot, stop)
    except UserError as error:
        if "FloatingPointError" not in str(error):  # fairseq's, of gradients that are not finite
            raise
        return None
    return last_validation(trial.folder)


def _loss(trial: Job) -> float:
    content = read_json(trial.folder / jobs.DONE)
    assert content is not None
    loss = content["valid_loss"]
    return math.inf if loss is None else float(loss)
