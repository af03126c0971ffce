"""Translating the test set and scoring it."""

from __future__ import annotations

from pathlib import Path

from autoassist_fairseq.tools.dataprep.binarise import outputs
from autoassist_fairseq.tools.dataprep.files import staged
from autoassist_fairseq.tools.dataprep.manifest import version_of
from autoassist_fairseq.tools.dataprep.progress import bar, tick
from autoassist_fairseq.tools.dataprep.steps import Step
from autoassist_fairseq.tools.demo.child import lines_of
from autoassist_fairseq.tools.demo.settings import DemoSettings
from autoassist_fairseq.tools.demo.training import CHECKPOINT
from autoassist_fairseq.tools.scoring.generated import plain_text, read_generated
from autoassist_fairseq.tools.scoring.metrics import Figure, detokenised_bleu, plain_metric

_FLAGS = ("--beam", "4", "--max-tokens", "4000", "--gen-subset", "test")


def translate_step(settings: DemoSettings, arm: str) -> Step:
    """The step that translates the test set with ``arm``'s last checkpoint, without our task."""
    folder = settings.arm(arm)
    model = settings.data / "subwords" / "joint.model"
    data = outputs(settings.data / "bin", ("en", "de"), ("test",))

    def work() -> dict[str, int]:
        lines = _translate(settings, arm, model)
        with staged(translation(folder)) as part:
            part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return {"sentences": len(lines)}

    options = {"flags": list(_FLAGS), "fairseq": version_of("fairseq")}
    inputs = (folder / CHECKPOINT, model, *data)
    return Step(f"translate-{arm}", inputs, (translation(folder),), options, work)


def translation(folder: Path) -> Path:
    """The plain text of the translated test set."""
    return folder / "test.translated.de"


def score(settings: DemoSettings, arm: str) -> Figure:
    """SacreBLEU of the plain text, with its signature."""
    hypotheses = _lines(translation(settings.arm(arm)))
    references = _lines(settings.data / "text" / "test.de")
    return detokenised_bleu(hypotheses, [references], plain_metric("bleu", None, "de"))


def _translate(settings: DemoSettings, arm: str, model: Path) -> list[str]:
    folder = settings.arm(arm)
    log = folder / "translate.log"
    log.unlink(missing_ok=True)
    command = [
        *(str(settings.data / "bin"), "--path", str(folder / CHECKPOINT), *_FLAGS),
        *("--source-lang", "en", "--target-lang", "de", "--cpu"),
    ]
    total = settings.pairs["test"]
    with bar(desc=f"{arm}, translating", total=total, unit="sentence") as shown:
        for line in lines_of("fairseq-generate", command, log, threads=settings.threads):
            shown.update(line is not None and line.startswith("H-"))
            tick(shown)
    return plain_text(read_generated(log).hypotheses, "sentencepiece", "de", model)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
