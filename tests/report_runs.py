"""Makes run folders and binarised data for the tests of the report, without fairseq."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.schedule.identity import FORMAT, identity
from autoassist_fairseq.tools.report.corpus import read_text

CLOCK = "2026-03-01 10:{:02d}:{:02d} | INFO | {} | {}"


class LogWriter:
    """Writes the lines that fairseq-train writes, on a clock of seconds."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0

    def say(self, message: str, name: str = "fairseq_cli.train") -> None:
        self.lines.append(CLOCK.format(*divmod(self.now, 60), name, message))

    def start(self, policy: str = "shrink") -> None:
        self.say(f"{{'_name': None, 'task': {{'autoassist_policy': '{policy}'}}}}")

    def epoch(
        self,
        number: int,
        updates: int,
        wpb: float,
        *,
        seconds: int,
        loss: float,
        beliefs: tuple[float, float, float] | None = None,
        bleu: float | None = None,
        validation: int = 7,
    ) -> None:
        """One epoch of training for ``seconds``, then a validation, which takes its own time."""
        told: dict[str, Any] = {}
        if beliefs:
            names = ("aa_accuracy", "aa_majority", "aa_safeguard")
            told = dict(zip(names, map(str, beliefs), strict=True))
        self.say("Start iterating over samples")
        self.now += seconds
        inner = {"epoch": number, "update": number, "loss": "9", "wpb": str(wpb), **told}
        self.say(json.dumps({**inner, "num_updates": str(updates)}), "train_inner")
        self.say('begin validation on "valid" subset')
        self.now += validation
        valid = {"epoch": number, "valid_loss": "9", "valid_nll_loss": str(loss)}
        valid |= {} if bleu is None else {"valid_bleu": str(bleu)}
        self.say(json.dumps({**valid, "valid_num_updates": str(updates)}), "valid")
        end = {"epoch": number, "train_loss": "9", "train_wpb": str(wpb)}
        end |= {f"train_{name}": value for name, value in told.items()}
        self.say(json.dumps({**end, "train_num_updates": str(updates)}), "train")

    def done(self) -> None:
        self.say("done training in 99.0 seconds")

    def write(self, folder: Path, name: str = "train.log") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(f"{line}\n" for line in self.lines))
        return folder


def plain_run(folder: Path) -> Path:
    """Three epochs of 10 updates of 100 tokens, 20 s each; BLEU 10, 20, 30."""
    log = LogWriter()
    log.start("off")
    for epoch in (1, 2, 3):
        log.epoch(epoch, 10 * epoch, 100, seconds=20, loss=6.0 - epoch, bleu=10.0 * epoch)
    log.done()
    return log.write(folder)


def shrunk_run(folder: Path) -> Path:
    """Three epochs of 10, 6 and 8 updates of 100 tokens, 20, 13 and 17 s."""
    log = LogWriter()
    log.start()
    log.epoch(1, 10, 100, seconds=20, loss=5.0, beliefs=(0, 0, 0.5))
    log.epoch(2, 16, 100, seconds=13, loss=3.5, beliefs=(0.8, 0.6, 0.55))
    log.epoch(3, 24, 100, seconds=17, loss=2.5, beliefs=(0.9, 0.7, 0.5))
    log.done()
    return log.write(folder)


def write_data(
    folder: Path,
    source: Sequence[str],
    target: Sequence[str],
    dtype: type[np.generic] = np.uint16,
    joint: bool = False,
) -> Path:
    """Write what fairseq-preprocess writes, en-de, by its format's description.

    With one dictionary of both languages, if it is ``joint``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in (("en", source), ("de", target)):
        counts: dict[str, int] = {}
        for word in " ".join([*source, *target] if joint else lines).split():
            counts[word] = counts.get(word, 0) + 1
        entries = "".join(f"{word} {count}\n" for word, count in counts.items())
        (folder / f"dict.{language}.txt").write_text(entries, encoding="utf-8")
        ids = {word: 4 + index for index, word in enumerate(counts)}
        tokens = [[*(ids[word] for word in line.split()), 2] for line in lines]
        sizes = np.array([len(one) for one in tokens], np.int32)
        item = np.dtype(dtype).itemsize
        pointers = ((np.cumsum(sizes) - sizes) * item).astype(np.int64)
        code = {2: 8, 4: 4}[item]
        header = struct.pack("<9sQBQ", b"MMIDIDX\x00\x00", 1, code, len(tokens))
        prefix = folder / f"train.en-de.{language}"
        Path(f"{prefix}.idx").write_bytes(header + sizes.tobytes() + pointers.tobytes())
        flat = [token for one in tokens for token in one]
        Path(f"{prefix}.bin").write_bytes(np.array(flat, dtype).tobytes())
    return folder


def write_checkpoint(
    folder: Path,
    data: Path,
    state: dict[str, Any],
    policy_state: dict[str, Any] | None = None,
    languages: tuple[str | None, str | None] = (None, None),
    **settings: Any,
) -> None:
    """Write the parts of a checkpoint that the report reads, of a run between ``languages``."""
    import torch

    text = read_text(data, *languages)
    corpus, pairs = text.corpus, np.arange(len(text.corpus))
    sizes = [side.sizes(pairs).astype(np.int32) for side in (corpus.source, corpus.target)]
    symbols = text.source.symbols, text.target.symbols
    chosen = {"policy": "shrink", "base_prob": 0.5, "features": ["length", "tokens"], **settings}
    autoassist = {
        "format": FORMAT,
        "fits": identity(corpus, np.zeros(0, np.int32), sizes, symbols),
        "settings": chosen,
        "assistant": _as_tensors(state),
        "policy": _as_tensors(policy_state or {"name": "shrink", "frozen": {}}),
    }
    torch.save(
        {
            "cfg": {"task": dict(zip(("source_lang", "target_lang"), languages, strict=True))},
            "model": {"weight": torch.zeros(1)},
            "extra_state": {"train_iterator": {"epoch": 2, "autoassist": autoassist}},
        },
        folder / "checkpoint_last.pt",
    )


def _as_tensors(value: Any) -> Any:
    import torch

    if isinstance(value, dict):
        return {key: _as_tensors(item) for key, item in value.items()}
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
