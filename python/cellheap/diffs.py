"""`Diff`: what changed in live memory from the end of one cell to the end of another, and how it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from cellheap.display import LIVE, Bundle, Column, Folded, Part, Size, Table, Words
from cellheap.records import Grown, GrownOrigin, read
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
from cellheap.sentences import where
from cellheap.tables import BY_LINE, ROWS, Row, biggest, rows_of
from cellheap.units import bytes_text, count_text, signed_bytes_text

#: Origins that are shown line by line.
ORIGINS = 4


@dataclass(frozen=True, repr=False)
class Diff(Result):
    """What became more and what became less, by origin and line. Exact bytes; below zero is less."""

    #: How the two cells are named: `In[3]`.
    before: str = ""
    after: str = ""
    #: The second cell has not ended: up to now.
    to_now: bool = False
    net: int = 0
    blocks: int = 0
    #: By the cell that allocated, what grew most first.
    origins: tuple[GrownOrigin, ...] = ()
    #: One sentence on who holds most of what came; empty if nothing of weight came, or nobody can tell.
    suspect: str = ""
    notes: tuple[str, ...] = ()
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, sources: Sources | None = None) -> Self:
        """From `_core.diff()`."""
        data = json.loads(text)
        diff = read(cls, {**data, "before": data["from"], "after": data["to"]})
        files = files_of(line for origin in diff.origins for line in origin.lines)
        return replace(diff, names=file_names(files, sources or NoSources()))

    def __repr__(self) -> str:
        return f"<Diff of {self.before} and {self.after}: {signed_bytes_text(self.net)}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "diff", **asdict(self)}

    columns = ("origin", *PLACE_COLUMNS, "net", "blocks")

    def rows(self) -> Iterator[dict[str, Any]]:
        for origin in self.origins:
            for row in line_rows(origin.lines):
                yield {"origin": origin.label, **row}

    def bundle(self) -> Bundle:
        parts: list[Part] = [Words(self.suspect)] if self.suspect else []
        if self.origins:
            parts.append(_origins_table(self.origins))
        shown, _ = biggest(self.origins, lambda origin: abs(origin.net), ORIGINS)
        parts += [self._lines(origin, browser_only=at > 1) for at, origin in enumerate(shown)]
        return Bundle(_sentence(self), [*parts, *beside(self.notes)], self._raw())

    def _lines(self, origin: GrownOrigin, browser_only: bool) -> Part:
        rows: list[Row] = [
            [label, Size(line.net, signed=True, bar=not label.startswith("└")), f"{line.blocks:+,}"]
            for label, line in rows_of(origin.lines, self.names, lambda line: abs(line.net), 6, _sum)
        ]
        columns = [Column("Line"), Column("Change", LIVE), Column("Blocks")]
        title = f"Lines of {_label(origin)}, {signed_bytes_text(origin.net)}"
        return Folded(title, [Table(BY_LINE, columns, rows, long_labels=True)], browser_only)

    def _raw(self) -> dict[str, Any]:
        origins = tuple(
            replace(
                origin,
                lines=tuple(
                    replace(line, library=line.library[:RAW_LIBRARY]) for line in origin.lines[:RAW_LINES]
                ),
            )
            for origin in biggest(self.origins, lambda origin: abs(origin.net), ROWS)[0]
        )
        return {**replace(self, origins=origins).to_dict(), "left_out": len(self.origins) - len(origins)}


def _sentence(diff: Diff) -> str:
    """By how much live memory changed, and which cell is the origin of the most."""
    until = f"now, while {diff.after} runs" if diff.to_now else f"the end of {diff.after}"
    stretch = f"From the end of {diff.before} to {until}"
    if not diff.origins:
        return f"{stretch} nothing changed in live memory."
    if diff.net:
        more = f"{bytes_text(abs(diff.net))} {'more' if diff.net > 0 else 'less'}"
        said = f"{stretch} live memory became {more}"
    else:
        said = f"{stretch} live memory came out the same"
    most = max(diff.origins, key=lambda origin: abs(origin.net))
    return (
        f"{said}; the biggest change ({signed_bytes_text(most.net)}) is of {_label(most)}{_line(diff, most)}."
    )


def _line(diff: Diff, origin: GrownOrigin) -> str:
    """Which line of the origin changed most."""
    line = next(iter(origin.lines), None)
    if line is None or line.line == 0:
        return ""
    if diff.names.get(line.file) == origin.label:
        return f", line {line.line}"
    return f", at {where(line, diff.names)}"


def _label(origin: GrownOrigin) -> str:
    return origin.label or "older cells"


def _origins_table(origins: Sequence[GrownOrigin]) -> Table:
    shown, rest = biggest(origins, lambda origin: abs(origin.net), ROWS)
    rows: list[Row] = [
        [_label(origin), Size(origin.net, signed=True), f"{origin.blocks:+,}"] for origin in shown
    ]
    if rest:
        size, blocks = sum(origin.net for origin in rest), sum(origin.blocks for origin in rest)
        rows.append([count_text(len(rest), "other cell"), Size(size, signed=True), f"{blocks:+,}"])
    columns = [Column("Origin"), Column("Change", LIVE, strip=True), Column("Blocks")]
    return Table("What changed, by the cell that had allocated it", columns, rows)


def _sum(lines: Sequence[Grown]) -> Grown:
    return Grown(net=sum(line.net for line in lines), blocks=sum(line.blocks for line in lines))
