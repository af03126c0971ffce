"""Words of a command line, and the options among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoassist_fairseq.errors import UserError

Options = Mapping[str, object]
"""Options and their values; None for a flag."""


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


def value_of(words: Sequence[str], flag: str) -> str | None:
    """Return what the last ``flag`` in ``words`` is given, else None."""
    found = None
    for at, word in enumerate(words):
        if word == flag and at + 1 < len(words):
            found = words[at + 1]
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
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
