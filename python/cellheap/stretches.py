"""Between cells: which of these stretches are worth a row of their own.

Python's cache of types' attributes keeps names that a cell's import made, and lets go of them one by one
while IPython works: after an import there is such a stretch, of some hundred bytes, behind each cell.
"""

from __future__ import annotations

from collections.abc import Sequence

from cellheap.records import Cell

#: Below this part of what the biggest cell allocated nobody sees it in a chart.
_PART = 1000


def told_apart(cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Cells and the stretches that matter; and those that allocated nothing and freed next to nothing."""
    most = max((cell.allocated for cell in cells), default=0)
    told: list[Cell] = []
    minor: list[Cell] = []
    for cell in cells:
        is_minor = _is_stretch(cell) and not cell.allocated and cell.freed * _PART < most
        (minor if is_minor else told).append(cell)
    return told, minor


def _is_stretch(cell: Cell) -> bool:
    return cell.label.startswith("(")
