"""How a result is shown: sentences, tables with bars, pictures and folded details as one output bundle.

Knows front ends and what they strip; knows nothing of memory. An untrusted notebook shows the same, so: no
script, no ids, no `var()`, colours in hex, all on a light card that reads in a light and in a dark theme.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

from cellheap import _core
from cellheap.config import WITH_PNG
from cellheap.fitting import OUTPUT_LIMIT, RAW_LIMITS, fitted, sent
from cellheap.units import bytes_text, signed_bytes_text, unbroken

JSON_TYPE = "application/vnd.cellheap.v1+json"
TEXT_WIDTH = 80
CUT = "Too much to show it all: the result has every number."

# The colours of src/chart/theme.rs.
LIVE, PEAK, ALLOCATED = "#0072b2", "#d55e00", "#777"
_CARD, _INK, _QUIET, _RULE = "#fff", "#1f2328", "#57606a", "#d0d7de"

_BOX = (
    f"background:{_CARD};color:{_INK};border:1px solid {_RULE};border-radius:6px;padding:10px 14px;"
    "margin:4px 0;max-width:800px;overflow-x:auto;font-size:13px;line-height:1.4;text-align:left;"
    "overflow-wrap:break-word"
)
_TABLE = f"border-collapse:collapse;margin:8px 0;color:{_INK};font-size:13px"
_CAPTION = f"text-align:left;color:{_QUIET};padding:2px 0"
_ROW = f"background:{_CARD}"
_HEAD = f"{_ROW};border-bottom:1px solid {_INK}"
_NUMBER = re.compile(r"[+-]?\d")
_HEIGHT = re.compile(r'<svg[^>]* height="(\d+)"')
#: Below the text of a cell its bar has room, nearer to it than the next row is.
_LABEL = "text-align:left;padding:5px 12px 5px 4px;font-weight:normal;max-width:420px"
_CELL = "padding:5px 6px 5px 16px"
#: What a line is not to be broken in: an arrow, an option.
_WHOLE = re.compile(r"-&gt;|--[a-z]+(?:-[a-z]+)*")
_WHOLE_SPAN = r'<span style="white-space:nowrap">\g<0></span>'


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
    """A number of bytes in a table; `None` reads as a dash: not known. Without a bar: a part of another."""

    n: int | None
    signed: bool = False
    bar: bool = True

    def __str__(self) -> str:
        if self.n is None:
            return "-"
        return signed_bytes_text(self.n) if self.signed else bytes_text(self.n)


@dataclass(frozen=True)
class Column:
    """A column of a table. With a colour its numbers get a bar; `strip` is the one a terminal draws too.
    There its text is cut to `width` characters, if it has a width."""

    head: str
    colour: str = ""
    strip: bool = False
    width: int = 0


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Size]]
    #: In a terminal a label may take a line of its own.
    long_labels: bool = False

    def html(self) -> str:
        most = [self._most(at) for at in range(len(self.columns))]
        heads = "".join(
            f'<th scope="col" {_place(at, self._is_number(at))}><b>{_tied(column.head)}</b></th>'
            for at, column in enumerate(self.columns)
        )
        body = "".join(
            f'<tr style="{_ROW}">'
            + "".join(self._cell(at, cell, most[at]) for at, cell in enumerate(row))
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<table style="{_TABLE}"><caption style="{_CAPTION}">{_words(self.caption)}</caption>'
            f'<thead><tr style="{_HEAD}">{heads}</tr></thead><tbody>{body}</tbody></table>'
        )

    def _cell(self, at: int, cell: str | Size, most: int) -> str:
        shown = _words(str(cell))
        if at == 0:
            return f'<th scope="row" {_place(at, False)}>{shown}</th>'
        colour, bar = self.columns[at].colour, ""
        if colour and most and (n := _bytes(cell)) > 0:
            share = f"{max(1, 90 * n // most)}%"
            bar = f"background:linear-gradient({colour},{colour}) 0 100%/{share} 4px no-repeat"
        if isinstance(cell, Size):
            shown = _tied(str(cell))
        return f"<td {_place(at, self._is_number(at), bar)}>{shown}</td>"

    def _most(self, at: int) -> int:
        return max((_bytes(row[at]) for row in self.rows), default=0)

    def _is_number(self, at: int) -> bool:
        cells = [row[at] for row in self.rows]
        return at > 0 and any(isinstance(cell, Size) or _NUMBER.match(cell) for cell in cells)

    def text(self) -> str:
        return "\n".join([wrapped(self.caption), self.body_text()])

    def body_text(self) -> str:
        """The table without its caption."""
        grid = [
            [column.head for column in self.columns],
            *([self._cut(at, str(cell)) for at, cell in enumerate(row)] for row in self.rows),
        ]
        widths = [max(len(row[at]) for row in grid) for at in range(len(self.columns))]
        over = sum(widths) + 2 * (len(widths) - 1) - TEXT_WIDTH
        if over > 0:
            widths[0] = max(8, widths[0] - over)
        lines = [self._text_row(row, widths) for row in grid]
        if self.long_labels and over > 0:
            return "\n".join(self._long_text(grid, lines, widths[0]))
        strip = next((at for at, column in enumerate(self.columns) if column.strip), None)
        room = TEXT_WIDTH - 2 - max(map(len, lines))
        if strip is not None and room >= 5:
            most = self._most(strip)
            for at, row in enumerate(self.rows, 1):
                lines[at] += "  " + bar_text(_bytes(row[strip]), most, min(room, 20))
        return "\n".join(line.rstrip()[:TEXT_WIDTH] for line in lines)

    def _cut(self, at: int, text: str) -> str:
        width = self.columns[at].width
        return clip(text, width) if width else text

    def _long_text(self, grid: Sequence[Sequence[str]], lines: Sequence[str], width: int) -> Iterator[str]:
        """A label that is longer than its column is on a line of its own."""
        for row, line in zip(grid, lines, strict=True):
            if len(row[0]) > width:
                yield clip(row[0], TEXT_WIDTH)
                yield (" " * width + line[width:]).rstrip()
            else:
                yield line.rstrip()

    def _text_row(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [clip(row[0], widths[0]).ljust(widths[0])]
        for at, cell in enumerate(row[1:], 1):
            cells.append(cell.rjust(widths[at]) if self._is_number(at) else cell.ljust(widths[at]))
        return "  ".join(cells)


def _place(at: int, is_number: bool, bar: str = "") -> str:
    side = 'align="right"' if is_number else 'align="left"'
    style = (
        _LABEL if at == 0 else ";".join(filter(None, (_CELL, "" if is_number else "text-align:left", bar)))
    )
    return f'{side} style="{style}"'


def _words(text: str) -> str:
    """Text as HTML in which lines break between words."""
    return _WHOLE.sub(_WHOLE_SPAN, escape(unbroken(text)))


def _tied(text: str) -> str:
    return escape(text).replace(" ", "\N{NO-BREAK SPACE}")


def _bytes(cell: str | Size) -> int:
    return (cell.n or 0) if isinstance(cell, Size) and cell.bar else 0


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
class Zoomable:
    """A drawing that can be looked at closer where scripts run; elsewhere it is a picture. `page` is SVG with
    a script of its own. A browser shows what is in a frame's element only where there are no frames."""

    svg: str
    alt: str
    page: str

    def html(self) -> str:
        height = _HEIGHT.search(self.page)
        style = f"width:100%;height:{int(height[1]) + 4 if height else 400}px;border:0;background:{_CARD}"
        page = self.page.replace("&", "&amp;").replace("'", "&#39;")
        picture = Picture(self.svg, self.alt).html()
        return f'<iframe title="{escape(self.alt)}" style="{style}" srcdoc=\'{page}\'>{picture}</iframe>'

    def text(self) -> str:
        return ""


@dataclass(frozen=True)
class Drawn:
    """Lines of text as a drawing for a terminal; a browser has a better one."""

    lines: str

    def html(self) -> str:
        return ""

    def text(self) -> str:
        return self.lines


@dataclass(frozen=True)
class Words:
    """A paragraph; a quiet one is for what must be said beside the numbers."""

    words: str
    quiet: bool = False

    def html(self) -> str:
        style = f"margin:6px 0;color:{_QUIET};font-size:12px" if self.quiet else f"margin:6px 0;color:{_INK}"
        return f'<p style="{style}">{_words(self.words)}</p>'

    def text(self) -> str:
        return wrapped(self.words)


@dataclass(frozen=True)
class Folded:
    """Details behind a summary. `browser_only` where a terminal would be swamped."""

    summary: str
    parts: Sequence[Part]
    browser_only: bool = False

    def html(self) -> str:
        summary = f'<summary style="color:{_INK}">{_words(self.summary)}</summary>'
        return (
            f'<details style="margin:6px 0">{summary}{"".join(part.html() for part in self.parts)}</details>'
        )

    def text(self) -> str:
        """In a terminal the summary takes the place of a table's caption."""
        if self.browser_only:
            return ""
        parts = (part.body_text() if isinstance(part, Table) else part.text() for part in self.parts)
        return "\n".join([wrapped(self.summary), join_text(list(parts))])


@dataclass(frozen=True)
class Bundle:
    """One output: the answer as a sentence, then parts; `data` are its raw numbers."""

    sentence: str
    parts: Sequence[Part]
    data: Mapping[str, Any]

    def whole_html(self) -> str:
        """Its HTML with every part, however long."""
        return self._html(self.parts)

    def html(self, most: int = OUTPUT_LIMIT) -> str:
        """Its HTML in at most so many bytes, as it is sent: the longest details go first, pictures last."""
        return self._fitted(most)[0]

    def _fitted(self, most: int) -> tuple[str, bool]:
        """The same, and whether all but details that a terminal goes without is in it."""
        parts = list(self.parts)
        html = self._html(parts)
        while sent(html) > most and _drop_one(parts):
            html = self._html([*parts, Words(CUT, quiet=True)])
        return html, all(part in parts for part in self.parts if not _is_detail(part))

    def _html(self, parts: Sequence[Part]) -> str:
        style = f"margin:0 0 6px 0;color:{_INK};font-size:14px"
        answer = f'<p style="{style}"><b>{_words(self.sentence)}</b></p>'
        return f'<div style="{_BOX}">{answer}{"".join(part.html() for part in parts)}</div>'

    def text(self) -> str:
        return join_text([Words(self.sentence).text(), *(part.text() for part in self.parts)])

    def mimebundle(self) -> dict[str, Any]:
        """The output in each form that a front end may choose, together below `OUTPUT_LIMIT`."""
        text = self.text()
        for most in RAW_LIMITS:
            others = {"text/plain": text, JSON_TYPE: fitted(self.data, most)}
            html, is_told = self._fitted(OUTPUT_LIMIT - sent({**others, "text/html": ""}))
            if is_told:
                break
        forms: dict[str, Any] = {"text/html": html, **others}
        if WITH_PNG and (png := self.png()):
            forms["image/png"] = base64.b64encode(png).decode()
        return forms

    def is_whole(self) -> bool:
        """Whether every part fits into an output."""
        return bool(self.mimebundle()["text/html"] == self.whole_html())

    def png(self) -> bytes:
        """Its charts under each other, for a place that shows neither HTML nor SVG; empty if it has none."""
        charts = [part.svg for part in _drawings(self.parts)]
        return _core.chart_png(_core.chart_column(charts), 1.0) if charts else b""


def _drop_one(parts: list[Part]) -> bool:
    """Takes out the longest details that a terminal goes without, else the longest, else the closer look at a
    drawing, else the last picture. Whether there was any."""
    folded = [part for part in parts if isinstance(part, Folded)]
    if details := list(filter(_is_detail, folded)) or folded:
        parts.remove(max(details, key=lambda part: len(part.html())))
        return True
    for at, part in reversed(list(enumerate(parts))):
        if isinstance(part, Zoomable):
            parts[at] = Picture(part.svg, part.alt)
            return True
    pictures = _drawings(parts)
    if pictures:
        parts.remove(pictures[-1])
    return bool(pictures)


def _is_detail(part: Part) -> bool:
    return part.browser_only if isinstance(part, Folded) else False


def _drawings(parts: Sequence[Part]) -> list[Picture | Zoomable]:
    return [part for part in parts if isinstance(part, Picture | Zoomable)]


def wrapped(text: str) -> str:
    """The text in lines of at most `TEXT_WIDTH`; no number is parted from its unit."""
    lines = textwrap.fill(unbroken(text), TEXT_WIDTH, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def join_text(pieces: Sequence[str]) -> str:
    """Pieces under each other with an empty line between, the empty ones left out."""
    return "\n\n".join(piece for piece in pieces if piece)


def bar_text(n: int, most: int, width: int) -> str:
    """A bar of full blocks; at least one where there is anything."""
    return "█" * max(1, round(width * n / most)) if n > 0 and most > 0 else ""


def clip(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis where it is too long."""
    return text if len(text) <= width else text[: width - 1] + "…"
