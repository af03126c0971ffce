"""Where a published corpus comes from, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.fetching.table import Corpus, Download
from autoassist_fairseq.tools.dataprep.fetching.transfer import Patience


@dataclass(frozen=True)
class Fetching:
    """Where a corpus comes from and goes to.

    Attributes:
        out: the folder that is filled; texts go to ``raw`` in it.
        lock: the lock file.
        source: folder in which the files are already; nothing is downloaded then.
        downloads: folder for what is downloaded.
        mirrors: URLs of folders that are tried before those of the table.
        accept_changed: take files that differ from the table or the lock file.
        patience: with servers.
    """

    out: Path
    lock: Path
    source: Path | None = None
    downloads: Path | None = None
    mirrors: tuple[str, ...] = ()
    accept_changed: bool = False
    patience: Patience = field(default_factory=Patience)

    def place(self, download: Download) -> Path:
        """Where a file is, or will be; ``--from`` may hold gzipped text unpacked."""
        if self.source is None:
            return (self.downloads or self.out / "downloads") / download.name
        place = self.source / download.name
        unzipped = place.with_suffix("")
        return unzipped if place.suffix == ".gz" and not place.is_file() else place


def check(corpus: Corpus, how: Fetching) -> None:
    """Check the settings, and that the files are there if they are to be.

    Raises:
        UserError: one sentence that lists every problem.
    """
    problems = [
        f"`--mirror` must be an http or https URL, but is {mirror!r}"
        for mirror in how.mirrors
        if not mirror.startswith(("http://", "https://"))
    ]
    if not how.patience.timeout > 0:
        problems.append(f"`--timeout` must be over 0, but is {how.patience.timeout}")
    if how.patience.tries < 1:
        problems.append(f"`--tries` must be at least 1, but is {how.patience.tries}")
    if problems:
        raise UserError("; ".join(problems) + ".")
    if how.source is None:
        return
    if not how.source.is_dir():
        raise UserError(f"`--from` must be a folder, but {how.source} is none; check the path.")
    places = map(how.place, corpus.downloads)
    missing = [str(path) for path in places if not path.is_file()]
    if missing:
        raise UserError(
            f"`--from` must hold the corpus's files, but {', '.join(missing)} is not there; "
            "download them, leave `--from` out to have them downloaded, or check the path."
        )
