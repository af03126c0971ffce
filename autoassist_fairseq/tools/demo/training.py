"""Training one arm: started or resumed, shown as it goes, its epochs written down."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

import autoassist_fairseq
from autoassist_fairseq.tools.common.training_log import Log, Reader
from autoassist_fairseq.tools.dataprep.binarise import outputs
from autoassist_fairseq.tools.dataprep.files import read_json, write_json
from autoassist_fairseq.tools.dataprep.manifest import versions
from autoassist_fairseq.tools.dataprep.progress import bar, say, tick
from autoassist_fairseq.tools.dataprep.steps import Step
from autoassist_fairseq.tools.demo.child import lines_of
from autoassist_fairseq.tools.demo.results import Epoch, last_epoch
from autoassist_fairseq.tools.demo.settings import ARMS, DemoSettings, train_flags

EPOCHS = "epochs.json"
CHECKPOINT = "checkpoint_last.pt"
_BAR = "{desc} {percentage:3.0f}%|{bar}| pass {n:.1f} of {total} [{elapsed}<{remaining}{postfix}]"


def train_step(settings: DemoSettings, arm: str) -> Step:
    """The step that trains ``arm`` to its last epoch."""
    folder = settings.arm(arm)
    flags = train_flags(settings, ARMS[arm])
    options = {"flags": flags, "versions": versions(), "code": _code_digest()}

    def work() -> dict[str, int]:
        epochs = _train(settings, arm, flags, options)
        return {"epochs": len(epochs), "tokens": sum(epoch.tokens for epoch in epochs)}

    data = outputs(settings.data / "bin", ("en", "de"), ("train", "valid"))
    return Step(f"train-{arm}", data, (folder / CHECKPOINT, folder / EPOCHS), options, work)


def read_epochs(folder: Path) -> list[Epoch]:
    """The epochs of an arm that are complete, in order."""
    content = read_json(folder / EPOCHS) or {"epochs": []}
    return [Epoch(**epoch) for epoch in content["epochs"]]


def _train(
    settings: DemoSettings, arm: str, flags: list[str], options: Mapping[str, Any]
) -> list[Epoch]:
    folder = settings.arm(arm)
    open_folder(folder, options)
    epochs = _saved_epochs(folder)
    reader = Reader()
    package = Path(autoassist_fairseq.__file__).parent
    command = [
        str(settings.data / "bin"),
        *("--user-dir", str(package), "--save-dir", str(folder)),
        *flags,
    ]
    with bar(desc=arm, total=settings.epochs, initial=len(epochs), bar_format=_BAR) as shown:
        lines = lines_of("fairseq-train", command, folder / "train.log", threads=settings.threads)
        for line in lines:
            told = reader.feed(line, time.monotonic()) if line is not None else None
            _show(shown, reader.log)
            if told and told.kind == "train" and reader.log.train:
                epoch = last_epoch(reader.log)
                epochs = [*(e for e in epochs if e.epoch < epoch.epoch), epoch]
                write_json(folder / EPOCHS, {"epochs": [asdict(e) for e in epochs]})
                say(_sentence(arm, epoch))
    return epochs


def open_folder(folder: Path, options: Mapping[str, Any]) -> None:
    """Make an arm's folder, or keep it, with its checkpoint, if it was begun with ``options``."""
    started = folder / "started.json"
    if read_json(started) != options:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(started, options)


def _saved_epochs(folder: Path) -> list[Epoch]:
    # Without a checkpoint, training starts over, whatever was written down.
    return read_epochs(folder) if (folder / CHECKPOINT).exists() else []


def _show(shown: tqdm[Any], log: Log) -> None:
    if not log.inner:
        shown.set_postfix_str("starting", refresh=False)
    else:
        now = log.inner[-1].figures
        shown.set_postfix_str(f"loss {now['loss']:.2f}, {now['wps']:,.0f} tokens/s", refresh=False)
        shown.n = now["update"]
    tick(shown)


def _sentence(arm: str, epoch: Epoch) -> str:
    kept = "" if epoch.keep_tokens is None else f", {epoch.keep_tokens:.0%} kept"
    return (
        f"{arm}, pass {epoch.epoch}: {epoch.tokens:,} tokens{kept}, {epoch.seconds:.1f} s, "
        f"validation NLL {epoch.valid_loss:.2f} bits"
    )


def _code_digest() -> str:
    # Whoever changes the method wants to see the change, not an earlier result.
    package = Path(autoassist_fairseq.__file__).parent
    rings = [package / ring for ring in ("assistant", "schedule", "plugin")]
    files = [package / "settings.py", *(file for ring in rings for file in ring.glob("*.py"))]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()
