"""`Report`: what `cellheap.trace()` measured, and how it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from cellheap import sentences, tables
from cellheap.display import Bundle, Folded, Part
from cellheap.records import Change, read
from cellheap.results import (
    PLACE_COLUMNS,
    RAW_LIBRARY,
    RAW_LINES,
    NoSources,
    Result,
    Sources,
    beside,
    file_names,
    files_of,
    line_rows,
)
from cellheap.units import bytes_text, signed_bytes_text


@dataclass(frozen=True, repr=False)
class Report(Result):
    """What a block of code did to memory. Sizes are exact bytes."""

    #: The most that was live above the beginning.
    peak: int = 0
    #: `allocated - freed`.
    net: int = 0
    #: Bytes requested meanwhile.
    allocated: int = 0
    #: Bytes given back meanwhile, whoever allocated them.
    freed: int = 0
    #: Blocks requested meanwhile.
    blocks: int = 0
    seconds: float = 0.0
    #: The lines that changed, biggest first. Their parts of the peak add up to it.
    lines: tuple[Change, ...] = ()
    #: False where nothing was recorded for part of the time: the numbers are not whole.
    traced: bool = True
    notes: tuple[str, ...] = ()
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None) -> Self:
        """From `_core.span_end()`."""
        report = read(cls, json.loads(text))
        return replace(report, names=file_names(files_of(report.lines), sources or NoSources()))

    def __repr__(self) -> str:
        return f"<Report: peak {bytes_text(self.peak)}, net {signed_bytes_text(self.net)}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "report", **asdict(self)}

    columns = (*PLACE_COLUMNS, "allocated", "returned", "net", "peak", "blocks")

    def rows(self) -> Iterator[dict[str, Any]]:
        return line_rows(self.lines)

    def bundle(self, top: int = 8) -> Bundle:
        """The `top` biggest lines are shown."""
        parts: list[Part] = [tables.of_span(self)]
        if self.lines:
            parts.append(Folded("Its lines in numbers", [tables.of_changes(self.lines, self.names, top)]))
        return Bundle(sentences.of_span(self), [*parts, *beside(self.notes)], self._raw())

    def _raw(self) -> dict[str, Any]:
        lines = tuple(replace(line, library=line.library[:RAW_LIBRARY]) for line in self.lines[:RAW_LINES])
        return {**replace(self, lines=lines).to_dict(), "left_out": len(self.lines) - len(lines)}
