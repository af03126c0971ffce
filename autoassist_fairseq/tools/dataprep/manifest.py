"""The account of a preparation, written beside its result when all of it is done."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import autoassist_fairseq
from autoassist_fairseq.tools.common.files import write_json
from autoassist_fairseq.tools.dataprep.settings import PrepSettings
from autoassist_fairseq.tools.dataprep.steps import Record

NAME = "manifest.json"
_PACKAGES = (
    *("fairseq", "sentencepiece", "subword-nmt", "sacremoses"),
    *("py3langid", "numpy", "torch"),
)


def version_of(package: str) -> str:
    """The installed version of a package, "none" when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def versions() -> dict[str, str]:
    """What made the result: this package, Python and the libraries."""
    return {
        "autoassist_fairseq": autoassist_fairseq.__version__,
        "python": platform.python_version(),
        **{package: version_of(package) for package in _PACKAGES},
    }


def write_manifest(settings: PrepSettings, records: Sequence[Record]) -> Path:
    """Write ``OUT/manifest.json``: versions, options, and every step with counts and digests."""
    path = settings.out / NAME
    write_json(
        path,
        {
            "format": 1,
            "versions": versions(),
            "options": _options(settings),
            "steps": [
                {name: value for name, value in asdict(record).items() if name != "key"}
                for record in records
            ],
            "files": {name: sha for record in records for name, sha in record.outputs.items()},
        },
    )
    return path


def _options(settings: PrepSettings) -> dict[str, Any]:
    options = asdict(settings)
    del options["out"]
    options["sources"] = {
        split: {source.name: list(map(str, source.files)) for source in sources}
        for split, sources in settings.sources.items()
    }
    return options
