"""AutoAssist for fairseq: an Assistant on the CPU says which sentence pairs are worth training on.

fairseq imports this package through ``--user-dir``; only then is the plug-in registered, so that
tools and the method itself start without paying for torch and fairseq. A program that imports this
package before fairseq registers the task with ``import autoassist_fairseq.plugin``.
"""

from __future__ import annotations

import sys

__version__ = "0.2.0"

if "fairseq" in sys.modules:
    from autoassist_fairseq import plugin  # noqa: F401
