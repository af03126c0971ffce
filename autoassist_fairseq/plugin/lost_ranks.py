"""Errors of one rank that only say that another one has ended."""

from __future__ import annotations

import re
import sys

_LOST = re.compile(r"connection (closed|reset|refused)|broken pipe|socket", re.I)
# NCCL's name for an error, and what it rests on. Its general words on a system error, "(e.g.
# socket, malloc)", are the same whatever has failed; so are names such as socketStartConnect.
_NCCL = re.compile(r"^(nccl\w+): .*\n(?:Last error: *\n((?:(?!Exception raised).+\n?)*))?", re.M)
_NCCL_LOST = re.compile(r"connection (closed|reset|refused)|broken pipe|ncclRemoteError", re.I)


def of_a_lost_rank(text: str) -> str | None:
    """Return one sentence on an error's ``text`` if it is of a rank that is gone."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_initialized():
        return None
    said, why = _NCCL.search(text), ""
    if said is not None:
        text = why = " ".join(f"{said[1]}: {said[2] or ''}".split()).rstrip(":")
    if not (_LOST if said is None else _NCCL_LOST).search(text):
        return None
    return (
        f"another rank has ended, so this one ends too{why and f' ({why})'}; see what that one "
        "said, and give the same command again to go on from the last checkpoint."
    )
