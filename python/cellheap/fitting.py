"""What of a result goes into an output: all its forms together stay below one limit, as they are sent.

Knows JSON and how long it is; knows neither markup nor memory. What is cut is said so; the result has all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

#: Bytes of an output: its HTML, its text and its raw numbers. PNG, which must be asked for, comes on top.
OUTPUT_LIMIT = 50_000
#: Of that, what raw numbers take at most; the second where a picture would have no room beside them.
RAW_LIMITS = 14_000, 4_000


def sent(data: object) -> int:
    """How many bytes it takes in a message."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def fitted(data: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Raw numbers that fit: names of the files alone that occur, and where that is too much still the first
    half of what is longest, and so on. `cut` says how many rows of what are left out."""
    raw = _with_names_that_occur(dict(data))
    cut: dict[str, int] = {}
    while sent(raw) > most and (long := _long(raw)):
        name = max(long, key=lambda name: sent(raw[name]))
        rows = raw[name]
        raw[name] = {} if isinstance(rows, Mapping) else rows[: len(rows) // 2]
        cut[name] = cut.get(name, 0) + len(rows) - len(raw[name])
        raw = _with_names_that_occur({**raw, "cut": cut})
    return raw


def _long(raw: Mapping[str, Any]) -> list[str]:
    kinds = (list, tuple, Mapping)
    return [
        name
        for name, rows in raw.items()
        if isinstance(rows, kinds) and rows and name not in ("names", "cut")
    ]


def _with_names_that_occur(raw: dict[str, Any]) -> dict[str, Any]:
    if names := raw.get("names"):
        files = set(_files([value for key, value in raw.items() if key != "names"]))
        raw["names"] = {file: name for file, name in names.items() if file in files}
    return raw


def _files(data: object) -> Iterator[str]:
    """The files that raw numbers speak of."""
    if isinstance(data, Mapping):
        if isinstance(file := data.get("file"), str):
            yield file
        data = list(data.values())
    if isinstance(data, list | tuple):
        for part in data:
            yield from _files(part)


def thinned(points: Sequence[T], most: int, height: Any) -> tuple[T, ...]:
    """At most `most` points: of neighbours the highest, and the last one of all."""
    if len(points) <= most:
        return tuple(points)
    step = -(-len(points) // (most - 1))
    groups = (points[at : at + step] for at in range(0, len(points), step))
    highest = [max(group, key=height) for group in groups]
    return (*highest, *points[-1:]) if highest[-1] is not points[-1] else tuple(highest)
