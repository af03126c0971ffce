"""How fairseq sees it: the only importer of fairseq. Importing this registers the task."""

from __future__ import annotations

from autoassist_fairseq.plugin import border
from autoassist_fairseq.plugin.task import AutoAssistTranslationTask

__all__ = ["AutoAssistTranslationTask"]

border.install()
