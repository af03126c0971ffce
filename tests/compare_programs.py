"""Stand-ins for fairseq-train, -generate and -validate: lines, files and legs, no fairseq.

An update trains on 80 to 120 tokens, an epoch has 10 updates. ``--fail-at N`` ends training with an
error in update N; ``--wait SECONDS`` is what an update takes; with ``--overflow`` the last batch of
``--max-epoch`` makes none. A run's BLEU grows with its seed.
The best --lr is 0.003, the default.
With 0.05 the loss is no number, with more training fails of it.
cross_entropy logs its loss alone, as fairseq's does.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from autoassist_fairseq.tools.common import child

WORDS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"]
PAIRS = 40

_COMMON = """\
#!{python}
import json, random, sys, time, zipfile
from datetime import datetime
from pathlib import Path

def value(flag, default=""):
    found = [b for a, b in zip(sys.argv, sys.argv[1:]) if a == flag]
    return found[-1] if found else default
"""

_TRAIN = """
def say(name, text):
    print(f"{datetime.now():%Y-%m-%d %H:%M:%S} | INFO | {name} | {text}", flush=True)

folder = Path(value("--save-dir"))
last = folder / "checkpoint_last.pt"
policy, seed = value("--autoassist-policy"), int(value("--seed"))
say("fairseq_cli.train", f"{{'autoassist_policy': '{policy}'}}")
say("fairseq_cli.train", f"rate {value('--autoassist-rate')} whole {value('--autoassist-updates')}")
say("fairseq_cli.train", f"budget {value('--autoassist-budget')} of lr {value('--lr')}")
worse = abs(float(value("--lr")) - 0.003)
rate = value("--autoassist-rate")
if rate and not Path(rate).is_file():
    sys.exit("no such log")
done, passes = 0, int(value("--max-epoch", 0))  # batches
stop = int(value("--max-update", 10 * passes))
def made():
    return done - (done == 10 * passes and "--overflow" in sys.argv)
if last.exists():
    with zipfile.ZipFile(last) as content:
        done = int(content.read("updates"))
    say("fairseq.trainer", f"Loaded checkpoint {last} (epoch {done // 10 + 1} @ {made()} updates)")
else:
    say("fairseq.trainer", f"No existing checkpoint found {last}")
if float(value("--lr")) > 0.05:
    sys.exit("FloatingPointError: gradients are Nan/Inf")
while done < stop:
    epoch = done // 10 + 1
    say("fairseq_cli.train", "Start iterating over samples")
    while done < min(stop, 10 * epoch):
        if done + 1 == int(value("--fail-at", -1)):
            sys.exit("RuntimeError: out of luck")
        time.sleep(float(value("--wait", 0)))
        done += 1
        tokens = random.Random(100 * seed + done).randint(80, 120)
        figures = {"epoch": epoch, "update": round(done / 10, 3), "loss": "9", "wpb": str(tokens)}
        if made() == done:
            say("train_inner", json.dumps({**figures, "num_updates": str(done)}))
    if done == stop and not passes:
        say("fairseq_cli.train", f"Stopping training due to num_updates: {done} >= max_update")
    say("fairseq_cli.train", 'begin validation on "valid" subset')
    loss = "valid_loss" if value("--criterion") == "cross_entropy" else "valid_nll_loss"
    figures = {"epoch": epoch, loss: str(10 - done / 100 + worse if worse < 0.04 else float("nan"))}
    say("valid", json.dumps({**figures, "valid_num_updates": str(made())}))
    part = folder / "part"
    with zipfile.ZipFile(part, "w") as content:
        content.writestr("updates", str(done))
    part.replace(last)
    told = f"Saved checkpoint {last} (epoch {epoch} @ {made()} updates, score 5.0)"
    say("fairseq.checkpoint_utils", f"{told} (writing took 0.01 seconds)")
    say("fairseq_cli.train", f"end of epoch {epoch} (average epoch stats below)")
    figures = {"epoch": epoch, "train_wpb": "100", "train_num_updates": str(made())}
    say("train", json.dumps(figures))
say("fairseq_cli.train", "done training in 1.0 seconds")
"""

_GENERATE = """
path = Path(value("--path"))
seed = int(path.parent.name.rpartition("-")[2])
better = 0.2 * path.parent.name.startswith("shrink")
reference = Path({reference!r}).with_name(value("--gen-subset") + ".de")
for pair, line in enumerate(reference.read_text().splitlines()):
    draw = random.Random(f"{{path.parent.name}} {{pair}}")
    words = [w if draw.random() < 0.6 + 0.02 * seed + better else "falsch" for w in line.split()]
    print(f"H-{{pair}}\\t-0.5\\t{{' '.join(words)}}")
"""


_VALIDATE = """
loss = {"valid_loss": "4.25"}
if '"valid_nll_loss"' in Path(value("--path")).with_name("train.log").read_text():
    loss = {"valid_loss": "9.9", "valid_nll_loss": "4.25"}
print(json.dumps({"epoch": 1, **loss, "argv": sys.argv}))
"""


def make_data(folder: Path) -> Path:
    """Make the files of a binarised corpus that the runner looks at; its text beside it."""
    data, text = folder / "bin", folder / "text"
    data.mkdir(parents=True)
    text.mkdir()
    for language in ("en", "de"):
        (data / f"dict.{language}.txt").write_text("eins 1\n")
        for split in ("train", "valid", "test"):
            header = struct.pack("<9sQBQ", b"MMIDIDX\x00\x00", 1, 4, PAIRS)
            (data / f"{split}.en-de.{language}.idx").write_bytes(header + bytes(16))
            (data / f"{split}.en-de.{language}.bin").write_bytes(bytes(16))
    lines = [" ".join(WORDS[(pair + at) % 10] for at in range(8)) + "." for pair in range(PAIRS)]
    (text / "test.de").write_text("".join(f"{line}\n" for line in lines))
    return data


def use_fake_programs(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins in the place of fairseq's programs."""
    reference = str(data.parent / "text" / "test.de")
    for name, code in (
        ("fairseq-train", _TRAIN),
        ("fairseq-generate", _GENERATE.format(reference=reference)),
        ("fairseq-validate", _VALIDATE),
    ):
        path = folder / name
        path.write_text(_COMMON.format(python=sys.executable) + code, encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setattr(child, "program", lambda name: folder / name)
