"""An interrupt that comes while the kernel starts. Owns that it came; imports nothing."""


class Early:
    """Remembers, as a signal handler, that somebody wants no longer what they asked for."""

    interrupted = False

    def note(self, *_: object) -> None:
        self.interrupted = True

    def take(self) -> bool:
        """Whether an interrupt came. It is forgotten."""
        interrupted, self.interrupted = self.interrupted, False
        return interrupted


early = Early()
