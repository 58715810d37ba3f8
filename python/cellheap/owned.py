"""What variables and objects keep alive, as it is shown: `%memtrace vars`, `cellheap.retained`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellheap import _core, pools
from cellheap.display import ALLOCATED, LIVE, Bundle, Column, Folded, Part, Picture, Size, Table, Words
from cellheap.graphtypes import Amount, Retained, Variable, Variables
from cellheap.held import amount_text, article
from cellheap.hidden import OUT, TRACEBACK
from cellheap.results import Result
from cellheap.typetables import types_table
from cellheap.units import bytes_text, count_text, listed

#: Rows of the table, of the drawing, and of the raw numbers.
ROWS, BARS, RAW = 25, 12, 60
#: Characters of a type in the table.
TYPE_WIDTH = 24
NOTE = (
    '`del` and a collection give back exactly what stands under "del frees", for one variable at a time.'
    " Shared is what it reaches and others reach too: that stays."
)


@dataclass(frozen=True, repr=False)
class Owned(Variables, Result):
    """The notebook's variables by what each keeps alive."""

    #: What clearing what is hidden gives back, by the option that does it.
    clearing: tuple[tuple[str, Amount], ...] = ()

    @classmethod
    def of(cls, found: Variables, clearing: Sequence[tuple[str, Amount]] = ()) -> Owned:
        """`hidden` keeps what a person knows: outputs and the last exception, each object once."""
        known: dict[str, Variable] = {}
        for row in found.hidden:
            shown = row.kind in ("output", "traceback") and (row.type, row.shallow) != ("NoneType", 0)
            if shown and not {row.name, *row.same_as} & set(known):
                known[row.name] = row
        return cls(**{**vars(found), "hidden": tuple(known.values())}, clearing=tuple(clearing))

    def __repr__(self) -> str:
        return f"<Owned: {count_text(len(self.variables), 'variable')}>"

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __getitem__(self, name: str) -> Variable:
        for row in (*self.variables, *self.hidden):
            if row.name == name:
                return row
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "variables", **asdict(self)}

    columns = (
        "name",
        "type",
        "shape",
        "shallow",
        "retained",
        "older",
        "pooled",
        "shared",
        "shared_with",
        "origin",
    )

    def rows(self) -> Iterator[dict[str, Any]]:
        for row in (*self.variables, *self.hidden):
            amount = row.retained
            known = {"retained": amount.bytes, "older": amount.older, "pooled": amount.pooled}
            flat = {**asdict(row), **known}
            yield {
                name: " ".join(flat[name]) if name == "shared_with" else flat[name] for name in self.columns
            }

    def pictures(self) -> list[Picture]:
        rows = self.variables[:BARS]
        if not any(row.retained.bytes or row.shared for row in rows):
            return []
        bars = [
            {
                "name": row.name,
                "note": _kind(row),
                "retained": row.retained.bytes,
                "shallow": row.shallow,
                "shared": row.shared,
            }
            for row in rows
        ]
        drawn = {"title": "Variables by what del gives back", "variables": bars}
        alt = "; ".join(f"{row.name} {bytes_text(row.retained.bytes)}" for row in rows[:5])
        return [
            Picture(_core.chart_variables(json.dumps(drawn)), f"Variables by what del gives back: {alt}.")
        ]

    def bundle(self) -> Bundle:
        parts: list[Part] = [Words(f"There is no variable {name}.") for name in self.unknown]
        parts += self.pictures()
        if self.variables:
            parts.append(_table(self.variables[:ROWS], len(self.variables) - ROWS))
        shared = [row for row in self.variables if row.shared]
        parts += [Words(_shares(row)) for row in shared[:3]]
        if shared[3:]:
            rest: list[list[str | Size]] = [
                [row.name, Size(row.shared), _with(row)] for row in shared[3:ROWS]
            ]
            columns = [Column("Variable"), Column("Shared"), Column("With")]
            parts.append(Folded("What else is shared", [Table("Shared", columns, rest)], browser_only=True))
        if older := [row for row in self.variables if row.retained.older]:
            most = max(older, key=lambda row: row.retained.older)
            parts.append(Words(_older(len(older), most), quiet=True))
        parts += [
            Words(words)
            for words in (*_pooled(self.variables), *pools.unread(row.type for row in self.variables))
        ]
        if self.hidden:
            parts.append(_hidden_table(self.hidden, self.clearing))
        return Bundle(_sentence(self), [*parts, Words(NOTE, quiet=True)], self._raw())

    def _raw(self) -> dict[str, Any]:
        left = max(0, len(self.variables) - RAW)
        return {
            **self.to_dict(),
            "variables": [asdict(row) for row in self.variables[:RAW]],
            "left_out": left,
        }


def _sentence(owned: Owned) -> str:
    if not owned.variables:
        return "There are no such variables." if owned.unknown else "There are no variables."
    most = max(owned.variables, key=lambda row: row.retained.whole)
    if len(owned.variables) == 1:
        stays = f"; {_shares(most)}" if most.shared else "."
        return f"`del {most.name}` and a collection give back {amount_text(most.retained)}{stays}"
    if not most.retained.whole:
        return "No variable keeps memory alive by itself: all that they reach is shared."
    return (
        f"Of {len(owned.variables):,} variables {most.name} keeps the most alive:"
        f" `del {most.name}` and a collection give back {amount_text(most.retained)}."
    )


def _shares(row: Variable) -> str:
    return f"{bytes_text(row.shared)} that {row.name} reaches stay with {_with(row)}."


def _with(row: Variable) -> str:
    names = [*row.shared_with]
    more = row.shared_names - len(names)
    return listed([*names, f"{more} more"] if more > 0 else names) or "others"


def _kind(row: Variable) -> str:
    return " ".join(filter(None, (row.type, row.shape)))


def _table(variables: Sequence[Variable], left: int) -> Table:
    rows: list[list[str | Size]] = [
        [
            row.name,
            _kind(row),
            Size(row.retained.bytes),
            Size(row.shallow),
            Size(row.shared),
            row.origin or "-",
        ]
        for row in variables
    ]
    columns = [
        Column("Variable"),
        Column("Type", width=TYPE_WIDTH),
        Column("del frees", LIVE),
        Column("Own"),
        Column("Shared", ALLOCATED),
        Column("Origin"),
    ]
    more = f"; {count_text(left, 'smaller one is', 'smaller ones are')} left out" if left > 0 else ""
    return Table(f"Variables, those that keep most alive first{more}", columns, rows)


def _older(count: int, most: Variable) -> str:
    size = bytes_text(most.retained.older)
    some = "1 variable keeps" if count == 1 else f"{count:,} variables keep"
    return f"{some} objects from before tracing alive too, {most.name} the most: about {size}, not in these."


def _pooled(variables: Sequence[Variable]) -> Iterator[str]:
    pooled = {row.name: row.retained.pooled for row in variables if row.retained.pooled}
    if pooled and len(variables) > 1:
        most = sorted(pooled, key=lambda name: -pooled[name])
        names = listed([f"{name} {bytes_text(pooled[name])}" for name in most])
        yield f"`del` also gives back of pyarrow's pool, which is not in these: {names}."


def _hidden_table(hidden: Sequence[Variable], clearing: Sequence[tuple[str, Amount]]) -> Table:
    rows: list[list[str | Size]] = []
    for option, amount in clearing:
        names = [row.name for row in hidden if _clears(row) == option]
        if names:
            rows.append([listed(names), Size(amount.whole), option])
    columns = [Column("Hidden"), Column("Clearing frees", LIVE), Column("Cleared by")]
    return Table("What IPython keeps besides", columns, rows)


def _clears(row: Variable) -> str:
    return TRACEBACK if row.kind == "traceback" else OUT


@dataclass(frozen=True, repr=False)
class Weighed(Retained, Result):
    """What would go with an object, whoever holds it now."""

    @classmethod
    def of(cls, found: Retained) -> Weighed:
        return cls(**vars(found))

    @property
    def bytes(self) -> int:
        """Exact bytes that would go with it."""
        return self.retained.bytes

    def __repr__(self) -> str:
        return f"<Weighed: {article(self.type)}, {amount_text(self.retained)}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "retained", **asdict(self)}

    columns = ("type", "objects", "bytes")

    def rows(self) -> Iterator[dict[str, Any]]:
        return (asdict(row) for row in self.types)

    def bundle(self) -> Bundle:
        origin = f", allocated in {self.origin}," if self.origin else ""
        said = (
            f"With this {self.type}{origin} {amount_text(self.retained)} would go, in"
            f" {count_text(self.retained.objects, 'object')}; its own blocks are {bytes_text(self.shallow)}."
        )
        parts = [types_table(self.types, "What is in it, by type")] if self.types else []
        return Bundle(said, parts, self.to_dict())
