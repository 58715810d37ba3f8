"""How numbers read in English: sizes, times, counts. Knows nothing of memory."""

from __future__ import annotations

import re

from cellheap._core import bytes_text as bytes_text

_NUMBER_AND_UNIT = re.compile(r"(\d) (?=(?:[KMGTPE]i)?B\b)")


def unbroken(text: str) -> str:
    """The text with numbers tied to their units."""
    return _NUMBER_AND_UNIT.sub("\\1\N{NO-BREAK SPACE}", text)


def signed_bytes_text(n: int) -> str:
    """As `bytes_text`, with a plus where bytes were added."""
    return ("+" if n > 0 else "") + bytes_text(n)


def seconds_text(seconds: float) -> str:
    """`0.4 ms`, `250 ms`, `1.25 s`, `12.5 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def count_text(n: int, one: str, many: str | None = None) -> str:
    """`1 block`, `2,000 blocks`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
