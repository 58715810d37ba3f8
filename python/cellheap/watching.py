"""`%memtrace watch`: follows objects by weak reference and says after which cell each died.

Holds weak references, names and numbers: it keeps nothing alive.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellheap import _core
from cellheap.display import Bundle, Column, Table
from cellheap.results import Result
from cellheap.units import count_text

#: How many holders a row names.
HOLDERS = 2


@dataclass
class _Watched:
    """One object. `ref` is None where its type has no weak references; then `before` counts its type's."""

    name: str
    type: str
    #: Our id of the cell that asked.
    since: int | None
    ref: weakref.ref[Any] | None = None
    before: int | None = None
    died: bool = False
    #: Our id of the cell that ran as it died.
    cell: int | None = None
    told: bool = False

    def dies(self, _: object) -> None:
        """The weak reference's callback: any thread, any moment."""
        self.died = True
        self.cell = _cell()


@dataclass(frozen=True, slots=True)
class Seen:
    """A watched object as of now. `died` is the cell that ran as it died; empty while it lives, or where it
    cannot be followed: then `count` objects of its type live, and `before` did when it was first watched."""

    name: str
    type: str
    since: str
    alive: bool | None
    died: str = ""
    held_by: tuple[str, ...] = ()
    before: int | None = None
    count: int | None = None


@dataclass(frozen=True, repr=False)
class Watching(Result):
    """The watched objects."""

    seen: tuple[Seen, ...]

    def __repr__(self) -> str:
        return f"<Watching {count_text(len(self.seen), 'object')}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "watching", "seen": [asdict(one) for one in self.seen]}

    def bundle(self) -> Bundle:
        return Bundle(_sentence(self.seen), [_table(self.seen)] if self.seen else [], self.to_dict())


class Watcher:
    """What is watched in one shell. `holders` names who holds an object, `counts` tells how many of each type
    live."""

    def __init__(
        self, holders: Callable[[object], Sequence[str]], counts: Callable[[], dict[str, int]]
    ) -> None:
        self._holders = holders
        self._counts = counts
        self._watched: dict[str, _Watched] = {}

    @property
    def names(self) -> list[str]:
        return list(self._watched)

    def add(self, name: str, value: object) -> str:
        """Watches an object under this name, in place of what had it before. Says so in a line."""
        kind = type(value)
        watched = _Watched(name, kind.__qualname__, _cell())
        try:
            watched.ref = weakref.ref(value, watched.dies)
        except TypeError:
            watched.before = self._counts().get(watched.type, 0)
        self._watched[name] = watched
        if watched.ref is not None:
            return f"Watching {name} ({watched.type}): the cell in which it dies is told."
        return (
            f"{name} is of type {watched.type}, which has no weak references: it cannot be followed;"
            f" its type is counted, now {watched.before:,}."
        )

    def remove(self, names: Sequence[str]) -> list[str]:
        """Watches these no more; all, where none is named. Returns those that were not watched."""
        unknown = [name for name in names if name not in self._watched]
        for name in names or list(self._watched):
            self._watched.pop(name, None)
        return unknown

    def deaths(self) -> list[str]:
        """A line for each object that died and was not told of yet."""
        fresh = [watched for watched in self._watched.values() if watched.died and not watched.told]
        if not fresh:
            return []
        labels = _labels()
        for watched in fresh:
            watched.told = True
        return [f"{one.name} ({one.type}) died in {_label(labels, one.cell)}." for one in fresh]

    def look(self) -> Watching:
        """All that is watched, as of now."""
        labels = _labels()
        counts = self._counts() if any(one.ref is None for one in self._watched.values()) else {}
        return Watching(tuple(self._seen(one, labels, counts) for one in self._watched.values()))

    def _seen(self, one: _Watched, labels: dict[int, str], counts: dict[str, int]) -> Seen:
        since = _label(labels, one.since)
        if one.ref is None:
            return Seen(one.name, one.type, since, None, before=one.before, count=counts.get(one.type, 0))
        if one.died or (value := one.ref()) is None:
            one.told = True
            return Seen(one.name, one.type, since, False, _label(labels, one.cell))
        return Seen(one.name, one.type, since, True, held_by=tuple(self._holders(value)))


def _cell() -> int | None:
    try:
        return _core.current_cell()
    except RuntimeError:
        return None


def _labels() -> dict[int, str]:
    try:
        cells = json.loads(_core.overview())["cells"]
    except RuntimeError:
        return {}
    return {cell["id"]: cell["label"] for cell in cells}


def _label(labels: dict[int, str], cell: int | None) -> str:
    return labels.get(cell or 0, "code between cells")


def _sentence(seen: Sequence[Seen]) -> str:
    if not seen:
        return "Nothing is watched: `%memtrace watch NAME` watches a variable's object."
    said = [_state(one, full=True) for one in seen[:3]]
    if seen[3:]:
        said.append(count_text(len(seen) - 3, "more is in the table", "more are in the table"))
    return "; ".join(said) + "."


def _state(one: Seen, full: bool) -> str:
    who = f"{one.name} " if full else ""
    if one.alive is None:
        prefix = f"{one.name}: " if full else ""
        return f"{prefix}alive of type {one.type}: {one.count:,}, when first watched {one.before:,}"
    if not one.alive:
        return f"{who}died in {one.died}"
    names = [*one.held_by[:HOLDERS], *(["more"] if one.held_by[HOLDERS:] else [])]
    held = " and ".join(names) or "nothing that has a name"
    return f"{who}lives: held by {held}"


def _table(seen: Sequence[Seen]) -> Table:
    rows = [[one.name, one.type, one.since, _state(one, full=False)] for one in seen]
    heads = ("Name", "Type", "Since", "State")
    return Table("Watched", [Column(head) for head in heads], rows)
