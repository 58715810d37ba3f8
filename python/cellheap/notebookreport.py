"""`NotebookReport`: what `%memtrace report` says: how much to ask for, who holds the most, what grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cellheap.display import LIVE, PEAK, Bundle, Column, Part, Picture, Size, Table, Words
from cellheap.needs import Needs, needs
from cellheap.records import History, Line, Origin
from cellheap.reruns import Rerun, growing, reruns
from cellheap.results import CellReport, Live, Overview, Result, beside, pictures_of_history
from cellheap.sentences import where
from cellheap.suspects import SHARE, Suspect, suspects
from cellheap.tables import Row
from cellheap.units import bytes_text, count_text, listed, signed_bytes_text

#: Cells that are told of as keeping most, and runs.
CELLS, RERUNS = 5, 5


@dataclass(frozen=True, slots=True)
class Keeper:
    """A cell that keeps much: what of it is live, its part of the whole, and the line that has most of it."""

    label: str = ""
    live: int = 0
    share: float = 0.0
    peak: int = 0
    line: Line | None = None


@dataclass(frozen=True, repr=False)
class NotebookReport(Result):
    """The notebook in a form that a person can act on."""

    needs: Needs = field(default_factory=Needs)
    #: Live bytes that cells allocated.
    live: int = 0
    suspects: tuple[Suspect, ...] = ()
    keepers: tuple[Keeper, ...] = ()
    #: Code that ran more than once, what grew most first.
    reruns: tuple[Rerun, ...] = ()
    history: History = field(default_factory=History)
    notes: tuple[str, ...] = ()
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<NotebookReport: needs {bytes_text(self.needs.bytes)}, ask for {bytes_text(self.needs.ask)}>"

    @property
    def growing(self) -> tuple[Rerun, ...]:
        """Of the code that ran more than once, what left more behind with each run."""
        return tuple(growing(self.reruns))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "notebook", **asdict(self)}

    columns = ("kind", "name", "bytes", "share", "origin", "fix")

    def rows(self) -> Iterator[dict[str, Any]]:
        yield {"kind": "needs", "name": self.needs.cell, "bytes": self.needs.bytes}
        yield {"kind": "ask", "bytes": self.needs.ask}
        for part in self.needs.parts:
            yield {"kind": "part", **asdict(part)}
        for one in self.suspects:
            yield {"kind": "suspect", "name": ", ".join(one.who), **asdict(one)}
        for keeper in self.keepers:
            yield {"kind": "cell", "name": keeper.label, "bytes": keeper.live, "share": keeper.share}
        for rerun in self.reruns:
            yield {"kind": "rerun", "name": " ".join(rerun.labels), "bytes": rerun.growth}

    def pictures(self) -> list[Picture]:
        return pictures_of_history(self.history)

    def bundle(self) -> Bundle:
        parts: list[Part] = [Words(_limit(self.needs))] if self.needs.limit else []
        if self.suspects:
            parts += [Words(prose(at, one)) for at, one in enumerate(self.suspects, 1)]
        elif self.live:
            parts.append(Words(f"Nothing holds {SHARE:.0%} of what is live by itself: no suspect."))
        parts += self.pictures()
        if self.keepers:
            parts.append(_keepers(self))
        parts += self._reruns()
        parts.append(_made_of(self.needs))
        return Bundle(sentence(self.needs, self.names), [*parts, *beside(self.notes)], self._raw())

    def _reruns(self) -> list[Part]:
        if not self.reruns:
            return []
        if not self.growing:
            what = count_text(len(self.reruns), "cell ran again: its", "cells ran again: their")
            return [Words(f"{what} later runs left no more behind than the first.")]
        return [Words(_growth(self.growing[0])), _growth_table(self.growing)]

    def _raw(self) -> dict[str, Any]:
        keepers = tuple(
            replace(keeper, line=keeper.line and replace(keeper.line, library=(), shares=()))
            for keeper in self.keepers
        )
        line = self.needs.line and replace(self.needs.line, library=(), shares=())
        short = replace(self, keepers=keepers, needs=replace(self.needs, line=line))
        cut = replace(short, reruns=tuple(_short(rerun) for rerun in self.reruns[:RERUNS]))
        return {**cut.to_dict(), "left_out": len(self.reruns) - len(cut.reruns)}


def _short(rerun: Rerun) -> Rerun:
    """A run of many runs, for the raw numbers of an output."""
    return replace(rerun, labels=rerun.labels[-20:], later=rerun.later[-20:])


def sentence(needs: Needs, names: dict[str, str]) -> str:
    """How much it needs, where its peak was, and what to ask for."""
    if not needs.bytes:
        return "How much memory this notebook needs is not known here."
    peak = ""
    if needs.cell:
        peak = f" (peak in {needs.cell}{_line(needs, names)})"
    return f"This notebook needs about {bytes_text(needs.bytes)}{peak}; ask for {bytes_text(needs.ask)}."


def _line(needs: Needs, names: dict[str, str]) -> str:
    line = needs.line
    if line is None:
        return ""
    if names.get(line.file) == needs.cell:
        return f", line {line.line}"
    return f", at {where(line, names)}"


def prose(at: int, one: Suspect) -> str:
    """A suspect in one sentence."""
    what = f" ({one.what})" if one.what else ""
    origin = f", allocated in {one.origin}," if one.origin else ""
    verb = "keep" if len(one.who) > 1 or one.who[0].endswith("cycles") else "keeps"
    fix = f"`{one.fix}` lets go of it" if one.is_command else one.fix
    return (
        f"Suspect {at}: {listed(one.who)}{what}{origin} {verb} {bytes_text(one.bytes)} alive,"
        f" {one.share:.0%} of what is live; {fix}."
    )


def _limit(needs: Needs) -> str:
    limit = needs.limit or 0
    fits = "is enough" if needs.ask <= limit else "is less than what to ask for"
    return f"Here it may use {bytes_text(limit)}, which {fits}."


def _made_of(needs: Needs) -> Table:
    rows: list[Row] = [[part.name, Size(part.bytes, signed=part.bytes < 0)] for part in needs.parts]
    rows.append(["needed, about", Size(needs.bytes)])
    rows.append(["more, for what varies from run to run", Size(needs.ask - needs.bytes, signed=True)])
    rows.append(["ask for", Size(needs.ask)])
    return Table("What the number is made of", [Column("What"), Column("Bytes")], rows)


def _keepers(report: NotebookReport) -> Table:
    rows: list[Row] = [
        [
            keeper.label,
            Size(keeper.live),
            f"{keeper.share:.0%}",
            Size(keeper.peak),
            where(keeper.line, report.names) if keeper.line else "-",
        ]
        for keeper in report.keepers
    ]
    columns = [
        Column("Cell"),
        Column("Still live", LIVE, strip=True),
        Column("Of all"),
        Column("Peak", PEAK),
        Column("Most of it by"),
    ]
    return Table("The cells that keep most", columns, rows)


def _growth(rerun: Rerun) -> str:
    runs, more = len(rerun.labels), bytes_text(rerun.each)
    each = f"the second {more} more" if runs == 2 else f"each later one {more} more on average"
    return (
        f"{rerun.labels[-1]} has run {runs:,} times: the first run (warm-up) left"
        f" {signed_bytes_text(rerun.first)}, {each}."
    )


def _growth_table(growing: tuple[Rerun, ...]) -> Table:
    rows: list[Row] = [
        [
            rerun.labels[-1],
            f"{len(rerun.labels):,}",
            Size(rerun.first, signed=True),
            Size(rerun.each, signed=True),
            Size(rerun.growth, signed=True),
        ]
        for rerun in growing[:RERUNS]
    ]
    heads = ("Cell", "Runs", "First run", "Each later run", "All later runs")
    more = len(growing) - len(rows)
    rest = f"; {count_text(more, 'other')} left out" if more > 0 else ""
    return Table(
        f"Cells that left more behind each time they ran{rest}", [Column(head) for head in heads], rows
    )


def of(overview: Overview, peak: CellReport | None, live: Live) -> NotebookReport:
    """From the reports of all cells, of that in which most was live, and of what is live."""
    total = live.live_notebook
    try:
        found = suspects(total) if live.origins else []
    except (RuntimeError, MemoryError):
        found = []  # This interpreter's objects are not known, or there are too many: the books are whole.
    return NotebookReport(
        needs=needs(overview, peak),
        live=total,
        suspects=tuple(found),
        keepers=tuple(_keeper(origin, total) for origin in live.origins[:CELLS]),
        reruns=tuple(reruns(overview.cells)),
        history=overview.history,
        notes=overview.notes,
        names={**live.names, **(peak.names if peak else {})},
    )


def _keeper(origin: Origin, total: int) -> Keeper:
    cell = origin.cell
    line = max(origin.lines, key=lambda line: line.live, default=None)
    return Keeper(cell.label, cell.live, cell.live / max(total, 1), cell.peak, line)
