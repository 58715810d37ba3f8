"""The notebook's limit: read as a person writes it, set, and told. What happens at it is `stopping`'s."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cellheap import _core
from cellheap.later import Later
from cellheap.units import bytes_text, parse_bytes

if TYPE_CHECKING:
    from cellheap import stopping
else:
    stopping = Later("cellheap.stopping")

RIGHT = "a limit is a size such as '2G', a percentage such as '80%', or 'off'"

_PERCENT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*%", re.ASCII)


class LimitError(ValueError):
    """A limit that cannot be set; one line says what would be right."""


def parse_limit(text: str) -> int | None:
    """`2G`, `80%` or `off` in bytes; None is no limit. A percentage is of what the container may use, or of
    the machine's memory."""
    text = text.strip()
    if text.lower() == "off":
        return None
    percent = _PERCENT.fullmatch(text)
    try:
        most = parse_bytes(text) if percent is None else _of_container(float(percent["number"]), text)
    except LimitError:
        raise
    except ValueError:
        raise LimitError(f"{RIGHT}, not {text!r}") from None
    if most <= 0:
        raise LimitError(f"{RIGHT}; {text!r} would leave nothing")
    return most


def _of_container(percent: float, text: str) -> int:
    if percent > 100:
        raise LimitError(f"a percentage is at most 100%, not {text!r}")
    container = _core.container()
    if container is None:
        raise LimitError("how much memory there is cannot be known here: give a size such as '2G'")
    return int(container[0] * percent / 100)


def apply(text: str) -> None:
    """Sets the limit that the text says. LimitError says why that cannot be; nothing is changed then."""
    most = parse_limit(text)
    if most is None and _core.limit_state()[0] is None:
        return
    try:
        if most is not None:
            stopping.watch()
        _core.limit_set(most)
    except RuntimeError as error:
        why = _core.trace_note() or f"{error}"
        raise LimitError(f"a limit needs allocations to be recorded: {why}") from None
    stopping.unwatch()


def tell(text: str) -> str:
    """What holds now, in one or two sentences; `text` is what the user set."""
    most, live = _core.limit_state()
    if most is None:
        return "No limit is set; `%memtrace limit 2G` or `%memtrace limit 80%` sets one."
    said = f"The limit is {bytes_text(most)}{_share(text)}; {bytes_text(live)} are live."
    if not _core.tracing():
        return f"{said} Nothing is recorded now, so it is not watched: `%memtrace start` records."
    if live > most:
        return f"{said} They are past it already: the next cell that allocates is stopped."
    return f"{said} A cell that goes past it is stopped with CellMemoryLimit."


def _share(text: str) -> str:
    container = _core.container()
    if "%" not in text or container is None:
        return ""
    return f" ({text.strip()} of {container[1]}, {bytes_text(container[0])})"
