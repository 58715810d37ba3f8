"""Results of the object graph. Strings and numbers: a result keeps nothing alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from cellheap.units import bytes_text

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Amount:
    """Bytes of a set of objects, as the books would see them freed."""

    bytes: int
    objects: int
    #: Bytes of objects from before tracing, about; not in `bytes`.
    older: int = 0
    #: Bytes of pyarrow's pool, which has memory of its own that the books see as a whole; not in `bytes`.
    pooled: int = 0
    #: How many have a finalizer: what that does cannot be foreseen.
    finalizers: int = 0
    #: How many would stay, in circles through references that the collector does not see; not in `bytes`.
    uncollectable: int = 0

    def __str__(self) -> str:
        return bytes_text(self.bytes)

    @property
    def whole(self) -> int:
        """All bytes, those that are known about too."""
        return self.bytes + self.older + self.pooled

    def less(self, part: Amount) -> Amount:
        """Without a part of it."""
        rest = (mine - other for mine, other in zip(astuple(self), astuple(part), strict=True))
        return Amount(*(max(0, left) for left in rest))


@dataclass(frozen=True)
class TypeRow:
    type: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Step:
    """An arrow from a holder to what it holds."""

    words: str
    kind: str
    #: Type of what the arrow leads to.
    type: str
    #: The same number is the same object, within one result.
    number: int


@dataclass(frozen=True)
class Chain:
    """A way from a place with a name to an object."""

    root: str
    kind: str
    steps: tuple[Step, ...]
    text: str
    #: The option of `%gcclear` that lets go of this holder.
    clears: str | None
    type: str
    number: int

    @classmethod
    def from_json(cls, data: Json) -> Chain:
        return cls(**{**data, "steps": tuple(Step(**step) for step in data["steps"])})

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Variable:
    """A name and what it keeps alive."""

    name: str
    kind: str
    type: str
    shape: str
    shallow: int
    #: What goes with this name alone.
    retained: Amount
    #: Bytes that it reaches and that others reach too, those of pyarrow's pool among them.
    shared: int
    shared_with: tuple[str, ...]
    shared_names: int
    origin: str | None
    origin_cell: int | None
    same_as: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json, shape: str = "") -> Variable:
        lists = {key: tuple(data[key]) for key in ("shared_with", "same_as")}
        own = {"shape": shape, "retained": Amount(**data["retained"])}
        return cls(**{**data, **lists, **own})


@dataclass(frozen=True)
class Variables:
    """The notebook's variables, those that keep most alive first."""

    variables: tuple[Variable, ...]
    #: Outputs and tracebacks.
    hidden: tuple[Variable, ...]
    total: Amount
    objects: int
    seconds: float
    unknown: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json, shapes: Mapping[str, str], unknown: Sequence[str]) -> Variables:
        return cls(
            tuple(Variable.from_json(row, shapes.get(row["name"], "")) for row in data["variables"]),
            tuple(Variable.from_json(row) for row in data["hidden"]),
            Amount(**data["total"]),
            data["objects"],
            data["seconds"],
            tuple(unknown),
        )


def _rows(rows: Sequence[Json]) -> tuple[TypeRow, ...]:
    return tuple(TypeRow(**row) for row in rows)


def _pairs(rows: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple((label, count) for label, count in rows)


@dataclass(frozen=True)
class Retained:
    """What would go with an object."""

    type: str
    shallow: int
    retained: Amount
    types: tuple[TypeRow, ...]
    origin: str | None

    @classmethod
    def from_json(cls, data: Json) -> Retained:
        parts = {"retained": Amount(**data["retained"]), "types": _rows(data["types"])}
        return cls(**{**data, **parts})


@dataclass(frozen=True)
class Holders:
    """Who holds an object."""

    type: str
    retained: Amount
    chains: tuple[Chain, ...]
    #: How many hold it directly.
    holders: int
    origin: str | None
    #: Weak references to it.
    weak: int
    #: Something holds it that does not say so: C code, as torch's graph of operations.
    unseen: bool
    #: Nothing holds it but itself: the next collection frees it.
    garbage: bool
    #: Python keeps it for good: `None`, small numbers, names.
    immortal: bool

    @classmethod
    def from_json(cls, data: Json) -> Holders:
        chains = tuple(Chain.from_json(chain) for chain in data["chains"])
        return cls(**{**data, "retained": Amount(**data["retained"]), "chains": chains})


@dataclass(frozen=True)
class Member:
    number: int
    type: str
    origin: str | None
    bytes: int
    finalizer: bool


@dataclass(frozen=True)
class Cycle:
    """A knot of objects that hold each other."""

    objects: int
    bytes: int
    #: With what hangs on it alone.
    retained: Amount
    types: tuple[TypeRow, ...]
    origins: tuple[tuple[str, int], ...]
    members: tuple[Member, ...]
    arrows: tuple[tuple[int, int, str], ...]
    text: str
    finalizers: int

    @classmethod
    def from_json(cls, data: Json) -> Cycle:
        parts = {
            "retained": Amount(**data["retained"]),
            "types": _rows(data["types"]),
            "origins": _pairs(data["origins"]),
            "members": tuple(Member(**member) for member in data["members"]),
            "arrows": tuple((start, end, words) for start, end, words in data["arrows"]),
        }
        return cls(**{**data, **parts})


@dataclass(frozen=True)
class Cycles:
    """What the next full collection would free."""

    cycles: tuple[Cycle, ...]
    count: int
    garbage: Amount
    origins: tuple[tuple[str, int], ...]
    types: tuple[TypeRow, ...]

    @classmethod
    def from_json(cls, data: Json) -> Cycles:
        return cls(
            tuple(Cycle.from_json(cycle) for cycle in data["cycles"]),
            data["count"],
            Amount(**data["garbage"]),
            _pairs(data["origins"]),
            _rows(data["types"]),
        )


@dataclass(frozen=True)
class Prediction:
    """What would go, step by step: each with those before it."""

    freed: Amount
    #: Of the garbage in the beginning, what no cell had made: IPython's and libraries'.
    others: Amount
    each: tuple[tuple[str, Amount], ...]
    types: tuple[TypeRow, ...]
    origins: tuple[tuple[str, int], ...]
    #: Names whose object stays, and who holds it.
    kept: tuple[tuple[str, tuple[Chain, ...]], ...]

    @classmethod
    def from_json(cls, data: Json) -> Prediction:
        kept = ((name, tuple(Chain.from_json(chain) for chain in chains)) for name, chains in data["kept"])
        return cls(
            Amount(**data["freed"]),
            Amount(**data["others"]),
            tuple((name, Amount(**amount)) for name, amount in data["each"]),
            _rows(data["types"]),
            _pairs(data["origins"]),
            tuple(kept),
        )


@dataclass(frozen=True)
class Survivors:
    """Types of what is alive, by the cell that allocated it."""

    cells: Mapping[int, tuple[TypeRow, ...]]
    labels: Mapping[int, str]

    @classmethod
    def from_json(cls, data: Json) -> Survivors:
        return cls(
            {cell: _rows(rows) for cell, _, rows in data["cells"]},
            {cell: label for cell, label, _ in data["cells"]},
        )


@dataclass(frozen=True)
class Together:
    """Names that keep something alive only together: the one that was asked for first, all of them, and
    outputs that have it too."""

    name: str
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    bytes: int

    @classmethod
    def from_json(cls, data: Json) -> Together:
        return cls(data["name"], tuple(data["names"]), tuple(data["outputs"]), data["bytes"])


def grown(data: Json | None) -> tuple[Chain, Amount] | None:
    """Who holds most of what some cells left behind, and how much."""
    return None if data is None else (Chain.from_json(data["chain"]), Amount(**data["amount"]))


@dataclass(frozen=True)
class Suspected:
    """All who may keep much alive."""

    variables: Variables
    together: tuple[Together, ...]
    #: What letting go of outputs and of the last exception would give back.
    hidden: Prediction
    cycles: Cycles
    newer: tuple[Chain, Amount] | None
    #: All who hold what that leads to, four at most; empty where it is small.
    holders: tuple[Chain, ...]

    @classmethod
    def from_json(cls, data: Json, variables: Variables) -> Suspected:
        return cls(
            variables,
            tuple(map(Together.from_json, data["together"])),
            Prediction.from_json(data["hidden"]),
            Cycles.from_json(data["cycles"]),
            grown(data["newer"]),
            tuple(map(Chain.from_json, data["holders"])),
        )
