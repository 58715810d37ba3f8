"""What the magics show, as data. The Python API; the magics are thin over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cellheap import _core, recorder
from cellheap.clearing import clear
from cellheap.results import CellReport, Live, NoSources, Overview, Sources

__all__ = ["Cells", "NoSuchCellError", "cells", "clear", "live", "overview"]


class NoSuchCellError(KeyError):
    """A cell of this number was not recorded; the message says which were."""

    def __str__(self) -> str:
        return str(self.args[0])


def overview() -> Overview:
    """The notebook so far, one row a cell."""
    with _core.own():
        return Overview.from_json(_core.overview(), _sources())


def live() -> Live:
    """What is alive now, by the cell and line that it was allocated in."""
    with _core.own():
        return Live.from_json(_core.live(), _sources())


def report(cell: int) -> CellReport:
    """The report of a cell by our own id."""
    with _core.own():
        active = recorder.active()
        file = active.sources.file(cell) if active else None
        return CellReport.from_json(_core.cell_report(cell), _sources(), file)


class Cells(Mapping[int, CellReport]):
    """Reports by execution count, of the latest run of each: `cellheap.cells[5]`."""

    def __getitem__(self, number: int) -> CellReport:
        cell = _core.cell_id(number) if 0 <= number < 1 << 32 else None
        if cell is None:
            raise NoSuchCellError(f"there is no In[{number}]: {self._which()}")
        return report(cell)

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


def _sources() -> Sources:
    active = recorder.active()
    return active.sources if active else NoSources()
