"""What ``autoassist evaluate`` writes into its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoassist_fairseq.errors import UserError


@dataclass(frozen=True)
class Outputs:
    """The files of one evaluation, in ``folder``.

    Those of another split than ``test`` bear its name: who finds plain ``hypotheses.txt``, as the
    report does, takes them for the test set's, and several splits lie beside each other.
    """

    folder: Path
    subset: str

    def _named(self, stem: str, suffix: str) -> Path:
        mark = "" if self.subset == "test" else f"-{self.subset}"
        return self.folder / f"{stem}{mark}{suffix}"

    @property
    def averaged(self) -> Path:
        """The mean of the checkpoints."""
        return self.folder / "averaged.pt"

    @property
    def generated(self) -> Path:
        """What fairseq-generate printed."""
        return self.folder / f"generate-{self.subset}.txt"

    @property
    def plain(self) -> Path:
        """The hypotheses as plain text."""
        return self._named("hypotheses", ".txt")

    @property
    def tokens(self) -> Path:
        """The hypotheses' tokens, on the Moses track."""
        return self._named("hypotheses", ".tok")

    @property
    def reference(self) -> Path:
        """The reference's tokens, on the Moses track."""
        return self._named("reference", ".tok")

    def spare(self, option: str, paths: Sequence[str]) -> None:
        """Require ``paths``, which ``option`` names and which are read again, to stay as they are.

        Raises:
            UserError: one of them, or what it links to, would be written over.
        """
        written = (self.averaged, self.generated, self.plain, self.tokens, self.reference)
        places = {path.resolve() for path in written}
        for path in paths:
            if Path(path).resolve() in places:
                raise UserError(
                    f"`{option}` must be a file that this run leaves alone, but {path} would be "
                    f"written over, since results go to {self.folder}; give another `--out`."
                )
