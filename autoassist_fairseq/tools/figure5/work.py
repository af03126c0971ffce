"""All runs of ``autoassist figure5``, one after the other: none disturbs another's clock."""

from __future__ import annotations

import argparse
import hashlib
import itertools
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from zipfile import BadZipFile

import numpy as np

from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.common.progress import say
from autoassist_fairseq.tools.figure5 import job as jobs
from autoassist_fairseq.tools.figure5 import results, sets
from autoassist_fairseq.tools.figure5.images import Bytes, Files, small
from autoassist_fairseq.tools.figure5.job import Job
from autoassist_fairseq.tools.figure5.options import POLICIES
from autoassist_fairseq.tools.figure5.results import Arm
from autoassist_fairseq.tools.figure5.sets import SETS, ImageSet
from autoassist_fairseq.tools.figure5.training import Training
from autoassist_fairseq.tools.figure5.vision import torchvision

# Generations after which self-paced learning knows all images, in the paper.
MAXGEN = 20.0


def run(args: argparse.Namespace) -> tuple[dict[str, str], list[Arm]]:
    """Do what is not done yet; return what each set holds, and the arms."""
    import torch

    torchvision()
    check_device(args.device)
    torch.set_num_threads(args.threads)
    found, arms = {}, []
    # In this order, since `random` goes by what `shrink` skipped.
    policies = [name for name in POLICIES if name in args.policies]
    images = {name: sets.read(name, args.data) for name in args.set}
    for name, one in images.items():
        found[name] = one.found
        vectors = Vectors(_small(args, one), one.train.labels, one.classes)
        digest = hashlib.sha256(vectors.values.tobytes() + vectors.classes.tobytes()).hexdigest()
        runs: dict[tuple[int, str], dict[str, Any]] = {}
        for seed, policy in itertools.product(args.seeds, policies):
            beside = runs.get((seed, "shrink"))
            job = job_of(args, name, policy, seed, len(vectors), beside)
            runs[seed, policy] = do(job, one, vectors, digest)
        arms += [Arm.of(name, p, [runs[seed, p] for seed in args.seeds]) for p in policies]
    return found, arms


def job_of(
    args: argparse.Namespace, name: str, policy: str, seed: int, images: int, shrunk: Any
) -> Job:
    """Return the run of ``policy`` with ``seed`` on the set ``name`` of so many ``images``.

    ``shrunk`` is what ``shrink`` found with this seed, if it ran.
    """
    kind = SETS[name]
    batch = args.batch_size or kind.batch
    full = -(-images // batch)
    passes = args.passes or kind.passes
    updates = max(1, round(full * passes))
    rate = results.rates(shrunk) if policy == "random" and shrunk else (args.rate,)
    settings = Settings(
        policy=policy,
        base_prob=args.base_prob,
        lr=args.assistant_lr,
        rate=rate,
        pace=min(MAXGEN, passes) if args.pace is None else args.pace,
        presample=args.presample,
        difficulty="length",  # not of text, which images have none
        hopeless="off",
        updates=updates,
        seed=seed,
    )
    return Job(
        set=name,
        settings=settings,
        depth=args.depth,
        width=args.width or kind.width,
        lr=args.lr or kind.lr,
        momentum=args.momentum,
        batch=batch,
        updates=updates,
        every=max(1, full // args.tests),
        device=args.device,
        threads=args.threads,
        out=args.out,
    )


def do(job: Job, images: ImageSet, vectors: Vectors, digest: str) -> dict[str, Any]:
    """Return what the run ``job`` found; if it is not done, do what is left of it."""
    account = job.account(digest)
    found = jobs.finished(job, account)
    if found is not None:
        say(f"{job.name}: done before, skipped")
        return found
    progress = Training(job, images, vectors, account).run()
    found = asdict(progress)
    jobs.finish(job, account, found)
    last = progress.points[-1]
    say(
        f"{job.name}: {progress.images:,} images, {progress.seconds:.1f} s, "
        f"accuracy {last['accuracy']:.2%}"
    )
    return found


def check_device(device: str) -> None:
    """Raise `UserError` if torch cannot compute on ``device``."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        told = str(error).splitlines()[0]
        raise UserError(
            f"`--device` must be one that torch can use, but {device} is not ({told}); give cpu."
        ) from error


def _small(args: argparse.Namespace, images: ImageSet) -> Bytes:
    """Return the small copies of the training images; of files they are kept for the next time.

    Made again for other files: a run that goes on would take them for those that it began with.
    """
    if not isinstance(images.train, Files):
        return small(images.train)
    path, of = args.out / f"small-{images.name}.npz", images.train.digest
    with suppress(OSError, ValueError, KeyError, TypeError, BadZipFile), np.load(path) as kept:
        if str(kept["of"]) == of:
            copies: Bytes = kept["copies"]
            return copies
    made = small(images.train)
    with staged(path) as part, part.open("wb") as stream:
        np.savez(stream, of=of, copies=made)
    return made
