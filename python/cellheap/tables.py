"""Tables of reports: which rows, which columns, what is folded into the last row. Knows no markup."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cellheap.display import ALLOCATED, LIVE, PEAK, Column, Size, Table
from cellheap.records import Cell, Change, Grown, Line, Pin, Process, Share
from cellheap.sentences import allocator, where
from cellheap.stretches import told_apart
from cellheap.units import count_text, seconds_text

if TYPE_CHECKING:
    from cellheap.report import Report
    from cellheap.results import Live, Overview

R = TypeVar("R")
L = TypeVar("L", Line, Change, Grown)
Row = list[str | Size]

#: Rows that a table shows before it folds the rest into one.
ROWS = 20
#: Library functions under a line.
LIBRARY_ROWS = 2
#: Allocators and libraries that a table shows.
SHARE_ROWS = 8
_UNDER = "└ "
BY_LINE = "By line; └ is what asked for it: library code, a native allocator"
#: The classes that blocks are counted in by size.
SIZE_CLASSES = ("< 8 B", "< 64 B", "< 512 B", "< 4 KiB", "< 32 KiB", "< 256 KiB", "< 2 MiB", "2 MiB and up")


def biggest(rows: Sequence[R], size: Callable[[R], Any], most: int) -> tuple[list[R], list[R]]:
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
    """One row a cell; what little is freed between them is one row."""
    columns = [
        Column("Cell"),
        Column("Allocated", ALLOCATED),
        Column("Freed"),
        Column("Net"),
        Column("Peak", PEAK),
        Column("Still live", LIVE, strip=True),
        Column("RSS after"),
    ]
    told, between = told_apart(cells)
    shown, rest = biggest(told, cell_size, ROWS + (len(told) == ROWS + 1))
    rows = [_cell_row(cell) for cell in shown]
    if between:
        rows.append(_sum_of_cells("(between cells)", between))
    if not rest:
        return Table("Memory of each cell", columns, rows)
    rows.append(_sum_of_cells(count_text(len(rest), "other"), rest))
    # The chart above has bars; of as many cells it is large.
    columns = [Column(column.head, strip=column.strip) for column in columns]
    caption = f"The {len(shown)} cells with the most memory; the {len(rest)} others are in the last row"
    return Table(caption, columns, rows)


def _cell_row(cell: Cell) -> Row:
    known = cell.traced or cell.allocated > 0 or cell.freed > 0
    sizes = [Size(cell.allocated), Size(cell.freed), Size(cell.net, signed=True), Size(cell.peak)]
    states = ([] if cell.state == "done" else [cell.state]) + ([] if cell.traced else ["not traced"])
    label = f"{cell.label} {', '.join(states)}".strip()
    return [label, *(sizes if known else [Size(None)] * 4), Size(cell.live), Size(cell.rss_end or None)]


def _sum_of_cells(label: str, rest: Sequence[Cell]) -> Row:
    return [
        label,
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
    """The biggest lines; under each the library lines and the native allocators that it came to."""
    columns = [
        Column("Line"),
        Column("Allocated", ALLOCATED),
        Column("At peak", PEAK, strip=True),
        Column("Temporary"),
        Column("Blocks"),
        Column("Live", LIVE),
    ]
    rows: list[Row] = []
    for label, line in rows_of(lines, names, line_size, top, _sum, _held):
        bar = not label.startswith(_UNDER)
        sizes = [Size(n, bar=bar) for n in (line.allocated, line.peak, line.temporary)]
        rows.append([label, *sizes, f"{line.blocks:,}", Size(line.live, bar=bar)])
    return Table(BY_LINE, columns, rows, long_labels=True)


def of_live_lines(lines: Sequence[Line], names: Mapping[str, str], top: int) -> Table:
    """The lines with the most live bytes; under each what it came to."""
    rows: list[Row] = [
        [label, Size(line.live, bar=not label.startswith(_UNDER)), f"{line.live_blocks:,}"]
        for label, line in rows_of(lines, names, lambda line: line.live, top, _sum)
    ]
    columns = [Column("Line"), Column("Live", LIVE, strip=True), Column("Blocks")]
    return Table(BY_LINE, columns, rows, long_labels=True)


def of_sizes(lines: Sequence[Line], names: Mapping[str, str], top: int) -> Table:
    """How many blocks of each size the biggest lines asked for."""
    shown, rest = biggest(lines, line_size, top)
    others = [(count_text(len(rest), "other line"), _sum(rest))] if rest else []
    rows: list[Row] = [
        [label, *(f"{count:,}" if count else "-" for count in line.sizes)]
        for label, line in [*((where(line, names), line) for line in shown), *others]
    ]
    heads = ("Line", *SIZE_CLASSES)
    return Table("Blocks by size", [Column(head) for head in heads], rows)


def of_shares(shares: Sequence[Share], caption: str) -> Table:
    """What came from which allocator, and whose code asked."""
    shown, rest = biggest(shares, lambda share: max(share.live, share.peak, share.allocated), SHARE_ROWS)
    others = (
        [(count_text(len(rest), "other library", "other libraries"), _sum_of_shares(rest))] if rest else []
    )
    rows: list[Row] = [
        [label, *(Size(n) for n in (share.allocated, share.peak, share.live)), f"{share.live_blocks:,}"]
        for label, share in [*((allocator(share), share) for share in shown), *others]
    ]
    columns = [
        Column("Allocator"),
        Column("Allocated", ALLOCATED),
        Column("At peak", PEAK),
        Column("Live", LIVE, strip=True),
        Column("Live blocks"),
    ]
    return Table(caption, columns, rows)


def of_live_shares(shares: Sequence[Share]) -> Table:
    """What is live by allocator, and whose code asked."""
    shares = [share for share in shares if share.live_blocks]
    shown, rest = biggest(shares, lambda share: share.live, SHARE_ROWS)
    others = (
        [(count_text(len(rest), "other library", "other libraries"), _sum_of_shares(rest))] if rest else []
    )
    rows: list[Row] = [
        [label, Size(share.live), f"{share.live_blocks:,}"]
        for label, share in [*((allocator(share), share) for share in shown), *others]
    ]
    columns = [Column("Allocator"), Column("Live", LIVE, strip=True), Column("Blocks")]
    return Table("Live now, by allocator", columns, rows)


def rows_of(
    lines: Sequence[L],
    names: Mapping[str, str],
    size: Callable[[L], int],
    top: int,
    total: Callable[[Sequence[L]], L],
    part_size: Callable[[L], Any] | None = None,
) -> Iterator[tuple[str, L]]:
    shown, rest = biggest(lines, size, top)
    for line in shown:
        yield where(line, names), line
        parts: list[tuple[str, L]] = [(_called(leaf, names), leaf) for leaf in line.library]
        if isinstance(line, Line):
            parts += _direct(line)
        left_out, left = _left_out(line)
        most = LIBRARY_ROWS + (len(parts) + left_out == LIBRARY_ROWS + 1)
        asked, others = biggest(parts, lambda part: (part_size or size)(part[1]), most)
        for label, leaf in asked:
            yield f"{_UNDER}{label}", leaf
        if others or left_out:
            label = count_text(len(others) + left_out, "other part")
            yield f"{_UNDER}{label}", total([leaf for _, leaf in others] + left)
    if rest:
        yield count_text(len(rest), "other line"), total(rest)


def _left_out(line: L) -> tuple[int, list[L]]:
    """How many library functions are no rows, and their sum."""
    return (line.left_out, list(line.others)) if isinstance(line, Line) else (0, [])


def _held(part: Line) -> tuple[int, int]:
    """What is held counts before what came and went."""
    return max(part.live, part.peak), part.allocated


def _called(leaf: Line | Change | Grown, names: Mapping[str, str]) -> str:
    """A library line; where native code asked, which."""
    native = [share for share in leaf.shares if share.object] if isinstance(leaf, Line) else []
    asked = f" ({allocator(max(native, key=lambda share: share.allocated))})" if native else ""
    return f"{where(leaf, names)}{asked}"


def _direct(line: Line) -> Iterator[tuple[str, Line]]:
    """What native code asked for that the line itself called, with no library line between."""
    for share in line.shares:
        if share.object:
            inside = [
                part
                for leaf in (*line.library, *line.others)
                for part in leaf.shares
                if (part.allocator, part.object) == (share.allocator, share.object)
            ]
            rest = _sum_of_shares([share], inside)
            if rest.blocks:
                yield (
                    allocator(share),
                    Line(
                        allocated=rest.allocated,
                        peak=rest.peak,
                        live=rest.live,
                        blocks=rest.blocks,
                        live_blocks=rest.live_blocks,
                    ),
                )


def _sum(lines: Sequence[Line]) -> Line:
    return Line(
        allocated=sum(line.allocated for line in lines),
        peak=sum(line.peak for line in lines),
        live=sum(line.live for line in lines),
        temporary=sum(line.temporary for line in lines),
        blocks=sum(line.blocks for line in lines),
        live_blocks=sum(line.live_blocks for line in lines),
        sizes=tuple(map(sum, zip(*(line.sizes for line in lines), strict=True))),
    )


def _sum_of_shares(shares: Sequence[Share], less: Sequence[Share] = ()) -> Share:
    signed = [*((1, share) for share in shares), *((-1, share) for share in less)]
    return Share(
        allocated=sum(sign * share.allocated for sign, share in signed),
        peak=sum(sign * share.peak for sign, share in signed),
        live=sum(sign * share.live for sign, share in signed),
        temporary=sum(sign * share.temporary for sign, share in signed),
        blocks=sum(sign * share.blocks for sign, share in signed),
        live_blocks=sum(sign * share.live_blocks for sign, share in signed),
    )


def of_span(report: Report) -> Table:
    """The numbers of a measured block."""
    heads = ("", "Allocated", "Freed", "Net", "Peak")
    row: Row = [
        "the block",
        Size(report.allocated),
        Size(report.freed),
        Size(report.net, signed=True),
        Size(report.peak),
    ]
    return Table(f"The block ran {seconds_text(report.seconds)}", [Column(head) for head in heads], [row])


def of_changes(lines: Sequence[Change], names: Mapping[str, str], top: int) -> Table:
    """The biggest lines of a measured block, the library lines that really asked under each."""
    columns = [
        Column("Line"),
        Column("Allocated", ALLOCATED),
        Column("At peak", PEAK, strip=True),
        Column("Net", LIVE),
    ]
    rows: list[Row] = []
    for label, line in rows_of(lines, names, change_size, top, _sum_of_changes):
        bar = not label.startswith(_UNDER)
        sizes = Size(line.allocated, bar=bar), Size(line.peak, True, bar), Size(line.net, True, bar)
        rows.append([label, *sizes])
    return Table(BY_LINE, columns, rows, long_labels=True)


def change_size(line: Change) -> int:
    """What makes a line of a measured block one to show."""
    return max(abs(line.peak), abs(line.net), line.allocated, line.returned)


def _sum_of_changes(lines: Sequence[Change]) -> Change:
    return Change(
        allocated=sum(line.allocated for line in lines),
        peak=sum(line.peak for line in lines),
        net=sum(line.net for line in lines),
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
        ["Open files at start / end", _pair(cell.open_files_start, cell.open_files_end)],
        ["Page faults, minor / major", f"{cell.minor_faults:,} / {cell.major_faults:,}"],
        ["Collections of generation 0 / 1 / 2", " / ".join(f"{runs:,}" for runs in cell.collections)],
    ]
    return Table("Not memory of the cell's own code", [Column("What"), Column("How much")], rows)


def _pair(start: int | None, end: int | None) -> str:
    return f"{_known(start)} / {_known(end)}"


def _known(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def of_origins(live: Live) -> Table:
    """Live bytes by the cell they were allocated in."""
    shown, rest = live.origins[:ROWS], live.origins[ROWS:]
    rows: list[Row] = [
        [origin.cell.label, Size(origin.cell.live), f"{origin.cell.live_blocks:,}"] for origin in shown
    ]
    if rest:
        size, blocks = sum(o.cell.live for o in rest), sum(o.cell.live_blocks for o in rest)
        rows.append([count_text(len(rest), "other cell"), Size(size), f"{blocks:,}"])
    if live.kept:
        rows.append(
            ["kept in free lists", Size(live.live_kept), f"{sum(kept.blocks for kept in live.kept):,}"]
        )
    rows.append(["notebook machinery", Size(live.live_machinery), "-"])
    rows.append(["cellheap", Size(live.live_cellheap), "-"])
    return Table(
        "Live now, by origin", [Column("Origin"), Column("Live", LIVE, strip=True), Column("Blocks")], rows
    )


def of_pins(pins: Sequence[Pin], names: Mapping[str, str]) -> Table:
    """The lines that keep nearly empty arenas."""
    rows: list[Row] = [
        [where(pin, names), pin.origin or "-", f"{pin.arenas:,}", f"{pin.blocks:,}", Size(pin.live)]
        for pin in pins[:SHARE_ROWS]
    ]
    heads = ("Line", "Origin", "Arenas", "Blocks", "Live in them")
    return Table("Lines with blocks in these arenas", [Column(head) for head in heads], rows)


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
        ["Open files", _known(process.open_files)],
        ["Limit of the control group", Size(process.cgroup_limit)],
    ]
    return Table("The process now", [Column("What"), Column("How much")], rows)


def _allocator_rows(process: Process) -> list[Row]:
    rows: list[Row] = [
        ["pymalloc: arenas since recording began", Size(process.arena_bytes)],
        ["pymalloc: live in these arenas", Size(process.arena_live or None)],
        ["malloc: in use, native memory too", Size(process.malloc_used)],
        ["malloc: mapped on its own", Size(process.malloc_mapped)],
        ["malloc: free, not handed back", Size(process.malloc_free)],
    ]
    for pool in process.pools:
        rows.append([f"{pool.name}: in use, as it says", Size(pool.used)])
        rows.append([f"{pool.name}: at the most", Size(pool.peak)])
    return rows
