"""Tables of reports: which rows, which columns, what is folded into the last row. Knows no markup."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from cellheap.display import ALLOCATED, LIVE, PEAK, Column, Size, Table
from cellheap.records import Cell, Line, Process
from cellheap.sentences import where
from cellheap.units import count_text, seconds_text

if TYPE_CHECKING:
    from cellheap.results import Live, Overview

R = TypeVar("R")
Row = list[str | Size]

#: Rows that a table shows before it folds the rest into one.
ROWS = 20
#: Library functions under a line.
LIBRARY_ROWS = 2
_UNDER = "└ "


def biggest(rows: Sequence[R], size: Callable[[R], int], most: int) -> tuple[list[R], list[R]]:
    """The biggest rows, in their old order, and the others."""
    if len(rows) <= most:
        return list(rows), []
    order = sorted(range(len(rows)), key=lambda at: size(rows[at]), reverse=True)
    return [rows[at] for at in sorted(order[:most])], [rows[at] for at in sorted(order[most:])]


def cell_size(cell: Cell) -> int:
    """What makes a cell one to show."""
    return max(cell.live, cell.peak)


def line_size(line: Line) -> int:
    """What makes a line one to show."""
    return max(line.live, line.peak, line.allocated)


def of_cells(cells: Sequence[Cell]) -> Table:
    """One row a cell."""
    columns = [
        Column("Cell"),
        Column("Allocated", ALLOCATED),
        Column("Freed"),
        Column("Net"),
        Column("Peak", PEAK),
        Column("Still live", LIVE, strip=True),
        Column("RSS after"),
    ]
    shown, rest = biggest(cells, cell_size, ROWS + (len(cells) == ROWS + 1))
    rows = [_cell_row(cell) for cell in shown]
    if not rest:
        return Table("Memory of each cell", columns, rows)
    rows.append(_other_cells(rest))
    caption = f"The {len(shown)} cells with the most memory; the {len(rest)} others are in the last row"
    return Table(caption, columns, rows)


def _cell_row(cell: Cell) -> Row:
    known = cell.traced or cell.allocated > 0 or cell.freed > 0
    sizes = [Size(cell.allocated), Size(cell.freed), Size(cell.net, signed=True), Size(cell.peak)]
    states = ([] if cell.state == "done" else [cell.state]) + ([] if cell.traced else ["not traced"])
    label = f"{cell.label} {', '.join(states)}".strip()
    return [label, *(sizes if known else [Size(None)] * 4), Size(cell.live), Size(cell.rss_end or None)]


def _other_cells(rest: Sequence[Cell]) -> Row:
    return [
        count_text(len(rest), "other"),
        Size(sum(cell.allocated for cell in rest)),
        Size(sum(cell.freed for cell in rest)),
        Size(sum(cell.net for cell in rest), signed=True),
        Size(max(cell.peak for cell in rest)),
        Size(sum(cell.live for cell in rest)),
        Size(None),
    ]


def of_totals(cell: Cell) -> Table:
    """The numbers of one cell."""
    heads = ("Cell", "Allocated", "Freed", "Net", "Peak", "Live at end", "Still live")
    sizes = (cell.allocated, cell.freed, cell.net, cell.peak, cell.live_at_end, cell.live)
    row: Row = [cell.label, *(Size(n, signed=at == 2) for at, n in enumerate(sizes))]
    verb = "has run for" if cell.state == "running" else "ran"
    return Table(f"{cell.label} {verb} {seconds_text(cell.seconds)}", [Column(head) for head in heads], [row])


def of_lines(lines: Sequence[Line], names: Mapping[str, str], top: int) -> Table:
    """The biggest lines, the library lines that really asked under each."""
    columns = [
        Column("Line"),
        Column("Allocated", ALLOCATED),
        Column("At peak", PEAK, strip=True),
        Column("Still live", LIVE),
    ]
    rows: list[Row] = [
        [label, *(Size(n, bar=not label.startswith(_UNDER)) for n in (line.allocated, line.peak, line.live))]
        for label, line in _rows_of_lines(lines, names, line_size, top)
    ]
    return Table("By line; └ is library code that asked for it", columns, rows)


def of_live_lines(lines: Sequence[Line], names: Mapping[str, str], top: int) -> Table:
    """The lines with the most live bytes, the library lines that really asked under each."""
    rows: list[Row] = [
        [label, Size(line.live, bar=not label.startswith(_UNDER)), f"{line.live_blocks:,}"]
        for label, line in _rows_of_lines(lines, names, lambda line: line.live, top)
    ]
    columns = [Column("Line"), Column("Live", LIVE, strip=True), Column("Blocks")]
    return Table("By line; └ is library code that asked for it", columns, rows)


def _rows_of_lines(
    lines: Sequence[Line], names: Mapping[str, str], size: Callable[[Line], int], top: int
) -> Iterator[tuple[str, Line]]:
    shown, rest = biggest(lines, size, top)
    for line in shown:
        yield where(line, names), line
        most = LIBRARY_ROWS + (len(line.library) == LIBRARY_ROWS + 1)
        asked, others = biggest(line.library, size, most)
        for leaf in asked:
            yield f"{_UNDER}{where(leaf, names)}", leaf
        if others:
            yield f"{_UNDER}{count_text(len(others), 'other library line')}", _sum(others)
    if rest:
        yield count_text(len(rest), "other line"), _sum(rest)


def _sum(lines: Sequence[Line]) -> Line:
    return Line(
        allocated=sum(line.allocated for line in lines),
        peak=sum(line.peak for line in lines),
        live=sum(line.live for line in lines),
        live_blocks=sum(line.live_blocks for line in lines),
    )


def beside_cell(cell: Cell) -> Table:
    """What happened while the cell ran and is not its own memory."""
    rows: list[Row] = [
        ["Notebook machinery allocated", Size(cell.machinery.allocated)],
        ["Notebook machinery freed", Size(cell.machinery.freed)],
        ["cellheap allocated", Size(cell.cellheap.allocated)],
        ["cellheap freed", Size(cell.cellheap.freed)],
        ["RSS at start", Size(cell.rss_start or None)],
        ["RSS at end", Size(cell.rss_end or None)],
        ["RSS high-water mark, about", Size(cell.rss_peak or None)],
        ["Page faults, minor / major", f"{cell.minor_faults:,} / {cell.major_faults:,}"],
        ["Collections of generation 0 / 1 / 2", " / ".join(f"{runs:,}" for runs in cell.collections)],
    ]
    return Table("Not memory of the cell's own code", [Column("What"), Column("How much")], rows)


def of_origins(live: Live) -> Table:
    """Live bytes by the cell they were allocated in."""
    shown, rest = live.origins[:ROWS], live.origins[ROWS:]
    rows: list[Row] = [
        [origin.cell.label, Size(origin.cell.live), f"{origin.cell.live_blocks:,}"] for origin in shown
    ]
    if rest:
        size, blocks = sum(o.cell.live for o in rest), sum(o.cell.live_blocks for o in rest)
        rows.append([count_text(len(rest), "other cell"), Size(size), f"{blocks:,}"])
    rows.append(["notebook machinery", Size(live.live_machinery), "-"])
    rows.append(["cellheap", Size(live.live_cellheap), "-"])
    return Table(
        "Live now, by origin", [Column("Origin"), Column("Live", LIVE, strip=True), Column("Blocks")], rows
    )


def of_process(report: Overview | Live) -> Table:
    """What the allocators and the operating system say."""
    process = report.process
    rows: list[Row] = [
        ["Live: the notebook's", Size(report.live_notebook)],
        ["Live: notebook machinery", Size(report.live_machinery)],
        ["Live: cellheap", Size(report.live_cellheap)],
        *_allocator_rows(process),
        ["cellheap's books", Size(process.books)],
        ["RSS", Size(process.rss)],
        ["RSS with child processes", Size(process.tree_rss)],
        ["Limit of the control group", Size(process.cgroup_limit)],
    ]
    return Table("The process now", [Column("What"), Column("Bytes")], rows)


def _allocator_rows(process: Process) -> list[Row]:
    return [
        ["pymalloc: live in its arenas", Size(process.arena_live or None)],
        ["pymalloc: arenas mapped", Size(process.arena_bytes)],
        ["malloc: in use, native memory too", Size(process.malloc_used)],
        ["malloc: mapped on its own", Size(process.malloc_mapped)],
        ["malloc: free, not handed back", Size(process.malloc_free)],
    ]
