"""Cells that ran again: what each run left behind. Arithmetic on cells; says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cellheap.records import Cell

#: Growth of a later run that is worth a row; less is what caches and counters take.
LEAST = 4 << 10


@dataclass(frozen=True, slots=True)
class Rerun:
    """Runs of the same code, in the same cell where the front end says which. Exact bytes."""

    #: The runs, `In[3]` first.
    labels: tuple[str, ...]
    #: Net of the first run: what it kept is warm-up (imports, caches) or its result.
    first: int
    #: Net of each run after it: what that left behind more than it gave back.
    later: tuple[int, ...]

    @property
    def growth(self) -> int:
        """Net of all runs after the first."""
        return sum(self.later)

    @property
    def each(self) -> int:
        """The same of one run, on average."""
        return self.growth // len(self.later)


def reruns(cells: Iterable[Cell]) -> list[Rerun]:
    """Code that ran more than once, what grew most first."""
    runs: dict[int, list[Cell]] = {}
    for cell in cells:
        if cell.code and cell.number is not None and cell.traced and cell.state != "running":
            runs.setdefault(cell.code, []).append(cell)
    again = (same for same in runs.values() if len(same) > 1)
    found = [
        Rerun(tuple(cell.label for cell in same), same[0].net, tuple(cell.net for cell in same[1:]))
        for same in again
    ]
    return sorted(found, key=lambda rerun: -rerun.growth)


def growing(again: Iterable[Rerun]) -> list[Rerun]:
    """Those whose later runs left more and more behind."""
    return [rerun for rerun in again if rerun.each >= LEAST]
