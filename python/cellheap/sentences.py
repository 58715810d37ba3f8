"""What results say in English: the answer in one sentence, and what a picture shows. Knows no markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cellheap.records import Arenas, Cell, Change, Frame, Grown, History, Line, Pin, Share
from cellheap.units import bytes_text, count_text, seconds_text, signed_bytes_text

if TYPE_CHECKING:
    from cellheap.flames import Flame
    from cellheap.report import Report
    from cellheap.results import CellReport, Live, Overview

UNCOUNTED = "Not counted: child processes, GPU memory."
_LIBRARY = re.compile(r".*/(?:site-packages|dist-packages|lib-dynload|lib/python3[^/]*)/")


def of_overview(overview: Overview) -> str:
    """Who holds the most, and who needed the most."""
    cells = overview.cells
    if not cells:
        return "No cell has been recorded yet."
    most, highest = max(cells, key=lambda cell: cell.live), max(cells, key=lambda cell: cell.peak)
    said = [f"The notebook holds {bytes_text(overview.live_notebook)}"]
    if most.live:
        said.append(f"; {most.label} keeps the most ({bytes_text(most.live)})")
    if highest.peak:
        who = "it also" if highest is most and most.live else highest.label
        said.append(f"{',' if most.live else ';'} {who} peaked highest ({bytes_text(highest.peak)})")
    return "".join(said) + "."


def of_cell(report: CellReport) -> str:
    """What a cell allocated, its peak and what is left of it."""
    cell = report.cell
    subject = cell.label + {"running": " is still running: it", "failed": " failed: it"}.get(cell.state, "")
    if not cell.traced:
        return f"{cell.label} was not traced for all of its time: its numbers are not whole."
    if cell.allocated == 0:
        freed = f" and freed {bytes_text(cell.freed)}" if cell.freed else ""
        return f"{subject} allocated nothing{freed}."
    keeps = f"keeps {bytes_text(cell.live)}" if cell.live else "keeps nothing"
    top = max(report.lines, key=lambda line: line.peak, default=None)
    most = _most_of_peak(top, report.names, cell.peak)
    # What it freed is the news where less is left than it ever took.
    freed = f"freed {bytes_text(cell.freed)}, " if cell.freed - cell.allocated > cell.peak else ""
    peaked = f"peaked at {bytes_text(cell.peak)} above its start"
    return f"{subject} allocated {bytes_text(cell.allocated)}, {freed}{peaked} and {keeps}{most}."


def _most_of_peak(top: Line | Change | None, names: Mapping[str, str], peak: int) -> str:
    """The line with the most at the peak. It can have more than the peak, which is above the cell's start:
    older blocks had gone by then. A few bytes of a library's are not worth the words."""
    if top is None or top.peak <= 0:
        return ""
    place, size = where(top, names), bytes_text(top.peak)
    if top.peak > peak + peak // 50:
        return f"; by then older blocks had gone, and {place} held the most ({size})"
    return f"; most of the peak is of {place} ({size})"


def of_span(report: Report) -> str:
    """What a measured block allocated, its peak and what is left."""
    if not report.traced:
        return "Nothing was recorded for part of the block: its numbers are not whole."
    if report.allocated == 0:
        freed = f" and freed {bytes_text(report.freed)}" if report.freed else ""
        return f"The block allocated nothing{freed}."
    top = max(report.lines, key=lambda line: line.peak, default=None)
    most = _most_of_peak(top, report.names, report.peak)
    peaked = f"peaked at {bytes_text(report.peak)} above its start"
    net = f"its net is {signed_bytes_text(report.net)}"
    return f"The block allocated {bytes_text(report.allocated)}, {peaked}, and {net}{most}."


def of_live(live: Live) -> str:
    """Which cell is the origin of the most that is alive."""
    if not live.origins:
        return "Nothing that a cell allocated is live."
    most = live.origins[0].cell
    total = f"{bytes_text(live.live_notebook)} in {count_text(live.blocks, 'block')}"
    return f"{total} are live; {most.label} is the origin of the most ({bytes_text(most.live)})."


def of_arenas(arenas: Arenas) -> str:
    """How many of pymalloc's arenas are nearly empty."""
    are = "is" if arenas.filled[0] == 1 and not arenas.older else "are"
    each = "each goes back to the system when its last block goes"
    return f"{_nearly_empty(arenas)} {are} a quarter full at most: {each}"


def _nearly_empty(arenas: Arenas) -> str:
    """How many of how many. Of older ones it is not known what is in them."""
    empty = f"{arenas.filled[0]:,}"
    if arenas.older is None:
        return f"{empty} of {count_text(arenas.count, 'arena')} that pymalloc mapped since recording began"
    more = " or more" if arenas.older else ""
    return f"{empty}{more} of {count_text(arenas.count + arenas.older, 'arena')} of pymalloc"


def why_rss_stays(live: Live, trimmed: bool) -> str:
    """Why RSS did not fall although much was freed: which arenas are pinned by what, and what malloc keeps if
    its free pages were not handed back (where `trimmed` it still calls them free)."""
    arenas, free = live.arenas, live.process.malloc_free
    reasons = []
    if arenas.filled[0]:
        pins = f", most by {where(arenas.pins[0], live.names)}" if arenas.pins else ""
        reasons.append(f"few blocks hold {_nearly_empty(arenas)}{pins}")
    if free and not trimmed:
        reasons.append(f"malloc keeps {bytes_text(free)} free between blocks that live")
    because = "; ".join(reasons) or "allocators give memory back only where nothing in it is live"
    return f"RSS fell by less than was freed: {because}."


def of_flame(flame: Flame) -> str:
    """How much there is, and the stack that has the most."""
    words = {"peak": "held {} at its peak", "live": "holds {}", "allocated": "allocated {}"}[flame.measure]
    if not flame.total:
        nothing = {
            "peak": "held nothing at its peak",
            "live": "holds nothing",
            "allocated": "allocated nothing",
        }
        return f"{flame.subject} {nothing[flame.measure]}."
    most = max(flame.stacks, key=flame.bytes_of)
    share = f"{bytes_text(flame.bytes_of(most))}, {flame.bytes_of(most) * 100 // flame.total}%"
    ends = f", in {where(most.frames[-1], flame.names)}" if len(most.frames) > 1 else ""
    total, line = words.format(bytes_text(flame.total)), where(most.frames[0], flame.names)
    return f"{flame.subject} {total}; the biggest stack ({share}) is of {line}{ends}."


def of_flame_chart(flame: Flame) -> str:
    """A flame graph in words."""
    biggest = sorted(flame.stacks, key=flame.bytes_of, reverse=True)[:3]
    said = "; ".join(
        f"{' > '.join(where(frame, flame.names) for frame in (stack.frames[:1] + stack.frames[1:][-1:]))}:"
        f" {bytes_text(flame.bytes_of(stack))}"
        for stack in biggest
    )
    return f"Flame graph. {flame.title}. The biggest: {said}."


def of_cells_chart(cells: Sequence[Cell]) -> str:
    """The chart of all cells in words."""
    biggest = sorted(cells, key=lambda cell: max(cell.live, cell.peak), reverse=True)[:5]
    bars = "; ".join(
        f"{cell.label} peak {bytes_text(cell.peak)}, still live {bytes_text(cell.live)}" for cell in biggest
    )
    return f"Chart of the memory of {count_text(len(cells), 'cell')}, with RSS. The highest bars: {bars}."


def of_history(history: History) -> str:
    """The chart of live memory by origin in words."""
    moments, layers = history.moments, history.layers
    highest = max(moments, key=lambda moment: moment.live)
    said = [f"Chart of live memory by origin as cells ended, {bytes_text(highest.live)} at the most"]
    said.append(f"{bytes_text(moments[-1].live)} now")
    for layer in sorted(layers, key=lambda layer: max(layer.live), reverse=True)[:4]:
        most = max(layer.live)
        last = max(at for at, live in enumerate(layer.live) if live)
        after = moments[last + 1].label if last + 1 < len(moments) else ""
        fate = f"gone at the end of {after}" if after else f"{bytes_text(layer.live[-1])} now"
        said.append(f"of {layer.label} {bytes_text(most)} at the most, {fate}")
    return "; ".join(said) + "."


def of_timeline(report: CellReport) -> str:
    """A timeline in words."""
    cell, points = report.cell, report.timeline
    said = [f"Chart of {cell.label} over {seconds_text(cell.seconds)}: peak {bytes_text(cell.peak)}"]
    if points:
        said.append(f"live at its end {bytes_text(points[-1].live)}")
        said.append(f"RSS from {bytes_text(points[0].rss)} to {bytes_text(points[-1].rss)}")
    return ", ".join(said) + "."


def of_lines_chart(report: CellReport) -> str:
    """The source with its bars in words."""
    lines = "; ".join(
        f"{where(line, report.names)}: allocated {bytes_text(line.allocated)},"
        f" at peak {bytes_text(line.peak)}, still live {bytes_text(line.live)}"
        for line in report.lines[:5]
    )
    return f"The source of {report.cell.label} with bars of bytes. {lines}."


def where(line: Line | Change | Grown | Frame | Pin, names: Mapping[str, str]) -> str:
    """How a line is named: `In[2], line 5 in make`, `copy.py, line 193 in deepcopy`."""
    if not line.file or (line.line == 0 and line.function.startswith("(")):
        return line.function or "(other)"
    # Some instructions are of no line: those that begin a function, say.
    number = f", line {line.line}" if line.line else ""
    inside = "" if line.function in ("", "<module>") else f" in {line.function}"
    return f"{names.get(line.file) or short_file(line.file)}{number}{inside}"


def allocator(share: Share) -> str:
    """How an allocator is named: `pymalloc`, `malloc in _multiarray_umath.so`."""
    return f"{share.allocator} in {library(share.object)}" if share.object else share.allocator


def library(path: str) -> str:
    """The name of a shared object without what says how it was built."""
    return re.sub(r"\.(cpython|abi3)[^/]*(?=\.so$)", "", path.rsplit("/", 1)[-1])


def path_of(line: Line, leaf: Line, names: Mapping[str, str]) -> str:
    """The way from a line to a library function."""
    places: list[Line | Frame] = [line, *leaf.path]
    return " → ".join(where(place, names) for place in places)


def short_file(file: str) -> str:
    """The part of a path that tells a person which file it is: `pandas/core/frame.py`, `json/decoder.py`."""
    short = _LIBRARY.sub("", file)
    return short if short != file else "/".join(file.rsplit("/", 2)[-2:])
