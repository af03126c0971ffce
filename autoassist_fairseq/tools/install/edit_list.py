"""The edits that make fairseq 0.12.2 work on Python 3.10-3.13, NumPy 2 and torch >= 2.6."""

from __future__ import annotations

from autoassist_fairseq.tools.install.edit_lists.checkpoints import CHECKPOINTS
from autoassist_fairseq.tools.install.edit_lists.devices import DEVICES
from autoassist_fairseq.tools.install.edit_lists.edit import Edit as Edit
from autoassist_fairseq.tools.install.edit_lists.libraries import LIBRARIES
from autoassist_fairseq.tools.install.edit_lists.requirements import LOCAL_VERSION as LOCAL_VERSION
from autoassist_fairseq.tools.install.edit_lists.requirements import REQUIREMENTS
from autoassist_fairseq.tools.install.edit_lists.runs import RUNS

# In this order: later edits see what earlier ones made.
EDITS = (*REQUIREMENTS, *CHECKPOINTS, *DEVICES, *RUNS, *LIBRARIES)
