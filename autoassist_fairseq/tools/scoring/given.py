"""The checkpoints that ``autoassist evaluate`` is given, looked at before PyTorch is loaded."""

from __future__ import annotations

import argparse

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.languages import Languages

_CHECKPOINT = (b"PK", b"\x80")  # how files of torch.save begin: today's, and those before 1.6


def check(args: argparse.Namespace) -> None:
    """Require checkpoints, or a folder that may hold some; `UserError` if there are none."""
    if not args.checkpoints.exists():
        raise UserError(f"`--checkpoints` {args.checkpoints} must exist, but is not there.")
    chosen = [f for f in ("--average", "--updates", "--best") if getattr(args, f[2:]) is not None]
    if chosen and not args.checkpoints.is_dir():
        raise UserError(
            f"`{chosen[0]}` needs a folder of checkpoints, but `--checkpoints` {args.checkpoints} "
            "is one file, which is evaluated as it is; leave it out."
        )
    if args.checkpoints.is_file():
        with args.checkpoints.open("rb") as file:
            if not file.read(2).startswith(_CHECKPOINT):
                raise UserError(
                    f"`--checkpoints` must be a checkpoint, or a folder of some, but "
                    f"{args.checkpoints} is another file; give what fairseq-train wrote."
                )


def languages(args: argparse.Namespace) -> Languages:
    """Return source and target language: as given, or else as the run had them."""
    if args.source_lang or args.target_lang:
        return args.source_lang, args.target_lang
    files = [args.checkpoints]
    if args.checkpoints.is_dir():
        files = sorted(args.checkpoints.glob(f"checkpoint*{args.checkpoint_suffix}.pt"))
    if not files:  # averaging says so
        return None, None
    # PyTorch takes seconds; the errors before come at once.
    from autoassist_fairseq.tools.common.checkpoints import languages_in

    return languages_in(files[-1], "--checkpoints")
