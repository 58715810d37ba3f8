"""The one line that `%memtrace on` shows after a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cellheap.display import Bundle
from cellheap.results import CellReport, Result
from cellheap.units import bytes_text, seconds_text, signed_bytes_text

_STEPS = "▁▂▃▄▅▆▇█"
_WIDTH = 16


@dataclass(frozen=True, repr=False)
class Summary(Result):
    """A cell's numbers in one line, with its timeline drawn in characters."""

    report: CellReport

    def to_dict(self) -> dict[str, Any]:
        return {**self.report.to_dict(), "kind": "summary"}

    def bundle(self) -> Bundle:
        return Bundle(self.line(), [], self.to_dict())

    def line(self) -> str:
        cell = self.report.cell
        numbers = (
            f"net {signed_bytes_text(cell.net)}, peak {bytes_text(cell.peak)}, live {bytes_text(cell.live)}"
        )
        failed = " failed" if cell.state == "failed" else ""
        return f"{cell.label}{failed} {self.curve()} {numbers}, {seconds_text(cell.seconds)}"

    def curve(self) -> str:
        """Live bytes above the cell's start while it ran."""
        lives = [max(0, point.live) for point in self.report.timeline] or [0]
        groups = [lives[at * len(lives) // _WIDTH : (at + 1) * len(lives) // _WIDTH] for at in range(_WIDTH)]
        marks = [max(group) for group in groups if group]
        most = max(*marks, self.report.peak, 1)
        return "".join(_STEPS[round(mark / most * (len(_STEPS) - 1))] for mark in marks)
