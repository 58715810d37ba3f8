"""What `%gcclear` answers with: numbers as attributes, and how they show. Holds no object of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from cellheap.display import LIVE, Bundle, Column, Folded, Part, Size, Table, Words
from cellheap.graphplaces import FIGURES
from cellheap.graphtypes import Cycle
from cellheap.knotted import cycles_table, drawings, finalizers_text, is_notebooks, way
from cellheap.results import Result
from cellheap.units import bytes_text, count_text, listed

#: Rows that a table shows.
ROWS = 20
TYPES = 6
#: Variables that the sentence says of why they stay.
NAMED = 6
#: Who holds small numbers and short strings.
SHARED = "Python, which shares such values"
BESIDE = (
    "Freed: what cells had allocated since recording began, native memory too."
    " What older blocks gave back is told by malloc and by arenas that went, about."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step and what it freed. `held_by` names who still holds the value of a deleted variable, if it
    did not go. `native` is what malloc's use and arenas from before tracing fell by beyond the books,
    about; 0 where that is little."""

    what: str
    freed: int
    blocks: int
    native: int
    held_by: tuple[str, ...] = ()

    def and_of(self, other: Step) -> Step:
        """Both as one, under this one's name."""
        freed, blocks = self.freed + other.freed, self.blocks + other.blocks
        return replace(self, freed=freed, blocks=blocks, native=self.native + other.native)


@dataclass(frozen=True, slots=True)
class Origin:
    """Bytes that went, by the cell that had allocated them."""

    label: str
    freed: int
    blocks: int | None


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is still kept besides variables: clearing it with `option` gives back `bytes`, and about `older`
    of what is not in the books."""

    what: str
    option: str
    bytes: int
    older: int


@dataclass(frozen=True, repr=False)
class Cleared(Result):
    """What a `%gcclear` freed."""

    steps: tuple[Step, ...]
    #: Objects that the collector found unreachable.
    found: int
    freed: int
    blocks: int
    traced: bool
    origins: tuple[Origin, ...]
    #: Objects that went, by the name of their type, of the types that the collector knows.
    types: tuple[tuple[str, int], ...]
    #: Reference cycles that were garbage, the biggest; how many there were in all, and how many are drawn.
    cycles: tuple[Cycle, ...]
    cycle_count: int
    drawn: int
    #: Objects of the garbage that have a finalizer, that one brought back, and that cannot be collected.
    finalizers: int
    came_back: int
    uncollectable: int
    remarks: tuple[str, ...]
    hidden: tuple[Hidden, ...]
    trimmed: bool
    rss_before: int | None
    rss_after: int | None
    malloc_before: int
    malloc_after: int
    #: Of `found`, what was garbage in the beginning, where no cell had made any of that: of a start, say.
    others: int = 0

    def __repr__(self) -> str:
        return f"<Cleared: {bytes_text(self.freed)} freed>"

    @property
    def native(self) -> int:
        """What went back to malloc beyond the books, about: blocks from before tracing."""
        return sum(step.native for step in self.steps)

    @property
    def _own(self) -> list[Cycle]:
        """The cycles that cells had made."""
        return [cycle for cycle in self.cycles if is_notebooks(cycle)]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "cleared", **asdict(self)}

    def bundle(self) -> Bundle:
        parts: list[Part] = [Words(remark) for remark in self.remarks]
        if any(step.freed or step.native or step.held_by for step in self.steps):
            parts.append(_steps_table(self.steps))
        parts += self._cycles()
        parts.append(_hidden_table(self.hidden) if self.hidden else Words("IPython keeps nothing hidden."))
        if self.origins:
            parts.append(Folded("By origin", [_origins_table(self.origins)]))
        if self.types:
            parts.append(Folded("By type", [_types_table(self.types)], browser_only=True))
        parts.append(Folded("The process", [_process_table(self)], browser_only=True))
        parts.append(Words(BESIDE, quiet=True))
        # Cycles of others are counted, and not written into the notebook: they may be many.
        raw = {**self.to_dict(), "cycles": [asdict(cycle) for cycle in self._own]}
        return Bundle(_sentence(self), parts, raw)

    def _cycles(self) -> list[Part]:
        """The cycles, the largest drawn; and what finalizers did."""
        own = self._own
        parts: list[Part] = [*drawings(own[: self.drawn])]
        if own:
            parts.append(cycles_table(own[: max(self.drawn, 3)], len(own)))
        parts += [Words(words) for words in _finalizers(self)]
        if self.others:
            found = count_text(self.others, "object")
            said = f"The first collection found {found} of IPython's and libraries', none made by a cell."
            parts.append(Words(said, quiet=True))
        return parts


def _finalizers(cleared: Cleared) -> Iterator[str]:
    if words := finalizers_text(cleared.finalizers):
        yield words
    if cleared.came_back:
        were, stay = ("was", "stays") if cleared.came_back == 1 else ("were", "stay")
        yield f"{count_text(cleared.came_back, 'object')} {were} brought back by a finalizer and {stay}."
    if cleared.uncollectable:
        yield f"{count_text(cleared.uncollectable, 'object')} cannot be collected: `gc.garbage` has them."


def _sentence(cleared: Cleared) -> str:
    clauses = [_gone(cleared)]
    if own := cleared._own:
        clauses.append(_cycles_text(own))
    elif found := cleared.found - cleared.others:
        were = "was" if found == 1 else "were"
        clauses.append(f"{count_text(found, 'object')} in reference cycles {were} garbage")
    if cleared.rss_before is not None and cleared.rss_after is not None:
        before, after = bytes_text(cleared.rss_before), bytes_text(cleared.rss_after)
        clauses.append(f"RSS went from {before} to {after}" if before != after else f"RSS stays at {after}")
    stay = [step for step in cleared.steps if step.held_by and step.held_by != (SHARED,)]
    clauses += [f"{step.what} is not freed: still held by {listed(step.held_by)}" for step in stay[:NAMED]]
    if left := stay[NAMED:]:
        clauses.append(f"{count_text(len(left), 'other')} are not freed either")
    return "; ".join(clauses) + "."


def _cycles_text(own: Sequence[Cycle]) -> str:
    """The cycles that cells had made."""
    biggest, origin = own[0], own[0].origins[0][0]
    if len(own) == 1:
        return f"a reference cycle made in {origin} was garbage: {way(biggest)}"
    return f"{len(own):,} reference cycles were garbage, the biggest made in {origin}: {way(biggest)}"


def _gone(cleared: Cleared) -> str:
    if not cleared.traced:
        return "How many bytes went was not recorded"
    if not cleared.freed and not cleared.native:
        return "Nothing of the notebook's was freed"
    freed = f"Freed {bytes_text(cleared.freed)} in {count_text(cleared.blocks, 'block')}"
    return f"{freed}, and about {bytes_text(cleared.native)} from before tracing" if cleared.native else freed


def _steps_table(steps: Sequence[Step]) -> Table:
    has_native = any(step.native for step in steps)
    columns = [Column("Step"), Column("Freed", LIVE), Column("Blocks")]
    if has_native:
        columns.append(Column("Older than tracing, about"))
    rows: list[list[str | Size]] = []
    for step in steps[:ROWS]:
        native: list[str | Size] = [Size(step.native)] if has_native else []
        rows.append([step.what, Size(step.freed), f"{step.blocks:,}", *native, _remark(step)])
    if left := steps[ROWS:]:
        older: list[str | Size] = [Size(sum(step.native for step in left))] if has_native else []
        freed, blocks = sum(step.freed for step in left), sum(step.blocks for step in left)
        rows.append([count_text(len(left), "other step"), Size(freed), f"{blocks:,}", *older, ""])
    return Table("What each step freed", [*columns, Column("")], rows)


def _remark(step: Step) -> str:
    if step.held_by == (SHARED,):
        return "shared by Python"
    return "still held" if step.held_by else ""


def _origins_table(origins: Sequence[Origin]) -> Table:
    rows: list[list[str | Size]] = [
        [origin.label, Size(origin.freed), "-" if origin.blocks is None else f"{origin.blocks:,}"]
        for origin in origins[:ROWS]
    ]
    columns = [Column("Origin"), Column("Freed", LIVE, strip=True), Column("Blocks")]
    return Table("Where the freed blocks had been allocated", columns, rows)


def _types_table(kinds: Sequence[tuple[str, int]]) -> Table:
    rows: list[list[str | Size]] = [[name, f"{count:,}"] for name, count in kinds[:TYPES]]
    if kinds[TYPES:]:
        rest = kinds[TYPES:]
        rows.append([count_text(len(rest), "other type"), f"{sum(count for _, count in rest):,}"])
    return Table(
        "Objects that went, of types that the collector knows", [Column("Type"), Column("Objects")], rows
    )


def _hidden_table(hidden: Sequence[Hidden]) -> Table:
    rows: list[list[str | Size]] = [[item.what, _gives_back(item), item.option] for item in hidden]
    columns = [Column("Still kept"), Column("Would give back"), Column("Cleared by")]
    return Table("Hidden from you", columns, rows)


def _gives_back(item: Hidden) -> str:
    older = f"about {bytes_text(item.older)}" if item.older else ""
    # What a figure is drawn into is C++'s: no object says so.
    least = "at least " if item.option == FIGURES else ""
    exact = f"{least}{bytes_text(item.bytes)}" if item.bytes else ""
    return " and ".join(filter(None, (exact, older))) or "nothing by itself"


def _process_table(cleared: Cleared) -> Table:
    rss = "RSS, after malloc_trim" if cleared.trimmed else "RSS"
    rows: list[list[str | Size]] = [
        [rss, Size(cleared.rss_before), Size(cleared.rss_after)],
        ["malloc, in use", Size(cleared.malloc_before), Size(cleared.malloc_after)],
    ]
    return Table("Before and after", [Column("What"), Column("Before"), Column("After")], rows)
