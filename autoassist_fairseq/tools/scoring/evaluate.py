"""From checkpoints to labelled figures (logic of ``autoassist evaluate``).

average -> ``fairseq-generate`` -> detokenise -> score, each step the tool that stands alone too.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from autoassist_fairseq.errors import UserError, run_main
from autoassist_fairseq.tools.common.child import lines_of
from autoassist_fairseq.tools.common.files import (
    check_unsplit,
    clear_os_errors,
    locked,
    not_files,
    write_lines,
)
from autoassist_fairseq.tools.common.words import split_at_dashes
from autoassist_fairseq.tools.scoring import command as scoring
from autoassist_fairseq.tools.scoring import generated as generation
from autoassist_fairseq.tools.scoring import given, layout
from autoassist_fairseq.tools.scoring.metrics import bootstrap_seed
from autoassist_fairseq.tools.scoring.outputs import Outputs
from autoassist_fairseq.tools.scoring.split import Split, find_split
from autoassist_fairseq.tools.scoring.text import check_lengths, read_lines

# Our options, and those of averaging: what it says of them, we say of ours.
_THEIR = {
    "--checkpoints": "--inputs",
    "--out": "--output",
    "--average": "--num-epoch-checkpoints",
    "--updates": "--num-update-checkpoints",
    "--best": "--num-best-checkpoints",
}


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist evaluate``."""
    p = argparse.ArgumentParser(
        prog="autoassist evaluate",
        description="Average checkpoints, translate, detokenise and score.",
        epilog="What follows -- goes to fairseq-generate as it is, for example: -- --cpu",
    )
    add = p.add_argument
    add("data", type=Path, metavar="DATA", help="binarised corpus")
    checkpoints = "folder of checkpoints, or one checkpoint to evaluate as it is"
    add("--checkpoints", required=True, type=Path, metavar="PATH", help=checkpoints)
    add("--ref", nargs="+", metavar="FILE", help="plain reference(s) (default: text/ beside DATA)")
    add("--checkpoint-suffix", default="", metavar="TEXT", help="as in training")
    number = p.add_mutually_exclusive_group()
    for flag, what in (
        ("--average", "average the last N epoch checkpoints (default: 10)"),
        ("--updates", "average the last N update checkpoints instead"),
        ("--best", "average the N best instead"),
    ):
        number.add_argument(flag, type=int, metavar="N", help=what)
    where = "for results (default: evaluation/ beside the checkpoints)"
    add("--out", type=Path, metavar="DIR", help=where)
    scoring.add_corpus_options(p, "the checkpoint")
    add("--beam", type=int, default=4, help="default: 4")
    add("--lenpen", type=float, default=0.6, help="length penalty (default: 0.6)")
    add("--max-tokens", type=int, default=4000, help="a batch (default: 4000)")
    for flag in ("--chrf", "--ter", "--json"):
        add(flag, action="store_true", help="see autoassist score --help")
    baseline = "plain output of another system, for significance (its hypotheses.txt, elsewhere)"
    add("--baseline", metavar="FILE", help=baseline)
    return p


@clear_os_errors()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the chain; the figures go to stdout."""
    own, extra = split_at_dashes(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(own)
    generation.check_flags(extra, "--")
    given.check(args)
    check_unsplit("DATA", args.data)
    option = "--checkpoints" if args.checkpoints.is_file() or not args.out else "--out"
    check_unsplit(option, args.out if option == "--out" else args.checkpoints)
    split = find_split(args.data, args.gen_subset, *given.languages(args))
    args.ref = layout.references(args.data, args.gen_subset, split.target, args.ref)
    pairs = _check(args, split)
    out = Outputs(args.out or _folder(args.checkpoints) / "evaluation", args.gen_subset)
    out.spare("--ref", args.ref)
    out.spare("--baseline", [args.baseline] if args.baseline else [])
    with locked(out.folder):  # two that share it would score each other's translations
        return _evaluate(args, split, out, extra, pairs)


def _evaluate(
    args: argparse.Namespace, split: Split, out: Outputs, extra: Sequence[str], pairs: int
) -> int:
    model = _average(args, out.averaged)
    _generate([*_generate_options(args, model, split), *extra], out.generated, pairs)
    scored = _detokenise(args, split, out)
    return scoring.main([*scored, *_score_options(args, split.target)], args.gen_subset)


def _check(args: argparse.Namespace, split: Split) -> int:
    """Find the mistakes that would only show after minutes; return the number of pairs."""
    args.spm = generation.find_model(args.data, split.target, args.spm, args.detokenise)
    _check_stays("--ref", args.ref)
    _check_stays("--baseline", [args.baseline] if args.baseline else [])
    texts = {}
    for path in args.ref:
        lines = texts[f"`--ref` {path}"] = read_lines(path, "--ref")
        scoring.check_plain_reference(path, lines, args.plain_ref)
    pairs = len(lines) if split.pairs is None else split.pairs
    if args.baseline:
        bootstrap_seed()
        texts[f"`--baseline` {args.baseline}"] = read_lines(args.baseline, "--baseline")
    check_lengths({**texts, f"`--gen-subset` {args.gen_subset}": range(pairs)})
    return pairs


def _check_stays(option: str, paths: Sequence[str]) -> None:
    """Require what is read now, and once the translations are there, to be there twice."""
    told = not_files(Path(path) for path in paths if path == "-" or Path(path).exists())
    if told:
        raise UserError(
            f"`{option}` must be a file, since it is read again once the translations are there, "
            f"but {told}; write it to one first."
        )


def _folder(checkpoints: Path) -> Path:
    return checkpoints if checkpoints.is_dir() else checkpoints.parent


def _average(args: argparse.Namespace, output: Path) -> Path:
    if args.checkpoints.is_file():
        return Path(args.checkpoints)
    # PyTorch is needed for this step only; errors of the options above come at once.
    from autoassist_fairseq.tools.averaging import command as averaging

    chosen = {"--average": args.average, "--updates": args.updates, "--best": args.best}
    flag, count = next(((f, n) for f, n in chosen.items() if n is not None), ("--average", 10))
    options = ["--inputs", str(args.checkpoints), "--output", str(output), _THEIR[flag], str(count)]
    options.append(f"--checkpoint-suffix={args.checkpoint_suffix}")
    try:
        averaging.run(averaging.parser().parse_args(options))
    except UserError as error:
        told = str(error)
        for ours, theirs in _THEIR.items():
            told = told.replace(f"`{theirs}`", f"`{ours}`")
        raise UserError(told) from error
    return output


def _generate_options(args: argparse.Namespace, model: Path, split: Split) -> list[str]:
    options = {
        "--path": model,
        "--gen-subset": args.gen_subset,
        "--source-lang": split.source,
        "--target-lang": split.target,
        "--beam": args.beam,
        "--lenpen": args.lenpen,
        "--max-tokens": args.max_tokens,
    }
    return [str(args.data), *(str(part) for pair in options.items() for part in pair)]


def _generate(options: list[str], output: Path, pairs: int) -> None:
    print(f"$ fairseq-generate {shlex.join(options)} > {output} 2>&1", file=sys.stderr)
    output.unlink(missing_ok=True)
    with tqdm(total=pairs, unit="pair", desc="translate", mininterval=1.0) as bar:
        for line in lines_of("fairseq-generate", options, output):
            bar.update(line is not None and line.startswith("H-"))


def _detokenise(args: argparse.Namespace, split: Split, out: Outputs) -> list[str]:
    """Write hypotheses as plain text and return what to score, as options of autoassist score."""
    track = args.detokenise
    lines = generation.read_generated(out.generated)
    plain = generation.plain_text(lines.hypotheses, track, split.target, args.spm)
    options = ["--sys", _write(out.plain, plain), "--ref", *args.ref]
    reference = _reference_tokens(args, lines.targets, split) if track == "moses" else None
    if reference is not None:
        # The model's own tokens, as published figures on Moses-tokenised data are computed
        system = _write(out.tokens, generation.words(lines.hypotheses, track))
        reference_file = _write(out.reference, reference)
        options += ["--tokenised-sys", system, "--tokenised-ref", reference_file]
    return options


def _reference_tokens(
    args: argparse.Namespace, targets: Sequence[str], split: Split
) -> list[str] | None:
    """Return the reference's tokens, as prepared or as the dictionary has all of them."""
    prepared = layout.tokens(args.data, args.gen_subset, split.target)
    if prepared is not None:
        return read_lines(prepared, "DATA")
    unknown = sum(generation.UNKNOWN in line for line in targets)
    if not unknown:
        return generation.words(targets, "moses")
    print(
        f"warning: {unknown} lines of the reference hold symbols that the dictionary lacks; the "
        "tokenised figures are of plain text, cut as Moses does.",
        file=sys.stderr,
    )
    return None


def _score_options(args: argparse.Namespace, target: str) -> list[str]:
    names = ("chrf", "ter", "json", "plain_ref")
    flags = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name)]
    return ["--lang", target, *flags, *(["--baseline", args.baseline] if args.baseline else [])]


def _write(path: Path, lines: Sequence[str]) -> str:
    write_lines(path, lines)
    return str(path)


if __name__ == "__main__":
    run_main(main)
