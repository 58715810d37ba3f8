"""How a result is shown: sentences, tables with bars, pictures and folded details as one output bundle.

Knows front ends and what they strip; knows nothing of memory. An untrusted notebook shows the same, so: no
script, no ids, no `var()`, colours in hex, all on a light card that reads in a light and in a dark theme.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

from cellheap.units import bytes_text, signed_bytes_text

JSON_TYPE = "application/vnd.cellheap.v1+json"
TEXT_WIDTH = 80
#: An output's HTML stays below this; what does not fit is left out and said so.
HTML_LIMIT = 50_000

# Lighter forms of the colours of src/chart/theme.rs: ink on a bar has 4.5:1, a bar on the card 3:1.
LIVE, PEAK, ALLOCATED = "#3f97d1", "#cc7a1f", "#8c8c8c"
_CARD, _INK, _QUIET, _RULE = "#ffffff", "#1f2328", "#57606a", "#d0d7de"

_BOX = (
    f"background:{_CARD};color:{_INK};border:1px solid {_RULE};border-radius:6px;padding:10px 14px;"
    "margin:4px 0;max-width:800px;overflow-x:auto;font-size:13px;line-height:1.4;text-align:left"
)
_TABLE = f"border-collapse:collapse;margin:8px 0;color:{_INK};font-size:13px"
_CAPTION = f"text-align:left;color:{_QUIET};padding:2px 0"
_ROW = f"background:{_CARD};color:{_INK}"
_HEAD = f"background:{_CARD};color:{_INK};border-bottom:1px solid {_INK}"
_LEFT = "text-align:left;padding:2px 10px 2px 4px"
_RIGHT = "text-align:right;padding:2px 6px 2px 14px;white-space:nowrap"


class Part(Protocol):
    """A piece of an output."""

    def html(self) -> str:
        """The piece for a browser."""
        ...

    def text(self) -> str:
        """The piece in at most `TEXT_WIDTH` columns; empty where a terminal goes without it."""
        ...


@dataclass(frozen=True)
class Size:
    """A number of bytes in a table; `None` reads as a dash: not known."""

    n: int | None
    signed: bool = False

    def __str__(self) -> str:
        if self.n is None:
            return "-"
        return signed_bytes_text(self.n) if self.signed else bytes_text(self.n)


@dataclass(frozen=True)
class Column:
    """A column of a table. With a colour its numbers get a bar; `strip` is the one a terminal draws too."""

    head: str
    colour: str = ""
    strip: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Size]]

    def html(self) -> str:
        most = [self._most(at) for at in range(len(self.columns))]
        heads = "".join(
            f'<th scope="col" style="{_RIGHT if self._is_number(at) else _LEFT}">{escape(column.head)}</th>'
            for at, column in enumerate(self.columns)
        )
        body = "".join(
            f'<tr style="{_ROW}">'
            + "".join(self._cell(at, cell, most[at]) for at, cell in enumerate(row))
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<table style="{_TABLE}"><caption style="{_CAPTION}">{escape(self.caption)}</caption>'
            f'<thead><tr style="{_HEAD}">{heads}</tr></thead><tbody>{body}</tbody></table>'
        )

    def _cell(self, at: int, cell: str | Size, most: int) -> str:
        shown = escape(str(cell))
        if at == 0:
            return f'<th scope="row" style="{_LEFT}">{shown}</th>'
        style = _RIGHT if isinstance(cell, Size) else _LEFT
        colour = self.columns[at].colour
        if colour and isinstance(cell, Size) and cell.n and cell.n > 0 and most:
            share = f"{100 * cell.n / most:.1f}%"
            style += f";background:linear-gradient(to right,{colour} {share},{_CARD} {share})"
        return f'<td style="{style}">{shown}</td>'

    def _most(self, at: int) -> int:
        return max((_bytes(row[at]) for row in self.rows), default=0)

    def _is_number(self, at: int) -> bool:
        return any(isinstance(row[at], Size) for row in self.rows)

    def text(self) -> str:
        grid = [
            [column.head for column in self.columns],
            *([str(cell) for cell in row] for row in self.rows),
        ]
        widths = [max(len(row[at]) for row in grid) for at in range(len(self.columns))]
        over = sum(widths) + 2 * (len(widths) - 1) - TEXT_WIDTH
        if over > 0:
            widths[0] = max(8, widths[0] - over)
        lines = [self._text_row(row, widths) for row in grid]
        strip = next((at for at, column in enumerate(self.columns) if column.strip), None)
        room = TEXT_WIDTH - 2 - max(map(len, lines))
        if strip is not None and room >= 5:
            most = self._most(strip)
            for at, row in enumerate(self.rows, 1):
                lines[at] += "  " + bar_text(getattr(row[strip], "n", 0) or 0, most, min(room, 20))
        return "\n".join(
            line.rstrip()[:TEXT_WIDTH] for line in [*textwrap.wrap(self.caption, TEXT_WIDTH), *lines]
        )

    def _text_row(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [clip(row[0], widths[0]).ljust(widths[0])]
        for at, cell in enumerate(row[1:], 1):
            cells.append(cell.rjust(widths[at]) if self._is_number(at) else cell.ljust(widths[at]))
        return "  ".join(cells)


def _bytes(cell: str | Size) -> int:
    return (cell.n or 0) if isinstance(cell, Size) else 0


@dataclass(frozen=True)
class Picture:
    """A drawing, and the same in words. A terminal has the words of the tables."""

    svg: str
    alt: str

    def html(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        style = "max-width:100%;margin:6px 0"
        return f'<img alt="{escape(self.alt)}" style="{style}" src="data:image/svg+xml;base64,{data}">'

    def text(self) -> str:
        return ""


@dataclass(frozen=True)
class Words:
    """A paragraph; a quiet one is for what must be said beside the numbers."""

    words: str
    quiet: bool = False

    def html(self) -> str:
        style = f"margin:6px 0;color:{_QUIET};font-size:12px" if self.quiet else f"margin:6px 0;color:{_INK}"
        return f'<p style="{style}">{escape(self.words)}</p>'

    def text(self) -> str:
        return textwrap.fill(self.words, TEXT_WIDTH, break_on_hyphens=False)


@dataclass(frozen=True)
class Folded:
    """Details behind a summary. `browser_only` where a terminal would be swamped."""

    summary: str
    parts: Sequence[Part]
    browser_only: bool = False

    def html(self) -> str:
        inner = "".join(part.html() for part in self.parts)
        return (
            f'<details style="margin:6px 0"><summary style="color:{_INK}">{escape(self.summary)}</summary>'
            f"{inner}</details>"
        )

    def text(self) -> str:
        return (
            ""
            if self.browser_only
            else join_text([self.summary + ":", *(part.text() for part in self.parts)])
        )


@dataclass(frozen=True)
class Bundle:
    """One output: the answer as a sentence, then parts; `data` are its raw numbers."""

    sentence: str
    parts: Sequence[Part]
    data: Mapping[str, Any]

    def html(self) -> str:
        parts = [part.html() for part in self.parts]
        left_out = 0
        while sum(map(len, (part.encode() for part in parts))) > HTML_LIMIT - 2_000 and parts:
            parts.remove(max(parts, key=len))
            left_out += 1
        if left_out:
            parts.append(
                Words(f"Too long to show: {left_out} of the parts. The result has their numbers.").html()
            )
        answer = f'<p style="margin:0 0 6px 0;color:{_INK};font-size:14px"><b>{escape(self.sentence)}</b></p>'
        return f'<div style="{_BOX}">{answer}{"".join(parts)}</div>'

    def text(self) -> str:
        return join_text([Words(self.sentence).text(), *(part.text() for part in self.parts)])

    def mimebundle(self) -> dict[str, Any]:
        """What `_repr_mimebundle_` returns."""
        return {
            "text/html": self.html(),
            "text/plain": self.text(),
            JSON_TYPE: dict(self.data),
        }


def join_text(pieces: Sequence[str]) -> str:
    """Pieces under each other with an empty line between, the empty ones left out."""
    return "\n\n".join(piece for piece in pieces if piece)


def bar_text(n: int, most: int, width: int) -> str:
    """A bar of full blocks; at least one where there is anything."""
    return "█" * max(1, round(width * n / most)) if n > 0 and most > 0 else ""


def clip(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis where it is too long."""
    return text if len(text) <= width else text[: width - 1] + "…"
