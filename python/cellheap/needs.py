"""How much memory a notebook needs, and how much to ask for. Arithmetic on reports; draws nothing."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from cellheap.records import Cell, Line
from cellheap.results import CellReport, Overview

#: What is asked for above what was needed: RSS varies between runs by some percent, and the mark is "about".
MARGIN = 0.15
#: The step that a number to ask for is rounded up to: this part of the power of two below it.
STEP = 8
NEAR = 0.99


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what a notebook needs. Below zero where memory was asked for and never touched."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What the process had at the most, as the system charges it, and what that is made of."""

    #: The highest RSS of the process so far, about, and what child processes have now: the sum of `parts`.
    bytes: int = 0
    #: What to ask for.
    ask: int = 0
    parts: tuple[Part, ...] = ()
    #: The cell in which most was live, exactly: as it began, and its peak above that.
    cell: str = ""
    live: int = 0
    #: The line that held most of what that cell had at its peak; none where no line is known.
    line: Line | None = None
    #: What this process may use: the limit of its container, where there is one.
    limit: int | None = None


def ask_for(needed: int) -> int:
    """The number to ask for: a margin above what was needed, rounded up to a number that a person would
    write."""
    least = needed + round(needed * MARGIN)
    step = max(1 << max(least.bit_length() - 1, 0), STEP) // STEP
    return -(-least // step) * step


def peak_cell(cells: tuple[Cell, ...]) -> Cell | None:
    """The cell in which most was live: the first that came as near as `NEAR` to the most that ever was. What
    comes after it and adds a few bytes to what is there did not make the peak."""
    known = [cell for cell in cells if cell.traced and cell.peak]
    most = max((cell.live_start + cell.peak for cell in known), default=0)
    return next((cell for cell in known if cell.live_start + cell.peak >= most * NEAR), None)


def _mark(cell: Cell) -> int:
    """The highest RSS while a cell ran. Where our own work ran in it too, what its memory explains."""
    edges = max(cell.rss_start or 0, cell.rss_end or 0)
    if cell.cellheap.allocated and cell.rss_peak:
        return max(edges, min(cell.rss_peak, (cell.rss_start or 0) + cell.peak))
    return max(edges, cell.rss_peak or 0)


def needs(overview: Overview, peak: CellReport | None) -> Needs:
    """Of all cells; `peak` is the report of the cell in which most was live."""
    process, cells = overview.process, overview.cells
    marks = [mark for cell in cells if (mark := _mark(cell))]
    highest = max([*marks, process.rss or 0])
    if not any(cell.rss_peak for cell in cells):
        highest = max(highest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    children = max(0, (process.tree_rss or 0) - (process.rss or 0))
    needed = highest + children
    live = peak.cell.live_start + peak.cell.peak if peak else 0
    first = next((cell for cell in cells if cell.rss_start), None)
    before = max(0, (first.rss_start or 0) - first.live_start) if first else 0
    parts = [Part(f"the process as {first.label} began, without its cells' memory", before)] if first else []
    if peak:
        parts.append(Part(f"live bytes of cells at the peak of {peak.cell.label}", live))
    parts.append(Part("the rest", highest - before - live))
    if children:
        parts.append(Part("child processes now", children))
    return Needs(
        bytes=needed,
        ask=ask_for(needed),
        parts=tuple(parts),
        cell=peak.cell.label if peak else "",
        live=live,
        line=_biggest(peak) if peak else None,
        limit=process.cgroup_limit,
    )


def _biggest(peak: CellReport) -> Line | None:
    """The line that held most at the cell's peak."""
    return max((line for line in peak.lines if line.line), key=lambda line: line.peak, default=None)
