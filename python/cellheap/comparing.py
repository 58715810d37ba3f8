"""`%memtrace compare`: builds what expressions make, again and again, and measures it by the books.

Exact: counted is what was made while cellheap's own flag was up, less what the loop itself needs. The objects
go before the result comes; it holds numbers and text.
"""

from __future__ import annotations

import gc
import io
import sys
import time
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from types import CodeType
from typing import Any

from cellheap import _core
from cellheap.display import LIVE, Bundle, Column, Part, Size, Table, Words
from cellheap.results import Result
from cellheap.units import bytes_text, count_text

#: Objects that are built of each expression, where they are small and quickly made.
TIMES = 100_000
#: At most so much is held at once, and about so long is built.
MOST_BYTES, MOST_SECONDS = 64 << 20, 0.5
NOTE = (
    "Each: what one costs by the books, when many are made and kept; what all share is in it once."
    " getsizeof counts the object's own block alone."
)


class CompareError(ValueError):
    """Nothing is compared; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What one expression makes. `total` is exactly what `times` such objects cost together; `claimed` is
    what `sys.getsizeof` says of one, None where it raises."""

    source: str
    type: str
    times: int
    total: int
    is_same: bool
    claimed: int | None

    @property
    def each(self) -> float:
        """Bytes of one."""
        return self.total / self.times


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Expressions and what their objects cost."""

    compared: tuple[Compared, ...]

    def __repr__(self) -> str:
        return f"<Comparison of {count_text(len(self.compared), 'expression')}>"

    def __getitem__(self, at: int) -> Compared:
        return self.compared[at]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "comparison",
            "compared": [{**asdict(one), "each": one.each} for one in self.compared],
        }

    columns = ("source", "type", "times", "total", "each", "claimed")

    def rows(self) -> Iterator[dict[str, Any]]:
        for one in self.compared:
            yield {**asdict(one), "each": one.each}

    def bundle(self) -> Bundle:
        parts: list[Part] = [_table(self.compared)]
        parts += [Words(_built_nothing(one)) for one in self.compared if not one.total]
        return Bundle(_sentence(self.compared), [*parts, Words(NOTE, quiet=True)], self.to_dict())


def compare(text: str, names: dict[str, Any]) -> Comparison:
    """Compares the expressions in `text`, which semicolons part. They are run in `names`, many times each.
    Raises CompareError for one that is no expression or that fails."""
    sources = split(text)
    codes = [_compiled(source) for source in sources]
    return compare_calls(
        [(source, lambda code=code: eval(code, names)) for source, code in zip(sources, codes, strict=True)]  # type: ignore[misc]
    )


def compare_calls(makers: Sequence[tuple[str, Callable[[], object]]]) -> Comparison:
    """Compares what these functions make."""
    if not _core.tracing():
        raise CompareError("nothing is recorded now, so nothing can be measured: `%memtrace start` begins")
    with _core.own():
        return Comparison(tuple(_measured(source, make) for source, make in makers))


def split(text: str) -> list[str]:
    """The expressions in a line: semicolons part them, but not in strings."""
    ends, lines = [], io.StringIO(text).readline
    try:
        ends = [
            token.start[1]
            for token in tokenize.generate_tokens(lines)
            if token.type == tokenize.OP and token.string == ";"
        ]
    except (tokenize.TokenError, SyntaxError):
        ends = [] if ";" not in text else [at for at, mark in enumerate(text) if mark == ";"]
    starts = [0, *(end + 1 for end in ends)]
    parts = [text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True)]
    if not any(parts):
        raise CompareError("needs expressions to compare, as in `[1, 2] ; (1, 2)`")
    return [part for part in parts if part]


def _compiled(source: str) -> CodeType:
    try:
        return compile(source, "<compare>", "eval")
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise CompareError(f"{source} is no expression: {reason}") from None


def _measured(source: str, make: Callable[[], object]) -> Compared:
    try:
        first, again = make(), make()
        kind, claimed, same = type(first), _claimed(first), again is first
        del first, again
        seconds = min(_seconds(make) for _ in range(3))
        cost = _cost(make, 1)
        times = max(1, min(TIMES, int(MOST_SECONDS / max(seconds, 1e-9)), MOST_BYTES // max(cost, 1)))
        total = cost if times == 1 else _cost(make, times)
    except CompareError:
        raise
    except Exception as error:
        raise CompareError(f"{source}: {type(error).__name__}: {error}") from None
    return Compared(source, _name(kind), times, max(0, total), same, claimed)


def _seconds(make: Callable[[], object]) -> float:
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def _cost(make: Callable[[], object], times: int) -> int:
    """Bytes of so many objects, alive together."""
    return _build(make, times) - _build(_nothing, times)


def _nothing() -> None:
    return None


def _build(make: Callable[[], object], times: int) -> int:
    kept: list[object] = [None] * times
    # What lies in Python's free lists is used again uncounted, and counts though nobody has it: a full
    # collection empties them.
    gc.collect()
    before = _core.own_live()
    for at in range(times):
        kept[at] = make()
    gc.collect()
    return _core.own_live() - before


def _claimed(value: object) -> int | None:
    try:
        return sys.getsizeof(value)
    except Exception:
        return None


def _name(kind: type) -> str:
    module, name = kind.__module__, kind.__qualname__
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _each(one: Compared) -> str:
    each = one.each
    whole = round(each)
    return bytes_text(whole) if whole >= 1024 or abs(each - whole) < 0.05 else f"{each:.1f} B"


def _sentence(compared: Sequence[Compared]) -> str:
    made = [one for one in compared if one.total]
    if not made:
        return "Nothing new was made: these objects were there already."
    least = min(made, key=lambda one: one.each)
    said = f"{least.source} costs {_each(least)} each"
    others = sorted((one for one in made if one is not least), key=lambda one: one.each)
    said += "".join(f"; {one.source} {_each(one)}, {_times(one.each / least.each)}" for one in others)
    return said + "."


def _times(ratio: float) -> str:
    return (
        "the same"
        if ratio < 1.005
        else f"{ratio:.2f} times as much"
        if ratio < 10
        else f"{ratio:,.0f} times as much"
    )


def _built_nothing(one: Compared) -> str:
    why = "it gives the same object each time" if one.is_same else "Python shares such values"
    return f"{one.source} costs nothing more: {why}. To measure a variable: `%memtrace vars`."


def _table(compared: Sequence[Compared]) -> Table:
    rows: list[list[str | Size]] = [
        [
            one.source,
            one.type,
            Size(round(one.each)) if one.each >= 1024 else _each(one),
            Size(one.claimed),
            f"{one.times:,}",
            Size(one.total),
        ]
        for one in compared
    ]
    columns = [
        Column("Expression"),
        Column("Type"),
        Column("Each"),
        Column("getsizeof claims"),
        Column("Made"),
        Column("All of them", LIVE, strip=True),
    ]
    return Table("Measured", columns, rows)
