"""The one line that `%memtrace on` shows after a cell."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from cellheap import _core
from cellheap.display import Bundle, Picture
from cellheap.results import CellReport, Result
from cellheap.units import bytes_text, seconds_text, signed_bytes_text

_STEPS = "▁▂▃▄▅▆▇█"
_WIDTH = 16


@dataclass(frozen=True, repr=False)
class Summary(Result):
    """A cell's numbers in one line, with its timeline as a small chart."""

    report: CellReport

    def __str__(self) -> str:
        cell = self.report.cell
        return f"{_label(self.report)} {self.curve()} {self.numbers()}, {seconds_text(cell.seconds)}"

    def numbers(self) -> str:
        cell = self.report.cell
        net, peak, live = signed_bytes_text(cell.net), bytes_text(cell.peak), bytes_text(cell.live)
        return f"net {net}, peak {peak}, live {live}"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "summary", "cell": asdict(self.report.cell)}

    def bundle(self) -> Bundle:
        label, seconds = _label(self.report), seconds_text(self.report.cell.seconds)
        words = f"{label}: {self.numbers()}, {seconds}"
        alt = f"Live bytes while {label} ran, up to {bytes_text(self.report.peak)}"
        drawn = replace(self.report, lines=()).json
        return Bundle(words, [Picture(_core.chart_spark(drawn), alt)], self.to_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {**self.bundle().mimebundle(), "text/plain": str(self)}

    def curve(self) -> str:
        """Live bytes above the cell's start while it ran, in characters."""
        lives = [max(0, point.live) for point in self.report.timeline] or [0]
        groups = [lives[at * len(lives) // _WIDTH : (at + 1) * len(lives) // _WIDTH] for at in range(_WIDTH)]
        marks = [max(group) for group in groups if group]
        most = max(*marks, self.report.peak, 1)
        return "".join(_STEPS[round(mark / most * (len(_STEPS) - 1))] for mark in marks)


def _label(report: CellReport) -> str:
    return f"{report.cell.label} failed" if report.cell.state == "failed" else report.cell.label
