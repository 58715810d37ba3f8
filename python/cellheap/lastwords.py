"""What the kernel before this one was doing when it died: `%memtrace last`. Numbers as attributes, and how
they show; they come from its black box, which `src/heap/last.rs` describes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from cellheap import _core
from cellheap.display import LIVE, Bundle, Column, Part, Picture, Size, Table, Words
from cellheap.records import read
from cellheap.results import Result
from cellheap.units import bytes_text, seconds_text

_ENDS = {
    "crashed": "crashed ({signal})",
    "out_of_memory": "was killed for lack of memory",
    "perhaps_out_of_memory": "was killed",
    "killed": "was killed",
    "unknown": "was killed",
}
_HOW = {
    "crashed": "The line is where the thread that crashed stood.",
    "out_of_memory": "It ended without a word, and the counter of its control group says that the OOM killer"
    " struck there meanwhile.",
    "perhaps_out_of_memory": "It ended without a word, and the OOM killer struck somewhere on this machine"
    " meanwhile: most likely here.",
    "killed": "It ended without a word, and the OOM killer did not strike meanwhile: it got a SIGKILL (from a"
    " person, the Jupyter server, a batch system), or code called os._exit.",
    "unknown": "It ended without a word: a SIGKILL, of the OOM killer or of somebody else, or os._exit. The"
    " system's counters, which would tell these apart, cannot be read here.",
}
_LIMITS = {
    "container": "the container's limit",
    "address_space": "the limit on address space (ulimit -v)",
    "machine": "the machine's memory",
    "notebook": "the limit of %memtrace limit",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of notebook code. `name` is how its file is named (`In[12]`); a line of 0 is not known."""

    name: str = ""
    file: str = ""
    line: int = 0
    function: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    """Where the process was seen last; `at` and `began` (of its cell) are seconds since the epoch."""

    at: float = 0.0
    running: bool = False
    cell: str = ""
    began: float = 0.0
    place: Place = Place()
    live: int = 0
    rss: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """What the process could use, and how much of it was used, by all who share it."""

    by: str = "machine"
    bytes: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """A line that held memory, in the cell that ran when it asked (`origin`)."""

    origin: str = ""
    place: Place = Place()
    live: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """What was written about twice a second."""

    at: float = 0.0
    since: float = 0.0
    limits: tuple[Limit, ...] = ()
    #: When, live bytes, RSS, used of the limit that was the nearest at the end; none where another was.
    samples: tuple[tuple[float, int, int, int | None], ...] = ()
    holders: tuple[Holder, ...] = ()
    looked: float = 0.0


@dataclass(frozen=True, repr=False)
class Last(Result):
    """The end of the kernel before this one."""

    #: "crashed", "out_of_memory", "perhaps_out_of_memory", "killed" or "unknown".
    end: str = "unknown"
    #: "SIGSEGV" and the like, where it crashed.
    signal: str = ""
    now: Now = Now()
    words: Record = Record()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From `_core.last_words()`."""
        return read(cls, json.loads(text))

    @property
    def cell(self) -> str:
        """`In[12]`: the cell that ran, or had run last."""
        return self.now.cell

    @property
    def line(self) -> int:
        """The line that it was seen at last; 0 where that is not known."""
        return self.now.place.line

    @property
    def limit(self) -> Limit | None:
        """The limit that was nearest."""
        return self.words.limits[0] if self.words.limits else None

    def __repr__(self) -> str:
        return f"<Last: {self.sentence()}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "last", **asdict(self)}

    def sentence(self) -> str:
        """How it ended, where, and how full memory was."""
        end = _ENDS.get(self.end, "ended").format(signal=self.signal)
        where = f"in {self.cell}" if self.now.running else f"while no cell ran, after {self.cell}"
        line = f", {_line(self.now.place, self.cell)}" if self.now.running and self.line else ""
        return f"The kernel before this one {end} {where}{line}, {self._memory()}. Its variables are gone."

    def _memory(self) -> str:
        limit = self.limit
        if limit is None or limit.by == "machine":
            return f"with {bytes_text(self.now.rss)} in memory"
        return f"at {bytes_text(self.now.used)} of {bytes_text(limit.bytes)}"

    def pictures(self) -> list[Picture]:
        chart = _core.chart_last(self.json)
        limit = self.limit
        of = f" of {bytes_text(limit.bytes)}, {_LIMITS[limit.by]}" if limit else ""
        alt = f"The last minute of {self.cell}: {bytes_text(self.now.used)} used{of}"
        return [Picture(chart, alt)] if chart else []

    def bundle(self) -> Bundle:
        parts: list[Part] = [*self.pictures()]
        if self.words.holders:
            parts.append(_holders(self.words.holders, self.now.at - self.words.looked))
        parts += [Words(words, quiet=True) for words in self._details()]
        return Bundle(self.sentence(), parts, self.to_dict())

    def _details(self) -> list[str]:
        seen = time.strftime("%H:%M:%S", time.localtime(self.now.at))
        ran = seconds_text(max(0.0, self.now.at - self.now.began))
        details = [
            f"It was seen last at {seen}" + (f", {ran} into {self.cell}." if self.now.running else ".")
        ]
        if self.now.running and self.end != "crashed":
            details.append("Its line is where it stood then: it is looked at several times a second.")
        details.append(_HOW.get(self.end, ""))
        if self.limit is not None:
            used, most = bytes_text(self.limit.used), bytes_text(self.limit.bytes)
            details.append(f"Of {_LIMITS[self.limit.by]}, {used} of {most} were used.")
        return [" ".join(details)]

    columns = ("origin", "name", "file", "line", "function", "live")

    def rows(self) -> Any:
        for holder in self.words.holders:
            yield {"origin": holder.origin, **asdict(holder.place), "live": holder.live}


def _holders(holders: Sequence[Holder], ago: float) -> Table:
    when = f", {seconds_text(ago)} before it was seen last" if ago >= 1 else ""
    rows: list[list[str | Size]] = [
        [holder.origin or "(before cells)", _line(holder.place, holder.origin), Size(holder.live)]
        for holder in holders
    ]
    columns = [Column("Cell"), Column("Line"), Column("Live", LIVE, strip=True)]
    return Table(f"What held the most{when}", columns, rows)


def _line(place: Place, home: str) -> str:
    """`line 3`; with its file where that is not `home`'s own, and with its function where it is in one."""
    if not place.line:
        return place.function or "line unknown"
    name = "" if place.name == home else f"{place.name or place.file.rpartition('/')[2]}, "
    function = "" if place.function in ("", "<module>") else f" in {place.function}"
    return f"{name}line {place.line}{function}"
