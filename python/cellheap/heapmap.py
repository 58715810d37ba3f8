"""`HeapMap`: how full each part of pymalloc's arenas is, and how that shows: `%memtrace live --map`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from cellheap import _core, sentences, tables
from cellheap.display import LIVE, Bundle, Column, Part, Picture, Size, Table, Words
from cellheap.records import Arenas, read
from cellheap.results import Result, beside
from cellheap.tables import Row
from cellheap.units import bytes_text, count_text

#: The steps of the drawing.
_STEPS = ("empty", "to a quarter full", "to a half", "to three quarters", "above")


@dataclass(frozen=True, repr=False)
class HeapMap(Result):
    """pymalloc's arenas, cut into boxes in the order of their addresses. An arena goes back to the system
    when its last block is freed; a box that is nearly empty is memory that is held and hardly used."""

    #: Arenas mapped since recording began, the bytes they span and the live bytes in them.
    arenas: int = 0
    bytes: int = 0
    live: int = 0
    #: The bytes that a box spans; the last one may span less.
    unit: int = 0
    #: Live bytes in each box.
    boxes: tuple[int, ...] = ()
    #: Arenas from before recording, not in the map; None where the interpreter does not say.
    older: int | None = 0
    notes: tuple[str, ...] = ()
    #: How full the arenas are, and the lines that keep nearly empty ones.
    fullness: Arenas = field(default_factory=Arenas)
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, fullness: Arenas, names: dict[str, str]) -> Self:
        """From `_core.heap_map()` and what `%memtrace live` knows of the arenas."""
        return read(cls, {**json.loads(text), "fullness": asdict(fullness), "names": names})

    def __repr__(self) -> str:
        return f"<HeapMap of {count_text(self.arenas, 'arena')}, {bytes_text(self.live)} live>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "map", **asdict(self)}

    columns = ("box", "bytes", "live")

    def rows(self) -> Iterator[dict[str, Any]]:
        for at, live in enumerate(self.boxes):
            yield {"box": at, "bytes": self._span(at), "live": live}

    def _span(self, at: int) -> int:
        return min(self.unit, self.bytes - at * self.unit)

    def pictures(self) -> list[Picture]:
        if not self.boxes:
            return []
        steps = "; ".join(f"{row[0]}: {row[1]}" for row in self._steps() if row[1] != "0")
        alt = f"Map of {count_text(self.arenas, 'arena')} in {count_text(len(self.boxes), 'box', 'boxes')}"
        numbers = json.dumps({**asdict(self), "notes": [], "fullness": None, "names": None})
        return [Picture(_core.chart_map(numbers), f"{alt}. {steps}.")]

    def bundle(self) -> Bundle:
        parts: list[Part] = [*self.pictures()]
        if self.boxes:
            columns = [Column("Boxes"), Column("How many"), Column("Span"), Column("Live", LIVE, strip=True)]
            caption = f"Boxes of {bytes_text(self.unit)} by how full they are"
            parts.append(Table(caption, columns, list(self._steps())))
        if self.fullness.filled[0]:
            parts.append(Words(f"{sentences.of_arenas(self.fullness)}."))
            parts.append(tables.of_pins(self.fullness.pins, self.names))
        if self.older is None:
            parts.append(Words("Arenas from before recording are not in the map.", quiet=True))
        elif self.older:
            older = count_text(self.older, "arena is", "arenas are")
            parts.append(Words(f"{older} from before recording and not in the map.", quiet=True))
        return Bundle(self._sentence(), [*parts, *beside(self.notes)], self.to_dict())

    def _sentence(self) -> str:
        if not self.boxes:
            return "pymalloc has mapped no arena since recording began."
        share = f"{self.live / self.bytes:.0%}"
        arenas = count_text(self.arenas, "arena")
        since = "" if self.older == 0 else " mapped since recording began"
        return f"pymalloc holds {bytes_text(self.bytes)} in {arenas}{since}; {share} of it is live."

    def _steps(self) -> Iterator[Row]:
        sums = [[0, 0, 0] for _ in _STEPS]
        for at, live in enumerate(self.boxes):
            step = sums[min(4, -(-live * 4 // self.unit))]
            step[0] += 1
            step[1] += self._span(at)
            step[2] += live
        for word, (count, span, live) in zip(_STEPS, sums, strict=True):
            yield [word, f"{count:,}", Size(span), Size(live)]
