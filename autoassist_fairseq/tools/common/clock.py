"""How long a run has trained, by the lines of its log."""

from __future__ import annotations

from autoassist_fairseq.log_lines import Line


class Clock:
    """Seconds of training: what validation and writing checkpoints take does not count."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.seen = False
        self._now: float | None = None
        self._running = False

    def feed(self, line: Line, now: float | None) -> None:
        """Take a line that was written ``now`` (seconds; None: not known)."""
        if now is not None:
            if self._running and self._now is not None:
                self.seconds += max(0.0, now - self._now)
            self.seen, self._now = True, now
        if line.kind or line.event == "start":
            self._running = True
        elif line.event == "validation":
            self._running = False
        elif line.event == "saved" and self._running:
            took = float(line.words["seconds"])
            # Stamps are whole seconds; shorter writing does not show in them.
            self.seconds -= min(float(int(took)) if now == line.time else took, self.seconds)

    def set_back(self, seconds: float) -> None:
        """Stand still at ``seconds``."""
        self.seconds, self._running = seconds, False

    @property
    def value(self) -> float | None:
        """The seconds; None if no line had a time."""
        return self.seconds if self.seen else None
