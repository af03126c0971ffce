"""Words of a command line, and the options among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from autoassist_fairseq.errors import UserError

Options = Mapping[str, object]
"""Options and their values; None for a flag."""
#: Other names of fairseq's options.
ALIASES = {
    "-a": "--arch", "-s": "--source-lang", "-t": "--target-lang",
    "--max-sentences": "--batch-size", "--max-sentences-valid": "--batch-size-valid",
    "--remove-bpe": "--post-process", "--local_rank": "--device-id",
    "--combine-val": "--combine-valid-subsets", "--nval": "--max-valid-steps",
    "--save-async": "--write-checkpoints-asynchronously",
}  # fmt: skip


def as_words(options: Options) -> list[str]:
    """Return options as words of a command line; a value of None is a flag."""
    words: list[str] = []
    for name, value in options.items():
        words += [name] if value is None else [name, str(value)]
    return words


def model_size(layers: int, width: int, heads: int) -> dict[str, object]:
    """Return the options of a Transformer of that size on both sides, feed-forward 4 ``width``."""
    sizes = {"layers": layers, "embed-dim": width, "ffn-embed-dim": 4 * width}
    sizes["attention-heads"] = heads
    sides = ("encoder", "decoder")
    return {f"--{side}-{name}": value for side in sides for name, value in sizes.items()}


def split_at_dashes(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line at the first ``--`` into our options and the inner tool's."""
    if "--" not in argv:
        return list(argv), []
    at = list(argv).index("--")
    return list(argv[:at]), list(argv[at + 1 :])


def option_in(word: str) -> tuple[str, str | None]:
    """Return the option that ``word`` names, by its first name, and its value if that is there."""
    name, sign, value = word.partition("=")
    if word[:2] in ALIASES and word[2:]:  # argparse takes -sde and -s=de for -s de
        name, sign, value = word[:2], "=", word[2:].removeprefix("=")
    return ALIASES.get(name, name), value if sign else None


def value_of(words: Sequence[str], flag: str) -> str | None:
    """Return what the last ``flag`` in ``words`` is given, by any of its names, else None."""
    found = None
    for word, following in zip_longest(words, words[1:]):
        name, value = option_in(word)
        if name == flag:
            found = following if value is None else value
    return found


def tokens_bound(words: Sequence[str]) -> int:
    """Return how many target tokens an update has at most.

    Raises:
        UserError: a number is none.
    """
    product = 1
    for flag, default in (
        ("--max-tokens", None),
        ("--update-freq", "1"),
        ("--distributed-world-size", "1"),
    ):
        value = value_of(words, flag) or default or ""
        try:
            number = max(int(part) for part in value.split(","))
        except ValueError:
            number = 0
        if number < 1:
            raise UserError(f"`{flag}` must be a whole number above 0, but is {value!r}.")
        product *= number
    return product
