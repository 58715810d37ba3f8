"""What the magics answer with: `Overview`, `CellReport`, `Live`. Numbers as attributes, and how they show.

Built from the tracer's JSON. A result holds numbers and text: no object of the user's, no frame, no code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

from cellheap import _core, sentences, tables
from cellheap.display import Bundle, Folded, Part, Picture, Words
from cellheap.fitting import thinned
from cellheap.graphtypes import TypeRow
from cellheap.records import (
    Arenas,
    Cell,
    Change,
    Grown,
    History,
    Kept,
    Line,
    Origin,
    Point,
    Process,
    Share,
    read,
    with_frames,
)
from cellheap.stretches import told_apart
from cellheap.typetables import types_table
from cellheap.units import bytes_text, count_text

#: Rows that go into the raw numbers of an output; the result has all.
RAW_CELLS, RAW_LINES, RAW_LIBRARY, RAW_POINTS = 20, 12, 3, 60
#: Library functions under a line that are enough to show a result: an import leads to some ten thousand.
SHOWN = max(RAW_LIBRARY, tables.LIBRARY_ROWS + 1)

#: Columns of a table of lines.
PLACE_COLUMNS = ("file", "line", "function", "library_file", "library_line", "library_function")
_LINE_COLUMNS = (
    *PLACE_COLUMNS,
    "allocated",
    "peak",
    "live",
    "temporary",
    "returned",
    "blocks",
    "live_blocks",
)


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

    #: The columns of its table, and the table row by row: exact bytes, for a file.
    columns: ClassVar[Sequence[str]] = ()

    def rows(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def pictures(self) -> list[Picture]:
        """Its charts, under each other."""
        return []

    @property
    def json(self) -> str:
        """All numbers as JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def __str__(self) -> str:
        return self.bundle().text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.bundle().mimebundle()

    def _repr_html_(self) -> str:
        return self.bundle().html()


class _Holds:
    """Of a report about the whole notebook."""

    live: int
    live_machinery: int
    live_cellheap: int

    @property
    def live_notebook(self) -> int:
        """Live bytes that cells allocated."""
        return self.live - self.live_machinery - self.live_cellheap


def pictures_of_history(history: History) -> list[Picture]:
    """Live memory by origin; none before a cell has ended."""
    if len(history.moments) < 2:
        return []
    return [Picture(_core.chart_history(json.dumps(asdict(history))), sentences.of_history(history))]


@dataclass(frozen=True, repr=False)
class Overview(_Holds, Result):
    """The notebook so far: one row a cell."""

    cells: tuple[Cell, ...] = ()
    #: What was live as each cell ended, by the cell that had allocated it.
    history: History = field(default_factory=History)
    live: int = 0
    live_machinery: int = 0
    live_cellheap: int = 0
    process: Process = field(default_factory=Process)
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None) -> Self:
        """From `_core.overview()`."""
        return read(cls, json.loads(text))

    def __repr__(self) -> str:
        return f"<Overview of {count_text(len(self.cells), 'cell')}, {bytes_text(self.live_notebook)} live>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "overview", **asdict(self)}

    columns = tuple(name for name in Cell.__slots__ if name not in ("machinery", "cellheap", "collections"))

    def rows(self) -> Iterator[dict[str, Any]]:
        return map(asdict, self.cells)

    def pictures(self) -> list[Picture]:
        cells, _ = told_apart(self.cells)
        drawn = _core.chart_cells(replace(self, cells=tuple(cells)).json)
        chart = Picture(drawn, sentences.of_cells_chart(cells))
        return [chart, *pictures_of_history(self.history)]

    def bundle(self) -> Bundle:
        process = Folded("The process now", [tables.of_process(self)], browser_only=bool(self.cells))
        parts: list[Part] = [*self.pictures(), tables.of_cells(self.cells)] if self.cells else []
        kept, rest = tables.biggest(self.cells, tables.cell_size, RAW_CELLS)
        raw = {**replace(self, cells=tuple(kept)).to_dict(), "left_out": len(rest)}
        return Bundle(sentences.of_overview(self), [*parts, process, *beside(self.notes)], raw)


@dataclass(frozen=True, repr=False)
class CellReport(Result):
    """One cell in full."""

    cell: Cell = field(default_factory=Cell)
    #: Its blocks by allocator and library, biggest first.
    shares: tuple[Share, ...] = ()
    lines: tuple[Line, ...] = ()
    #: What is alive of it now by type, biggest first: the dead have no type.
    types: tuple[TypeRow, ...] = ()
    timeline: tuple[Point, ...] = ()
    notes: tuple[str, ...] = ()
    #: `co_filename` of the cell's own code, empty if unknown, and its source.
    file: str = ""
    source: tuple[str, ...] = ()
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None, file: str | None = None) -> Self:
        """From `_core.cell_report()`; `file` is the `co_filename` of the cell's code, where it is known."""
        sources = sources or NoSources()
        report = read(cls, with_frames(json.loads(text)))
        files = {line.file for line in report.lines if line.file}
        own = file or next((name for name in files if sources.number(name) == report.cell.number), "")
        names = file_names(files_of(report.lines), sources)
        if own:
            names[own] = report.cell.label
        return replace(report, file=own, source=tuple(sources.lines(own)) if own else (), names=names)

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

    def bundle(self, top: int = 8, chart: bool = True) -> Bundle:
        """The `top` biggest lines are shown."""
        parts: list[Part] = [tables.of_totals(self.cell)]
        if chart:
            parts += self.pictures()
        if self.lines:
            title = f"Lines of {self.cell.label} in numbers"
            parts.append(Folded(title, [tables.of_lines(self.lines, self.names, top)]))
        if self.types:
            parts.append(types_table(self.types, f"Alive now of {self.cell.label}, by type"))
        if any(share.object for share in self.shares):
            parts.append(tables.of_shares(self.shares, f"Memory of {self.cell.label} by allocator"))
        if self.lines:
            sizes = tables.of_sizes(self.lines, self.names, top)
            parts.append(Folded("Blocks by size", [sizes], browser_only=True))
        if paths := self._paths(top):
            parts.append(Folded("How lines came to library code", paths, browser_only=True))
        title = f"Meanwhile, and not in the numbers of {self.cell.label}"
        parts.append(Folded(title, [tables.beside_cell(self.cell)], browser_only=True))
        return Bundle(sentences.of_cell(self), [*parts, *beside(self.notes)], self._raw())

    columns = _LINE_COLUMNS

    def rows(self) -> Iterator[dict[str, Any]]:
        return line_rows(self.lines)

    def pictures(self) -> list[Picture]:
        # A picture has lines, and nothing of what is under them.
        report = replace(self, lines=tuple(replace(line, library=()) for line in self.lines)).json
        pictures = [Picture(_core.chart_timeline(report), sentences.of_timeline(self))]
        if self.lines or self.source:
            source = json.dumps({"file": self.file, "lines": self.source, "names": dict(self.names)})
            pictures.append(Picture(_core.chart_lines(report, source), sentences.of_lines_chart(self)))
        return pictures

    def _paths(self, top: int) -> list[Part]:
        """The ways to library functions that lead through others."""
        shown, _ = tables.biggest(self.lines, tables.line_size, top)
        ways = ((line, leaf) for line in shown for leaf in line.library[: tables.LIBRARY_ROWS])
        return [Words(sentences.path_of(line, leaf, self.names)) for line, leaf in ways if len(leaf.path) > 1]

    def _raw(self) -> dict[str, Any]:
        lines = tuple(_raw_line(line, RAW_LIBRARY) for line in self.lines[:RAW_LINES])
        points = thinned(self.timeline, RAW_POINTS, lambda point: point.live)
        raw = replace(self, lines=lines, timeline=points, source=()).to_dict()
        return {**raw, "left_out": len(self.lines) - len(lines)}


@dataclass(frozen=True, repr=False)
class Live(_Holds, Result):
    """What is alive now, by origin."""

    live: int = 0
    blocks: int = 0
    #: The cells' blocks by allocator and library, biggest first.
    shares: tuple[Share, ...] = ()
    origins: tuple[Origin, ...] = ()
    #: What is alive of all cells by type, biggest first.
    types: tuple[TypeRow, ...] = ()
    #: What Python keeps in its free lists, by type: in no origin.
    kept: tuple[Kept, ...] = ()
    #: How full pymalloc's arenas are, and the lines that pin nearly empty ones.
    arenas: Arenas = field(default_factory=Arenas)
    live_machinery: int = 0
    live_cellheap: int = 0
    process: Process = field(default_factory=Process)
    notes: tuple[str, ...] = ()
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None) -> Self:
        """From `_core.live()`."""
        live = read(cls, json.loads(text))
        lines = (line for origin in live.origins for line in origin.lines)
        files = (*files_of(lines), *(pin.file for pin in live.arenas.pins))
        return replace(live, names=file_names(files, sources or NoSources()))

    @property
    def live_kept(self) -> int:
        """Bytes in Python's free lists."""
        return sum(kept.bytes for kept in self.kept)

    @property
    def live_notebook(self) -> int:
        """Live bytes that cells allocated, without what is kept."""
        return super().live_notebook - self.live_kept

    def __repr__(self) -> str:
        return f"<Live: {bytes_text(self.live_notebook)} of {count_text(len(self.origins), 'origin')}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "live", **asdict(self)}

    columns = ("origin", *_LINE_COLUMNS)

    def rows(self) -> Iterator[dict[str, Any]]:
        for origin in self.origins:
            for row in line_rows(origin.lines):
                yield {"origin": origin.cell.label, **row}

    def bundle(self) -> Bundle:
        lines = [self._lines(origin, browser_only=at > 0) for at, origin in enumerate(self.origins[:6])]
        shares = tables.of_live_shares(self.shares)
        types = [types_table(self.types, "Live now, by type")] if self.types else []
        parts = [tables.of_origins(self), *types, shares, *lines, *self._arenas(), tables.of_process(self)]
        parts += beside(self.notes)
        return Bundle(sentences.of_live(self), parts, self._raw())

    def _arenas(self) -> list[Part]:
        """Why memory does not go back to the system, where it does not."""
        if not self.arenas.filled[0]:
            return []
        pins = tables.of_pins(self.arenas.pins, self.names)
        return [Folded(sentences.of_arenas(self.arenas), [pins] if self.arenas.pins else [])]

    def _lines(self, origin: Origin, browser_only: bool) -> Part:
        title = f"Live lines of {origin.cell.label}, {bytes_text(origin.cell.live)}"
        return Folded(title, [tables.of_live_lines(origin.lines, self.names, 5)], browser_only)

    def _raw(self) -> dict[str, Any]:
        origins = tuple(
            replace(origin, lines=tuple(_raw_line(line, 0) for line in origin.lines[:5]))
            for origin in self.origins[:RAW_LINES]
        )
        return {**replace(self, origins=origins).to_dict(), "left_out": len(self.origins) - len(origins)}


def _raw_line(line: Line, most: int) -> Line:
    """A line with so many of its library functions, and these without their ways."""
    library = tuple(replace(leaf, path=()) for leaf in line.library[:most])
    left_out = line.left_out + len(line.library) - len(library)
    return replace(line, library=library, left_out=left_out, others=())


def files_of(lines: Iterable[Line | Change | Grown]) -> Iterator[str]:
    """The files that lines and their library lines are in."""
    for line in lines:
        yield line.file
        yield from (leaf.file for leaf in line.library)
        if isinstance(line, Line):
            yield from (frame.file for leaf in line.library for frame in leaf.path)


def file_names(files: Iterable[str], sources: Sources) -> dict[str, str]:
    """How files are named."""
    names: dict[str, str] = {}
    for file in dict.fromkeys(files):
        if file:
            number = sources.number(file)
            names[file] = sentences.short_file(file) if number is None else f"In[{number}]"
    return names


def line_rows(lines: Iterable[Line | Change | Grown]) -> Iterator[dict[str, Any]]:
    """Rows of a table of lines. Those with a library function are parts of the line above them."""
    for line in lines:
        yield asdict(line)
        for leaf in line.library:
            names = {"library_file": leaf.file, "library_line": leaf.line, "library_function": leaf.function}
            yield {**asdict(leaf), "file": line.file, "line": line.line, "function": line.function, **names}


def beside(notes: Sequence[str]) -> list[Part]:
    """What must be said beside the numbers."""
    return [Words(note, quiet=True) for note in (*notes, sentences.UNCOUNTED)]
