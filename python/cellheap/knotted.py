"""Reference cycles, as they are shown: `cellheap.cycles`, `%gcclear --cycles`. Knows knots, no objects."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellheap import _core
from cellheap.display import LIVE, Bundle, Column, Part, Picture, Size, Table, Words
from cellheap.graphtypes import Cycle, Cycles
from cellheap.held import amount_text
from cellheap.results import Result
from cellheap.typetables import types_table
from cellheap.units import bytes_text, count_text

#: Types whose part in a cycle is told with the object that has them.
_CONTAINERS = ("list", "dict", "tuple", "set")
#: How origins begin that are cells, or between them.
_CELLS = ("In[", "(after")
#: Objects of a ring that are drawn.
DRAWN = 8


@dataclass(frozen=True, repr=False)
class Knotted(Cycles, Result):
    """What the next full collection would free."""

    @classmethod
    def of(cls, found: Cycles) -> Knotted:
        return cls(**{**vars(found), "cycles": tuple(sorted(found.cycles, key=_order))})

    def __repr__(self) -> str:
        return f"<Knotted: {count_text(self.count, 'cycle')}, {amount_text(self.garbage)}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "cycles", **asdict(self)}

    columns = ("text", "objects", "bytes", "retained", "finalizers")

    def rows(self) -> Iterator[dict[str, Any]]:
        for cycle in self.cycles:
            row = {**asdict(cycle), "retained": cycle.retained.bytes}
            yield {name: row[name] for name in self.columns}

    def pictures(self) -> list[Picture]:
        return drawings([cycle for cycle in self.cycles[:3] if is_notebooks(cycle)])

    def bundle(self) -> Bundle:
        if not self.garbage.objects:
            return Bundle("Nothing is garbage: a collection would free nothing.", [], self.to_dict())
        parts: list[Part] = [*self.pictures()]
        if self.cycles:
            parts.append(cycles_table(self.cycles, self.count))
        if self.types:
            parts.append(types_table(self.types, "What a collection would free, by type"))
        if words := finalizers_text(finalizers_of(self.cycles)):
            parts.append(Words(words))
        return Bundle(_sentence(self), parts, self.to_dict())


def _sentence(knotted: Knotted) -> str:
    were = "is" if knotted.count == 1 else "are"
    objects = count_text(knotted.garbage.objects, "object")
    said = (
        f"{count_text(knotted.count, 'reference cycle')} {were} garbage: a collection would free"
        f" {amount_text(knotted.garbage)} in {objects}"
    )
    around = way(knotted.cycles[0]) if knotted.cycles else ""
    biggest = f"; the biggest is {around}" if around else ""
    return f"{said}{biggest}{_from(knotted.cycles[0]) if biggest else ''}."


def is_notebooks(cycle: Cycle) -> bool:
    """Whether a cell made it: IPython and libraries leave cycles of their own."""
    return bool(cycle.origins) and cycle.origins[0][0].startswith(_CELLS)


def is_others(cycles: Cycles) -> bool:
    """Whether there is garbage, and no cell made any of it."""
    made = any(origin.startswith(_CELLS) for origin, _ in cycles.origins)
    return cycles.garbage.objects > 0 and not made


def way(cycle: Cycle) -> str:
    """The way around as a person reads it: `Node.references[0] -> Node.references[0] -> Node`."""
    ring = _ring(cycle)
    types = {member.number: member.type for member in cycle.members}
    owners = [at for at, number in enumerate(ring) if types[number] not in _CONTAINERS]
    if not owners:
        return cycle.text
    ring = ring[owners[0] :] + ring[: owners[0]]
    words = {(start, end): words for start, end, words in reversed(cycle.arrows)}
    text = ""
    for at, number in enumerate(ring):
        if types[number] not in _CONTAINERS:
            text += f"{' -> ' if text else ''}{types[number]}"
        arrow = words[number, ring[(at + 1) % len(ring)]]
        text += arrow if arrow.startswith((".", "[")) else f" ({arrow})"
    return f"{text} -> {types[ring[0]]}"


def finalizers_of(cycles: Sequence[Cycle]) -> int:
    """Objects with a finalizer in cycles that cells made."""
    return sum(cycle.finalizers for cycle in cycles if is_notebooks(cycle))


def _order(cycle: Cycle) -> tuple[bool, int]:
    """Those that cells made first, the biggest first."""
    return not is_notebooks(cycle), -(cycle.retained.bytes + cycle.retained.older)


def _from(cycle: Cycle) -> str:
    return f", made in {cycle.origins[0][0]}" if cycle.origins else ""


def finalizers_text(count: int) -> str:
    """What is to be said where objects have finalizers."""
    if not count:
        return ""
    have = "object has a finalizer" if count == 1 else "objects have finalizers"
    return f"{count:,} {have} (`__del__`): what that does cannot be foreseen."


def cycles_table(cycles: Sequence[Cycle], count: int) -> Table:
    rows: list[list[str | Size]] = [
        [
            way(cycle) or "a knot of many objects",
            Size(cycle.retained.bytes + cycle.retained.older),
            f"{cycle.objects:,}",
            cycle.origins[0][0] if cycle.origins else "-",
        ]
        for cycle in cycles
    ]
    left = count - len(cycles)
    more = f"; {count_text(left, 'smaller one is', 'smaller ones are')} left out" if left > 0 else ""
    columns = [Column("Cycle"), Column("With what hangs on it", LIVE), Column("Objects"), Column("Origin")]
    return Table(f"Reference cycles, the biggest first{more}", columns, rows, long_labels=True)


def drawings(cycles: Sequence[Cycle]) -> list[Picture]:
    """A ring for each cycle that is small enough to be drawn."""
    return [picture for cycle in cycles if (picture := _drawing(cycle)) is not None]


def _drawing(cycle: Cycle) -> Picture | None:
    ring = _ring(cycle)
    if not ring:
        return None
    members = {member.number: member for member in cycle.members}
    words = {(start, end): words for start, end, words in reversed(cycle.arrows)}
    left = cycle.objects - len(ring)
    more = f", {count_text(left, 'more object')} of it not drawn" if left > 0 else ""
    drawn = {
        "title": f"A cycle of {count_text(cycle.objects, 'object')}, {bytes_text(cycle.retained.bytes)}"
        f" with what hangs on it{more}",
        "members": [
            {
                "name": members[number].type,
                "note": _note(members[number].bytes, members[number].origin),
                "words": words[number, ring[(at + 1) % len(ring)]],
            }
            for at, number in enumerate(ring)
        ],
    }
    return Picture(_core.chart_ring(json.dumps(drawn)), f"A reference cycle: {way(cycle)}.")


def _note(size: int, origin: str | None) -> str:
    return f"{bytes_text(size)}, {origin}" if origin else bytes_text(size)


def _ring(cycle: Cycle) -> list[int]:
    """The shortest way around that is to be drawn, as numbers of its members."""
    nexts: dict[int, list[int]] = {}
    for start, end, _ in cycle.arrows:
        nexts.setdefault(start, []).append(end)
    rings = (_around(member.number, nexts) for member in cycle.members)
    found = [ring for ring in rings if ring and len(ring) <= DRAWN]
    return min(found, key=len, default=[])


def _around(first: int, nexts: dict[int, list[int]]) -> list[int]:
    """The shortest way from an object back to itself."""
    before: dict[int, int] = {}
    todo = deque([first])
    while todo:
        at = todo.popleft()
        for following in nexts.get(at, ()):
            if following == first:
                ring = [at]
                while ring[-1] != first:
                    ring.append(before[ring[-1]])
                return ring[::-1]
            if following not in before:
                before[following] = at
                todo.append(following)
    return []
