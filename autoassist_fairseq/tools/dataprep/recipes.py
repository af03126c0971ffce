"""What each known corpus is called and made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """A corpus whose files have known names.

    Attributes:
        languages: source and target.
        stems: for each split, the file's name up to the language.
        vocab_size: a size that suits it.
    """

    languages: tuple[str, str]
    stems: Mapping[str, str]
    vocab_size: int

    def files(self, folder: Path) -> dict[str, tuple[Path, Path]]:
        """The files of every split in ``folder``, gzipped or plain.

        Raises:
            UserError: one is missing; the message lists all that are.
        """
        if not folder.is_dir():
            raise UserError(f"`--from` must be a folder, but {folder} is none; check the path.")
        found = {
            split: tuple(_find(folder, f"{stem}.{name}") for name in self.languages)
            for split, stem in self.stems.items()
        }
        missing = [str(path) for pair in found.values() for path in pair if not path.is_file()]
        if missing:
            raise UserError(
                f"`--from` must hold the corpus's files (plain or .gz), but {', '.join(missing)} "
                "is not there; download them or check the path."
            )
        return {split: (pair[0], pair[1]) for split, pair in found.items()}


def _find(folder: Path, name: str) -> Path:
    zipped = folder / f"{name}.gz"
    return zipped if zipped.is_file() else folder / name


#: Multi30k task 1, English-German, with the 2016 Flickr test set.
MULTI30K = Recipe(
    languages=("en", "de"),
    stems={"train": "train", "valid": "val", "test": "test_2016_flickr"},
    vocab_size=8_000,
)
