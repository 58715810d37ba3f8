"""Rows of reports: the types of `src/heap/report.rs` as Python reads them. Plain frozen data, no words.

Nothing here holds an object of the user's: numbers and text only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Flow:
    """Bytes allocated and freed meanwhile that are not the notebook's."""

    allocated: int = 0
    freed: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, or one stretch between cells. Sizes are exact bytes, times seconds."""

    id: int = 0
    number: int | None = None
    label: str = ""
    state: str = "done"
    code: int = 0
    started: float = 0.0
    seconds: float = 0.0
    allocated: int = 0
    freed: int = 0
    net: int = 0
    peak: int = 0
    live_start: int = 0
    live: int = 0
    live_at_end: int = 0
    temporary: int = 0
    blocks: int = 0
    live_blocks: int = 0
    machinery: Flow = Flow()
    cellheap: Flow = Flow()
    rss_start: int | None = None
    rss_end: int | None = None
    rss_peak: int | None = None
    open_files_start: int | None = None
    open_files_end: int | None = None
    minor_faults: int = 0
    major_faults: int = 0
    collections: tuple[int, ...] = (0, 0, 0)
    traced: bool = True


@dataclass(frozen=True, slots=True)
class Moment:
    """The end of a cell, or now: all live bytes of cells. Where there were very many it stands for `ends` in
    a row, the one with the most."""

    cell: int = 0
    label: str = ""
    number: int | None = None
    ends: int = 1
    live: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """What of one origin was live at each moment."""

    cell: int = 0
    label: str = ""
    live: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What was live as each cell ended, by its origin: those origins that had the most. Of the latest 64
    ends each byte is known by origin; of older ones the totals are exact, and what is in no layer may be of
    one."""

    moments: tuple[Moment, ...] = ()
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What came from one allocator (`pymalloc`, `malloc`, `mmap`), asked by the code of one shared object;
    `object` is empty for Python itself."""

    allocator: str = ""
    object: str = ""
    allocated: int = 0
    peak: int = 0
    live: int = 0
    temporary: int = 0
    blocks: int = 0
    live_blocks: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A function on a stack, at the line where it stood."""

    file: str = ""
    line: int = 0
    function: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code in one cell; `library` are the functions that really asked, biggest first.

    `sizes` counts its blocks by size: fewer than 8 bytes, 64, 512, 4 KiB, 32 KiB, 256 KiB, 2 MiB, and the
    larger. Where a result is shown only the biggest functions are asked for: `left_out` counts those that
    are not in `library` then, and `others` is their sum. `path` is of a library function: how the line first
    came to it."""

    file: str = ""
    line: int = 0
    function: str = ""
    allocated: int = 0
    peak: int = 0
    returned: int = 0
    live: int = 0
    temporary: int = 0
    blocks: int = 0
    live_blocks: int = 0
    sizes: tuple[int, ...] = (0,) * 8
    shares: tuple[Share, ...] = ()
    library: tuple[Line, ...] = ()
    left_out: int = 0
    others: tuple[Line, ...] = ()
    path: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A line's part in what `cellheap.trace()` measured; `library` are the functions that really asked.

    `peak` is what it had at the peak above what it had at the beginning: the parts of all lines add up to the
    peak. It and `net` are below zero where older blocks of the line were given back."""

    file: str = ""
    line: int = 0
    function: str = ""
    allocated: int = 0
    returned: int = 0
    net: int = 0
    peak: int = 0
    blocks: int = 0
    library: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Grown:
    """By how much a line's live bytes and blocks became more; `library` are the functions that asked."""

    file: str = ""
    line: int = 0
    function: str = ""
    net: int = 0
    blocks: int = 0
    library: tuple[Grown, ...] = ()


@dataclass(frozen=True, slots=True)
class GrownOrigin:
    """The same of all that one cell allocated. Without a cell: small changes of cells of long ago."""

    cell: int | None = None
    label: str = ""
    net: int = 0
    blocks: int = 0
    lines: tuple[Grown, ...] = ()


@dataclass(frozen=True, slots=True)
class Stack:
    """Memory that one stack asked for: the notebook's line first, the function that asked last."""

    origin: str = ""
    frames: tuple[Frame, ...] = ()
    allocator: str = ""
    object: str = ""
    allocated: int = 0
    peak: int = 0
    live: int = 0
    blocks: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One sample of a timeline: seconds since the cell began, live bytes above its start, RSS."""

    at: float = 0.0
    live: int = 0
    rss: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """A cell that has live blocks, and the lines that made them."""

    cell: Cell = Cell()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """What a library says of an allocator of its own: bytes in use now, and at the most so far."""

    name: str = ""
    used: int = 0
    peak: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """Blocks of one type in Python's free lists: live to the allocator, and nobody's."""

    name: str = ""
    blocks: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pin:
    """A line with blocks in nearly empty arenas: they keep these from going back to the system."""

    origin: str = ""
    file: str = ""
    line: int = 0
    function: str = ""
    arenas: int = 0
    blocks: int = 0
    live: int = 0


@dataclass(frozen=True, slots=True)
class Arenas:
    """How full pymalloc's arenas are: how many up to a quarter, a half, three quarters, and above. `older`
    are from before tracing: not all that is in them is known; None where nobody says how many."""

    count: int = 0
    bytes: int = 0
    live: int = 0
    filled: tuple[int, ...] = (0, 0, 0, 0)
    pins: tuple[Pin, ...] = ()
    older: int | None = 0


@dataclass(frozen=True, slots=True)
class Process:
    """What the operating system and the allocators say. `None`: could not be known here."""

    rss: int | None = None
    cgroup_limit: int | None = None
    tree_rss: int | None = None
    open_files: int | None = None
    arenas: int = 0
    arena_bytes: int = 0
    arena_live: int = 0
    older_unmapped: int = 0
    malloc_used: int | None = None
    malloc_mapped: int | None = None
    malloc_free: int | None = None
    books: int = 0
    pools: tuple[Pool, ...] = ()


class Words(dict[str, str]):
    """Texts, each once: thousands of rows name the same few files and functions."""

    def __missing__(self, word: str) -> str:
        self[word] = word
        return word

    def share(self, rows: Iterable[dict[str, Any]], *fields: str) -> None:
        """Has the same text in these fields be the same object."""
        for row in rows:
            for name in fields:
                row[name] = self[row[name]]


def frames_of(data: dict[str, Any], words: Words) -> list[Frame]:
    """The frames that rows of this JSON number."""
    words.share(data["frames"], "file", "function")
    return [read(Frame, frame) for frame in data["frames"]]


def with_frames(data: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a cell's report, its ways to library code as frames in the place of their numbers: an
    import leads to some ten thousand library lines, each by twenty frames. A result's own has them in place.
    """
    if "frames" not in data:
        return data
    words = Words()
    frames = frames_of(data, words)
    for line in data["lines"]:
        words.share(line["library"], "file", "function")
        for leaf in line["library"]:
            words.share(leaf["shares"], "allocator", "object")
            leaf["path"] = tuple(frames[number] for number in leaf["path"])
    return data


def read(kind: type[R], data: Any) -> R:
    """A row from its JSON, a mapping. Unknown fields are left out, missing ones keep their default. A row
    that is one already stays."""
    if isinstance(data, kind):
        return data
    plan = _plan(cast(Any, kind))
    return kind(**{name: make(data[name]) if make else data[name] for name, make in plan if name in data})


@cache
def _plan(kind: Any) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    """The fields of a row, and what makes each of its JSON; None where the JSON is the value."""
    hints = get_type_hints(kind)
    return tuple((field.name, _maker(hints[field.name])) for field in dataclasses.fields(kind))


def _maker(hint: Any) -> Callable[[Any], Any] | None:
    if get_origin(hint) is tuple:
        make = _maker(get_args(hint)[0])
        return tuple if make is None else lambda items: tuple(map(make, items))
    return partial(read, cast(Any, hint)) if dataclasses.is_dataclass(hint) else None
