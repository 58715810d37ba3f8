"""What `%gcclear --dry-run` answers with: what would go and what would stay. Holds no object of a user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cellheap.display import LIVE, Bundle, Column, Folded, Part, Size, Table, Words
from cellheap.graphtypes import Amount, Prediction
from cellheap.held import amount_text, listed, texts
from cellheap.results import Result
from cellheap.typetables import types_table

NOTE = "A prediction means `del` and a full collection, while nothing else runs. Nothing was changed."


@dataclass(frozen=True, repr=False)
class Foreseen(Prediction, Result):
    """What a `%gcclear` would give back."""

    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Prediction, remarks: tuple[str, ...] = ()) -> Foreseen:
        return cls(**vars(found), remarks=remarks)

    def __repr__(self) -> str:
        return f"<Foreseen: {amount_text(self.freed)} would be freed>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "foreseen", **asdict(self)}

    columns = ("step", "bytes", "objects", "older")

    def rows(self) -> Iterator[dict[str, Any]]:
        for what, amount in self.each:
            yield {"step": what, "bytes": amount.bytes, "objects": amount.objects, "older": amount.older}

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
        return Bundle(self._sentence(), [*parts, Words(NOTE, quiet=True)], self.to_dict())

    def _sentence(self) -> str:
        if not _whole(self.freed):
            said = ["Nothing would be freed"]
        else:
            parts = [f"{what} {amount_text(amount)}" for what, amount in self.each if _whole(amount)]
            said = [f"Would free {amount_text(self.freed)}: {', '.join(parts)}"]
        said += [
            f"{name} would not be freed: still held by {listed(texts(chains, name)) or 'something else'}"
            for name, chains in self.kept
        ]
        return "; ".join(said) + "."

    def _steps(self) -> Table:
        kept = {name for name, _ in self.kept}
        rows: list[list[str | Size]] = [
            [what, Size(_whole(amount)), f"{amount.objects:,}", "still held" if what in kept else ""]
            for what, amount in self.each
        ]
        columns = [Column("Step"), Column("Would free", LIVE), Column("Objects"), Column("")]
        return Table("What each step would free, after those before it", columns, rows)


def _whole(amount: Amount) -> int:
    return amount.bytes + amount.older
