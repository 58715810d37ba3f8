"""What the magics answer with: `Overview`, `CellReport`, `Live`. Numbers as attributes, and how they show.

Built from the tracer's JSON. A result holds numbers and text: no object of the user's, no frame, no code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from cellheap.display import (
    ALLOCATED,
    LIVE,
    PEAK,
    Bundle,
    Column,
    Folded,
    Part,
    Size,
    Table,
    Words,
)
from cellheap.records import Cell, Line, Origin, Point, Process, read
from cellheap.units import bytes_text, count_text, seconds_text

UNCOUNTED = (
    "Counted: blocks of Python's allocators. Not counted: native memory such as numpy's buffers (RSS has it),"
    " child processes, GPU memory."
)
#: Rows that a table shows before it folds the rest into one.
ROWS = 25


class Sources(Protocol):
    """Where the code of a file is from."""

    def number(self, file: str) -> int | None:
        """Execution count of the latest cell whose code has this `co_filename`."""
        ...

    def lines(self, file: str) -> Sequence[str]:
        """Its source; empty if unknown."""
        ...


class NoSources:
    """Nothing is known of any file."""

    def number(self, file: str) -> int | None:
        return None

    def lines(self, file: str) -> Sequence[str]:
        return ()


class Result:
    """A result shows itself in a notebook and in a terminal, and can be had as data."""

    def bundle(self) -> Bundle:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain data, exact."""
        raise NotImplementedError

    @property
    def json(self) -> str:
        """All numbers as JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def __str__(self) -> str:
        return self.bundle().text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.bundle().mimebundle()


@dataclass(frozen=True, repr=False)
class Overview(Result):
    """The notebook so far: one row a cell."""

    cells: tuple[Cell, ...] = ()
    live: int = 0
    live_machinery: int = 0
    live_cellheap: int = 0
    process: Process = field(default_factory=Process)
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None) -> Self:
        """From `_core.overview()`."""
        return read(cls, json.loads(text))

    @property
    def live_notebook(self) -> int:
        """Live bytes that cells allocated."""
        return self.live - self.live_machinery - self.live_cellheap

    def __repr__(self) -> str:
        return f"<Overview of {count_text(len(self.cells), 'cell')}, {bytes_text(self.live_notebook)} live>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "overview", **asdict(self)}

    def bundle(self) -> Bundle:
        return Bundle(
            _overview_sentence(self),
            [_cells_table(self.cells), *_beside(self.notes)],
            self.to_dict(),
        )


@dataclass(frozen=True, repr=False)
class CellReport(Result):
    """One cell in full."""

    cell: Cell = field(default_factory=Cell)
    lines: tuple[Line, ...] = ()
    timeline: tuple[Point, ...] = ()
    notes: tuple[str, ...] = ()
    #: `co_filename` of the cell's own code, empty if unknown, and its source.
    file: str = ""
    source: tuple[str, ...] = ()
    #: Names of files of other cells: `In[2]`.
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None, file: str | None = None) -> Self:
        """From `_core.cell_report()`; `file` is the `co_filename` of the cell's code, where it is known."""
        sources = sources or NoSources()
        data = json.loads(text)
        report = read(cls, data)
        names = _names((line.file for line in report.lines), sources)
        own = file or next((name for name, number in names.items() if number == report.cell.number), "")
        labels = {name: f"In[{number}]" for name, number in names.items()}
        if own:
            labels[own] = report.cell.label
        return read(
            cls,
            {
                **data,
                "file": own,
                "source": sources.lines(own) if own else (),
                "names": labels,
            },
        )

    @property
    def allocated(self) -> int:
        return self.cell.allocated

    @property
    def freed(self) -> int:
        return self.cell.freed

    @property
    def net(self) -> int:
        return self.cell.net

    @property
    def peak(self) -> int:
        return self.cell.peak

    @property
    def live(self) -> int:
        return self.cell.live

    def __repr__(self) -> str:
        return (
            f"<CellReport of {self.cell.label}: peak {bytes_text(self.peak)}, live {bytes_text(self.live)}>"
        )

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "cell", **asdict(self)}

    def bundle(self) -> Bundle:
        parts: list[Part] = [_totals_table(self.cell)]
        if self.lines:
            parts.append(_lines_table(self.lines, self.names, f"Lines of {self.cell.label}"))
            parts.extend(_library_tables(self.lines, self.names))
        parts.append(Folded("Process", [_process_table(self.cell)], browser_only=True))
        return Bundle(_cell_sentence(self), [*parts, *_beside(self.notes)], self.to_dict())


@dataclass(frozen=True, repr=False)
class Live(Result):
    """What is alive now, by origin."""

    live: int = 0
    blocks: int = 0
    origins: tuple[Origin, ...] = ()
    live_machinery: int = 0
    live_cellheap: int = 0
    process: Process = field(default_factory=Process)
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None) -> Self:
        """From `_core.live()`."""
        data = json.loads(text)
        live = read(cls, data)
        files = (line.file for origin in live.origins for line in origin.lines)
        names = _names(files, sources or NoSources())
        return read(
            cls,
            {
                **data,
                "names": {name: f"In[{number}]" for name, number in names.items()},
            },
        )

    @property
    def live_notebook(self) -> int:
        """Live bytes that cells allocated."""
        return self.live - self.live_machinery - self.live_cellheap

    def __repr__(self) -> str:
        return f"<Live: {bytes_text(self.live_notebook)} of {count_text(len(self.origins), 'cell')}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "live", **asdict(self)}

    def bundle(self) -> Bundle:
        parts: list[Part] = [
            _origins_table(self),
            *_origin_lines(self),
            _allocators_table(self),
        ]
        return Bundle(_live_sentence(self), [*parts, *_beside(self.notes)], self.to_dict())


def _names(files: Iterable[str], sources: Sources) -> dict[str, int]:
    known = {file: sources.number(file) for file in dict.fromkeys(files) if file}
    return {file: number for file, number in known.items() if number is not None}


def where(line: Line, names: Mapping[str, str]) -> str:
    """How a line is named: `In[2], line 5`, `copy.py:193 deepcopy`, `(deep library recursion)`."""
    if line.line == 0:
        return line.function or "(other)"
    if line.file in names:
        inside = "" if line.function in ("", "<module>") else f" in {line.function}"
        return f"{names[line.file]}, line {line.line}{inside}"
    return f"{short_file(line.file)}:{line.line} {line.function}".strip()


def short_file(file: str) -> str:
    """The end of a path that tells a person which file it is: `pandas/core/frame.py`, `json/decoder.py`."""
    for mark in ("/site-packages/", "/dist-packages/", "/lib-dynload/"):
        if mark in file:
            return file.rpartition(mark)[2]
    return "/".join(file.rsplit("/", 2)[-2:])


# Sentences


def _overview_sentence(overview: Overview) -> str:
    cells = overview.cells
    if not cells:
        return "No cell has run since recording began."
    holds = f"The notebook holds {bytes_text(overview.live_notebook)}"
    most, highest = (
        max(cells, key=lambda cell: cell.live),
        max(cells, key=lambda cell: cell.peak),
    )
    if most.live == 0:
        keeps = "nothing that its cells allocated is live"
    else:
        keeps = f"{most.label} keeps the most ({bytes_text(most.live)})"
    if highest.peak == 0:
        return f"{holds}; {keeps}."
    who = "it also" if highest is most and most.live else highest.label
    return f"{holds}; {keeps}, {who} peaked highest ({bytes_text(highest.peak)})."


def _cell_sentence(report: CellReport) -> str:
    cell = report.cell
    verb = {"running": "is running: so far it", "failed": "failed: it"}.get(cell.state, "")
    subject = f"{cell.label} {verb}".strip()
    if not cell.traced:
        return (
            f"{cell.label} ran while the tracer was off for all or part of it: its numbers are not complete."
        )
    if cell.allocated == 0:
        freed = f" and freed {bytes_text(cell.freed)}" if cell.freed else ""
        return f"{subject} allocated nothing{freed}."
    said = (
        f"{subject} allocated {bytes_text(cell.allocated)}, peaked at {bytes_text(cell.peak)} above its start"
    )
    keeps = f"keeps {bytes_text(cell.live)}" if cell.live else "keeps nothing"
    top = max(report.lines, key=lambda line: line.peak, default=None)
    if top is None or top.peak == 0:
        return f"{said} and {keeps}."
    return f"{said} and {keeps}; most of the peak is of {where(top, report.names)} ({bytes_text(top.peak)})."


def _live_sentence(live: Live) -> str:
    if not live.origins:
        return "Nothing that a cell allocated is live."
    most = live.origins[0].cell
    return (
        f"{bytes_text(live.live_notebook)} in {count_text(live.blocks, 'block')} are live;"
        f" {most.label} is the origin of the most ({bytes_text(most.live)})."
    )


# Tables


def _state(cell: Cell) -> str:
    words = [] if cell.state == "done" else [cell.state]
    return ", ".join(words if cell.traced else [*words, "not traced"])


def _cells_table(cells: Sequence[Cell]) -> Table:
    columns = [
        Column("Cell"),
        Column("Allocated", ALLOCATED),
        Column("Freed"),
        Column("Net"),
        Column("Peak", PEAK),
        Column("Live now", LIVE, strip=True),
        Column("RSS after"),
    ]
    shown = _biggest(cells, lambda cell: max(cell.live, cell.peak, cell.freed))
    rows: list[list[str | Size]] = [_cell_row(cell) for cell in shown]
    caption = "Memory of each cell"
    if len(shown) < len(cells):
        kept = {cell.id for cell in shown}
        rest = [cell for cell in cells if cell.id not in kept]
        rows.append(_rest_row(rest))
        caption = f"Memory of the {len(shown)} biggest of {len(cells)} cells, the others in the last row"
    return Table(caption, columns, rows)


def _biggest(rows: Sequence[Any], size: Any) -> list[Any]:
    """The biggest rows in their old order."""
    if len(rows) <= ROWS:
        return list(rows)
    order = sorted(range(len(rows)), key=lambda at: size(rows[at]), reverse=True)[: ROWS - 1]
    return [rows[at] for at in sorted(order)]


def _cell_row(cell: Cell) -> list[str | Size]:
    state = _state(cell)
    label = f"{cell.label} {state}" if state else cell.label
    known = cell.traced or cell.allocated or cell.freed
    if not known:
        return [
            label,
            Size(None),
            Size(None),
            Size(None),
            Size(None),
            Size(cell.live),
            Size(cell.rss_end),
        ]
    sizes = (
        Size(cell.allocated),
        Size(cell.freed),
        Size(cell.net, signed=True),
        Size(cell.peak),
        Size(cell.live),
    )
    return [label, *sizes, Size(cell.rss_end or None)]


def _rest_row(rest: Sequence[Cell]) -> list[str | Size]:
    return [
        count_text(len(rest), "other cell"),
        Size(sum(cell.allocated for cell in rest)),
        Size(sum(cell.freed for cell in rest)),
        Size(sum(cell.net for cell in rest), signed=True),
        Size(max(cell.peak for cell in rest)),
        Size(sum(cell.live for cell in rest)),
        Size(None),
    ]


def _totals_table(cell: Cell) -> Table:
    heads = ("Cell", "Allocated", "Freed", "Net", "Peak", "Live at end", "Live now")
    sizes = (
        cell.allocated,
        cell.freed,
        cell.net,
        cell.peak,
        cell.live_at_end,
        cell.live,
    )
    row: list[str | Size] = [cell.label]
    row += [Size(n, signed=head == "Net") for head, n in zip(heads[1:], sizes, strict=True)]
    return Table(
        f"{cell.label} in {seconds_text(cell.seconds)}",
        [Column(head) for head in heads],
        [row],
    )


def _lines_table(lines: Sequence[Line], names: Mapping[str, str], caption: str) -> Table:
    columns = [
        Column("Line"),
        Column("Allocated", ALLOCATED),
        Column("At peak", PEAK, strip=True),
        Column("Live now", LIVE),
    ]
    shown = _biggest(lines, lambda line: max(line.live, line.peak, line.allocated))
    rows: list[list[str | Size]] = [
        [where(line, names), Size(line.allocated), Size(line.peak), Size(line.live)] for line in shown
    ]
    kept = set(map(id, shown))
    rest = [line for line in lines if id(line) not in kept]
    if rest:
        sums = (
            sum(line.allocated for line in rest),
            sum(line.peak for line in rest),
            sum(line.live for line in rest),
        )
        rows.append([count_text(len(rest), "other line"), *map(Size, sums)])
    return Table(caption, columns, rows)


def _library_tables(lines: Sequence[Line], names: Mapping[str, str]) -> list[Part]:
    return [
        Folded(
            f"Library functions under {where(line, names)}",
            [
                _lines_table(
                    line.library[:ROWS],
                    names,
                    "The functions that asked for the memory",
                )
            ],
            browser_only=True,
        )
        for line in lines[:8]
        if line.library
    ]


def _process_table(cell: Cell) -> Table:
    rows: list[list[str | Size]] = [
        ["Notebook machinery, allocated", Size(cell.machinery.allocated)],
        ["Notebook machinery, freed", Size(cell.machinery.freed)],
        ["cellheap, allocated", Size(cell.cellheap.allocated)],
        ["cellheap, freed", Size(cell.cellheap.freed)],
        ["RSS at start", Size(cell.rss_start)],
        ["RSS at end", Size(cell.rss_end)],
        ["RSS at most, about", Size(cell.rss_peak)],
        [
            "Page faults, minor and major",
            f"{cell.minor_faults:,} and {cell.major_faults:,}",
        ],
        ["Collections by generation", ", ".join(map(str, cell.collections))],
    ]
    return Table(f"Beside {cell.label}", [Column("What"), Column("How much")], rows)


def _origins_table(live: Live) -> Table:
    rows: list[list[str | Size]] = [
        [origin.cell.label, Size(origin.cell.live), f"{origin.cell.live_blocks:,}"]
        for origin in live.origins[:ROWS]
    ]
    rest = live.origins[ROWS:]
    if rest:
        blocks = sum(origin.cell.live_blocks for origin in rest)
        rows.append(
            [
                count_text(len(rest), "other cell"),
                Size(sum(origin.cell.live for origin in rest)),
                f"{blocks:,}",
            ]
        )
    rows.append(["notebook machinery", Size(live.live_machinery), ""])
    rows.append(["cellheap", Size(live.live_cellheap), ""])
    return Table(
        "Live now, by origin",
        [Column("Origin"), Column("Live", LIVE, strip=True), Column("Blocks")],
        rows,
    )


def _origin_lines(live: Live) -> list[Part]:
    return [
        Folded(
            f"Lines of {origin.cell.label}, {bytes_text(origin.cell.live)}",
            [_lines_table(origin.lines, live.names, f"Live lines of {origin.cell.label}")],
            browser_only=True,
        )
        for origin in live.origins[:8]
    ]


def _allocators_table(live: Live) -> Table:
    process = live.process
    rows: list[list[str | Size]] = [
        ["pymalloc, live (blocks of at most 512 B)", Size(process.arena_live)],
        ["pymalloc, arenas mapped", Size(process.arena_bytes)],
        ["malloc, in use (all of the process)", Size(process.malloc_used)],
        ["malloc, mapped on its own", Size(process.malloc_mapped)],
        ["malloc, free but not handed back", Size(process.malloc_free)],
        ["cellheap's books", Size(process.books)],
        ["RSS", Size(process.rss)],
    ]
    return Table("By allocator", [Column("Allocator"), Column("Bytes")], rows)


def _beside(notes: Sequence[str]) -> list[Part]:
    return [Words(note, quiet=True) for note in (*notes, UNCOUNTED)]
