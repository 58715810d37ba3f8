"""What `%gcclear --dry-run` answers with: what would go and what would stay. Holds no object of a user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cellheap.display import LIVE, Bundle, Column, Folded, Part, Size, Table, Words
from cellheap.graphtypes import Prediction
from cellheap.held import amount_text, texts
from cellheap.knotted import finalizers_text
from cellheap.results import Result
from cellheap.typetables import types_table
from cellheap.units import count_text, listed

NOTE = "A prediction means `del` and a full collection, while nothing else runs. Nothing was changed."
#: Steps that the sentence names, and rows of the table.
NAMED, ROWS = 6, 20


@dataclass(frozen=True, repr=False)
class Foreseen(Prediction, Result):
    """What a `%gcclear` would give back."""

    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Prediction, remarks: tuple[str, ...] = ()) -> Foreseen:
        """As `%gcclear` counts: garbage that no cell made is beside the steps."""
        garbage, *steps = found.each
        each = ((garbage[0], garbage[1].less(found.others)), *steps)
        return cls(**{**vars(found), "each": each, "freed": found.freed.less(found.others)}, remarks=remarks)

    def __repr__(self) -> str:
        return f"<Foreseen: {amount_text(self.freed)} would be freed>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "foreseen", **asdict(self)}

    columns = ("step", "bytes", "objects", "older", "pooled")

    def rows(self) -> Iterator[dict[str, Any]]:
        for what, amount in self.each:
            yield {
                "step": what,
                "bytes": amount.bytes,
                "objects": amount.objects,
                "older": amount.older,
                "pooled": amount.pooled,
            }

    def held_by(self, name: str) -> tuple[str, ...]:
        """Who would still hold the object of a deleted variable."""
        return next((texts(chains, name) for kept, chains in self.kept if kept == name), ())

    def bundle(self) -> Bundle:
        parts: list[Part] = [Words(remark) for remark in self.remarks]
        parts.append(self._steps())
        if self.types:
            parts.append(Folded("By type", [types_table(self.types, "What would go, by type")]))
        if self.origins:
            rows: list[list[str | Size]] = [[label, Size(size)] for label, size in self.origins[:20]]
            columns = [Column("Origin"), Column("Would go", LIVE, strip=True)]
            parts.append(Folded("By origin", [Table("Where it had been allocated", columns, rows)]))
        if words := finalizers_text(sum(amount.finalizers for _, amount in self.each)):
            parts.append(Words(words))
        if self.others.objects:
            garbage = f"{count_text(self.others.objects, 'object')} ({amount_text(self.others)})"
            parts.append(
                Words(
                    f"Garbage of IPython's and libraries' would go too: {garbage}, none made by a cell.",
                    quiet=True,
                )
            )
        return Bundle(self._sentence(), [*parts, Words(NOTE, quiet=True)], self.to_dict())

    def _sentence(self) -> str:
        if not self.freed.whole:
            said = ["Nothing would be freed"]
        else:
            parts = [f"{what} {amount_text(amount)}" for what, amount in self.each if amount.whole]
            more = f" and {count_text(len(parts) - NAMED, 'other step')}" if len(parts) > NAMED else ""
            said = [f"Would free {amount_text(self.freed)}: {', '.join(parts[:NAMED])}{more}"]
        said += [
            f"{name} would not be freed: still held by {listed(texts(chains, name)) or 'something else'}"
            for name, chains in self.kept[:NAMED]
        ]
        if left := self.kept[NAMED:]:
            said.append(f"{count_text(len(left), 'other')} would not be freed either")
        return "; ".join(said) + "."

    def _steps(self) -> Table:
        kept = {name for name, _ in self.kept}
        rows: list[list[str | Size]] = [
            [what, Size(amount.whole), f"{amount.objects:,}", "still held" if what in kept else ""]
            for what, amount in self.each[:ROWS]
        ]
        if left := [amount for _, amount in self.each[ROWS:]]:
            size, objects = sum(amount.whole for amount in left), sum(amount.objects for amount in left)
            rows.append([count_text(len(left), "other step"), Size(size), f"{objects:,}", ""])
        columns = [Column("Step"), Column("Would free", LIVE), Column("Objects"), Column("")]
        return Table("What each step would free, after those before it", columns, rows)
