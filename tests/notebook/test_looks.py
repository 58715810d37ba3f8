"""How an output's words lie in a page and in a terminal: what is not broken, what is not cut, which side numbers are on."""

from __future__ import annotations

import re

import pytest
from cellheap.display import Bundle, Column, Folded, Table, Words
from cellheap.records import Cell, Line
from cellheap.results import CellReport
from cellheap.sentences import of_cell

WHOLE = re.compile(r'<span style="white-space:nowrap">([^<]*)</span>')


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("Node.next -> Node", ["-&gt;"]),
        ("`%gcclear --out` and --dry-run, not -1 or a -- b", ["--out", "--dry-run"]),
        ("a line of --------- is left", []),
    ],
)
def test_arrows_and_options_are_not_broken(words: str, whole: list[str]) -> None:
    table = Table(words, [Column(words), Column("n")], [[words, words]])
    assert WHOLE.findall(Words(words).html()) == whole
    assert WHOLE.findall(Folded(words, []).html()) == whole
    assert WHOLE.findall(Bundle(words, [], {}).html()) == whole
    assert WHOLE.findall(table.html()) == whole * 3, "in the caption and in both cells"
    assert words in table.text()


def test_counts_with_a_sign_are_numbers() -> None:
    table = Table(
        "t",
        [Column("Origin"), Column("Blocks"), Column("By")],
        [["In[1]", "+7", "-"], ["In[2]", "-40,001", "-"]],
    )
    assert table.html().count('align="right"') == 3, "its head and two counts"
    assert "     +7  -" in table.text()


def test_a_page_has_in_full_what_a_terminal_cuts() -> None:
    kind = "numpy.ndarray (1000, 1000, 1000)"
    table = Table("t", [Column("Variable"), Column("Type", width=24)], [["a", kind]])
    assert kind in table.html()
    assert kind not in table.text()
    assert "numpy.ndarray (1000, 10…" in table.text()


def report(peak: int, at_peak: int) -> CellReport:
    cell = Cell(label="In[2]", state="done", traced=True, allocated=at_peak, freed=0, peak=peak, live=0)
    line = Line(file="a", line=3, function="<module>", allocated=at_peak, peak=at_peak)
    return CellReport(cell=cell, lines=(line,), names={"a": "In[2]"})


def test_a_line_is_no_part_of_a_peak_that_is_smaller() -> None:
    assert of_cell(report(peak=4096, at_peak=4096)).endswith(
        "; most of the peak is of In[2], line 3 (4.00 KiB)."
    )
    assert "; most of the peak is of" in of_cell(report(peak=4096, at_peak=4150)), (
        "some bytes more are no news"
    )
    said = of_cell(report(peak=1024, at_peak=4096))
    assert "peaked at 1.00 KiB above its start" in said
    assert said.endswith("; by then older blocks had gone, and In[2], line 3 held the most (4.00 KiB).")
