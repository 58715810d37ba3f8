"""What the magics show, as data. The Python API; the magics are thin over it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from IPython.core.getipython import get_ipython

from cellheap import _core, comparing, flames, graph, moments, notebookreport, recorder
from cellheap.choosing import RefusedError, check_names
from cellheap.clearing import clear, foresee
from cellheap.comparing import CompareError, Comparison
from cellheap.diffs import Diff
from cellheap.exports import ExportError, write
from cellheap.flames import Flame, Measure
from cellheap.graphtypes import TypeRow
from cellheap.heapmap import HeapMap
from cellheap.held import Held, amount_text, told
from cellheap.knotted import Knotted
from cellheap.lastwords import Last
from cellheap.needs import peak_cell
from cellheap.notebookreport import NotebookReport
from cellheap.owned import Owned, Weighed
from cellheap.pools import pools
from cellheap.results import SHOWN, CellReport, Live, Overview, Result

__all__ = [
    "Cells",
    "CompareError",
    "ExportError",
    "NoSuchCellError",
    "RefusedError",
    "cells",
    "clear",
    "compare",
    "cycles",
    "diff",
    "export",
    "flame",
    "foresee",
    "heap_map",
    "holders",
    "last",
    "live",
    "notebook_report",
    "overview",
    "retained",
    "variables",
]


#: Types that a report keeps.
TYPES = 20
#: Growth that is worth a sentence.
SUSPECT_FROM = 1 << 10

R = TypeVar("R", Overview, Live)


def last() -> Last | None:
    """What the kernel before this one was doing when it died; None where it ended well, or where there was
    none."""
    with _core.own():
        text = _core.last_words()
        _core.last_words_told()
        return None if text is None else Last.from_json(text)


class NoSuchCellError(KeyError):
    """A cell of this number was not recorded; the message says which were."""

    def __str__(self) -> str:
        return str(self.args[0])


def overview() -> Overview:
    """The notebook so far, one row a cell; where nothing can be recorded, the process's numbers and why."""
    with _core.own():
        try:
            text = _core.overview(history=True)
        except RuntimeError:
            if (note := _core.trace_note()) is None:
                raise
            text = json.dumps({"process": json.loads(_core.process()), "notes": [note]})
        return _with_pools(Overview.from_json(text, recorder.known_sources()))


def live() -> Live:
    """What is alive now, by the cell and line that it was allocated in."""
    return live_of()


def live_of(*, brief: bool = False) -> Live:
    """The same; `brief`: with as many of the library functions under each line as are shown."""
    with _core.own():
        live = _with_pools(moments.live(SHOWN if brief else None))
        return replace(live, types=_types())


def heap_map() -> HeapMap:
    """How full each part of pymalloc's arenas is, and which lines keep nearly empty ones."""
    with _core.own():
        live = moments.live(0)
        return HeapMap.of(_core.heap_map(), live.arenas, dict(live.names))


def notebook_report() -> NotebookReport:
    """How much memory the notebook needs and how much to ask for, who holds the most, and what grows."""
    with _core.own():
        whole = overview()
        live = moments.live(SHOWN) if whole.cells else Live()
        cell = peak_cell(whole.cells)
        return notebookreport.of(whole, report(cell.id, types=False, brief=True) if cell else None, live)


def report(cell: int, *, types: bool = True, brief: bool = False) -> CellReport:
    """The report of a cell by our own id; without `types` what lives is not told by type, which needs no look
    at the objects. `brief` as in `live_of`."""
    with _core.own():
        active = recorder.active()
        file = active.sources.file(cell) if active else None
        text = _core.cell_report(cell, SHOWN if brief else None)
        report = CellReport.from_json(text, recorder.known_sources(), file)
        return replace(report, types=_types(cell)) if types and report.live else report


def report_of(number: int, *, brief: bool = False) -> CellReport:
    """The report of the latest run of In[number]; `brief` as in `live_of`."""
    return report(cells._id(number), brief=brief)


def _types(cell: int | None = None) -> tuple[TypeRow, ...]:
    """What is alive by type: of a cell by our own id, or of all cells."""
    sums: dict[str, TypeRow] = {}
    try:
        found = graph.survivors(cell, most=1000)
    except (RuntimeError, MemoryError):
        return ()  # This interpreter's objects are not known, or there are too many: the books are whole.
    for id, rows in found.cells.items():
        if found.labels[id].startswith(("In[", "(", "cell ")):
            for row in rows:
                known = sums.get(row.type, TypeRow(row.type, 0, 0))
                sums[row.type] = TypeRow(row.type, known.objects + row.objects, known.bytes + row.bytes)
    return tuple(sorted(sums.values(), key=lambda row: -row.bytes)[:TYPES])


class Cells(Mapping[int, CellReport]):
    """Reports by execution count, of the latest run of each: `cellheap.cells[5]`."""

    def __getitem__(self, number: int) -> CellReport:
        return report_of(number)

    def _id(self, number: int) -> int:
        """Our own id of the latest run of In[number]."""
        if not isinstance(number, int):
            raise NoSuchCellError(f"cells go by their number, as in cells[5], not by {number!r}")
        cell = _core.cell_id(number) if 0 <= number < 1 << 32 else None
        if cell is None:
            raise NoSuchCellError(f"there is no In[{number}]: {self._which()}")
        return cell

    def __iter__(self) -> Iterator[int]:
        return iter(sorted({cell.number for cell in overview().cells if cell.number is not None}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<cellheap.cells: {self._which()}>"

    def _which(self) -> str:
        numbers = list(self)
        if not numbers:
            return "no cell has been recorded yet"
        if len(numbers) == 1:
            return f"the only cell recorded is In[{numbers[0]}]"
        return f"the cells recorded are In[{numbers[0]}] to In[{numbers[-1]}]"


cells = Cells()


_NO_DIFF = {
    "from": "when In[{}] ended is not known: it runs still, or it was forgotten",
    "to": "when In[{1}] ended is not known: it was forgotten",
    "backwards": "In[{1}] did not end after In[{0}]: the earlier cell comes first",
    "cut": "recording stopped between In[{0}] and In[{1}]: what changed is not known",
}


def diff(before: int, after: int) -> Diff:
    """What changed in live memory from the end of In[before] to the end of In[after], or to now where that
    one runs. Raises NoSuchCellError for a cell that was not recorded, ValueError where the two cannot be
    compared."""
    with _core.own():
        first, second = cells._id(before), cells._id(after)
        try:
            text = _core.diff(first, second)
        except ValueError as error:
            raise ValueError(_NO_DIFF[str(error)].format(before, after)) from None
        return replace(Diff.from_json(text, recorder.known_sources()), suspect=_suspect(first, second))


def compare(expressions: str, names: dict[str, Any] | None = None) -> Comparison:
    """What objects cost that these expressions make; semicolons part them. They run in `names`, by default
    the notebook's variables, many times each. Raises CompareError for one that is no expression or fails,
    TypeError for what is no text."""
    if not issubclass(type(expressions), str):
        kind = type(expressions).__name__
        raise TypeError(f"expressions are compared as text, such as '[1]; (1,)': this is of type {kind}")
    if names is None:
        shell = get_ipython()
        names = {} if shell is None else shell.user_ns
    return comparing.compare(expressions, names)


def _suspect(first: int, second: int) -> str:
    """Who holds most of what the cells after the first, up to the second, left behind."""
    try:
        found = graph.newer(first, second)
    except (RuntimeError, MemoryError):
        return ""
    if found is None or found[1].bytes < SUSPECT_FROM:
        return ""
    chain, amount = found
    return f"Of what came and lives, {told(chain)} keeps the most alive: {amount_text(amount)}."


def variables(*names: str) -> Owned:
    """The notebook's variables by what each keeps alive: what `del` and a collection give back, to the byte.
    With names, of these alone. Raises TypeError for a value in the place of a name."""
    check_names(names)
    found = graph.variables(names or None)
    is_hidden = any(row.kind in ("output", "traceback") for row in found.hidden)
    clearing = graph.predict(out=True, traceback=True).each if is_hidden else ()
    return Owned.of(found, clearing)


def holders(thing: object, /, most: int = 5, *, name: str = "it") -> Held:
    """What keeps an object alive: the shortest chains of holders from places that have a name, at most so
    many. `name` is how the answer calls it. Raises ValueError where `most` is below 1."""
    if most < 1:
        raise ValueError(f"`most` says how many chains to look for, 1 or more, not {most}")
    return Held.of(graph.holders(thing, most), name)


def holders_of(name: str, most: int = 5) -> Held:
    """The same of a variable of the notebook. KeyError where there is none."""
    return Held.of(graph.holders_of(name, most), name)


def retained(thing: object, /) -> Weighed:
    """What would go if this object went, whoever holds it now."""
    return Weighed.of(graph.retained(thing))


def cycles(most: int = 10) -> Knotted:
    """What the next full collection would free: reference cycles, the biggest, and what hangs on them.
    Nothing is collected. Raises ValueError where `most` is below 0."""
    if most < 0:
        raise ValueError(f"`most` says how many cycles to draw, 0 or more, not {most}")
    return Knotted.of(graph.cycles(most))


def flame(number: int | None = None, measure: Measure | None = None) -> Flame:
    """A flame graph of In[number]'s memory, or of the whole notebook's.

    `measure` is "peak" (the default of a cell), "live" (the default of the notebook) or "allocated"."""
    cell = None if number is None else cells._id(number)
    return flames.flame(cell, measure or ("live" if cell is None else "peak"))


def export(file: str | os.PathLike[str], result: Result | None = None, *, force: bool = False) -> Path:
    """Writes a result (an overview of the notebook, if none is given) to a file and returns its path::

        cellheap.export("memory.html")
        cellheap.export("cell.png", cellheap.cells[5])

    The suffix says the format: .json and .csv have the exact numbers; .html is a page that needs nothing
    else; .svg and .png are the chart; .folded (.collapsed, .txt) are collapsed stacks for other viewers of
    flame graphs. The file is written beside and renamed. One that is there already raises ExportError, unless
    `force` replaces it."""
    with _core.own():
        return write(overview() if result is None else result, file, force)


def _with_pools(report: R) -> R:
    return replace(report, process=replace(report.process, pools=pools()))
