"""Which checkpoint an interrupted arm goes on from."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from autoassist_fairseq.tools.dataprep.files import staged
from autoassist_fairseq.tools.dataprep.progress import say

LAST = "checkpoint_last.pt"
_EPOCH = re.compile(r"checkpoint(\d+)\.pt")


def mend_last(folder: Path) -> None:
    """See to it that the last checkpoint is whole, or that there is none.

    A kill while it is written may leave half of it. The newest whole checkpoint of an epoch takes
    its place then.
    """
    last = folder / LAST
    if is_whole(last) or not last.exists():
        return
    epochs = {
        int(found[1]): path for path in folder.iterdir() if (found := _EPOCH.fullmatch(path.name))
    }
    whole = [path for _, path in sorted(epochs.items(), reverse=True) if is_whole(path)]
    if whole:
        say(f"{last} is damaged: {whole[0].name} takes its place")
        with staged(last) as part:
            shutil.copyfile(whole[0], part)
    else:
        say(f"{last} is damaged, and there is no other: training starts over")
        last.unlink()


def is_whole(checkpoint: Path) -> bool:
    """Whether a file is what torch writes, from its beginning to its end."""
    try:
        with zipfile.ZipFile(checkpoint) as content:
            return content.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
