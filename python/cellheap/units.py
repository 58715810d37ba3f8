"""How numbers read in English: sizes, times, counts. Knows nothing of memory."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import SupportsIndex

from cellheap._core import bytes_text as bytes_text

_NUMBER_AND_UNIT = re.compile(r"(\d) (?=(?:[KMGTPE]i)?B\b)")

_SIZE = re.compile(
    r"(?P<number>\d[\d_]*(?:\.\d+)?)\s*(?:(?P<power>[kmgt])(?P<kind>ib|b)?|b)?", re.ASCII | re.IGNORECASE
)


def parse_bytes(size: str | SupportsIndex) -> int:
    """A size as a person writes it: `10 MiB`, `2G`, `1.5 GB`, `4096`. K, M, G and T are powers of 1024 as
    KiB, MiB, GiB and TiB are; KB, MB, GB and TB are powers of 1000. ValueError or TypeError say what is
    right."""
    right = "a size is text such as '10 MiB' or '2G', or a whole number of bytes"
    if not isinstance(size, str):
        try:
            n = operator.index(size)
        except TypeError:
            raise TypeError(f"{right}, not {size!r}") from None
        if isinstance(size, bool) or n < 0:
            raise ValueError(f"{right}, not {size!r}")
        return n
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        raise ValueError(f"{right}, not {size!r}")
    power, kind = (found["power"] or "").lower(), (found["kind"] or "").lower()
    unit = (1000 if kind == "b" else 1024) ** ("kmgt".index(power) + 1 if power else 0)
    return int(float(found["number"]) * unit) if "." in found["number"] else int(found["number"]) * unit


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


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and 3 more`."""
    shown = [*names[:3], f"{len(names) - 3} more"] if len(names) > 4 else list(names)
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""
