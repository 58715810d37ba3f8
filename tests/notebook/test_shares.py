"""What a report says of allocators, sizes and ways to library code: the parts are whole and add up."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cellheap
import pytest
from cellheap import _core
from cellheap.records import Line

from tests.notebook.front import Front
from tests.notebook.shells import Terminal, terminal

SOURCE = """\
import json
def parse(n):
    return json.loads('[' + '1000000,' * n + '0]')
kept = parse(9_000)
gone = [bytearray(100_000) for _ in range(5)]
del gone
direct = np.zeros(50_000)
through = np.ones(60_000)"""


@pytest.fixture(scope="module")
def report() -> Iterator[cellheap.CellReport]:
    with terminal() as notebook:
        notebook.run("import numpy as np\nnp.ones(1), np.zeros(1)")
        notebook.run(SOURCE)
        yield cellheap.cells[notebook.number]


def at(report: cellheap.CellReport, number: int) -> Line:
    (line,) = (line for line in report.lines if line.line == number and line.file == report.file)
    return line


def rows(report: cellheap.CellReport) -> list[Line]:
    return [row for line in report.lines for row in (line, *line.library)]


def test_shares_add_up_to_their_line_and_to_the_cell(report: cellheap.CellReport) -> None:
    for row in rows(report):
        for name in ("allocated", "peak", "live", "temporary", "blocks", "live_blocks"):
            assert sum(getattr(share, name) for share in row.shares) == getattr(row, name)
    assert sum(share.allocated for share in report.shares) == report.allocated
    assert sum(share.live for share in report.shares) == report.live


def test_sizes_count_every_block(report: cellheap.CellReport) -> None:
    for row in rows(report):
        assert sum(row.sizes) == row.blocks
    assert at(report, 5).sizes[5] == 5, "32 KiB to 256 KiB"
    assert at(report, 7).sizes[6] == 1, "256 KiB to 2 MiB"


def test_what_went_within_the_cell_was_temporary(report: cellheap.CellReport) -> None:
    assert 500_000 <= at(report, 5).temporary < 501_000
    assert at(report, 7).temporary < 1000
    assert sum(line.temporary for line in report.lines) == report.cell.temporary


def test_a_path_leads_from_the_line_to_the_function(report: cellheap.CellReport) -> None:
    (leaf,) = (leaf for leaf in at(report, 3).library if leaf.function == "JSONDecoder.raw_decode")
    assert [frame.function for frame in leaf.path] == [
        "loads",
        "JSONDecoder.decode",
        "JSONDecoder.raw_decode",
    ]
    assert (leaf.path[-1].file, leaf.path[-1].line) == (leaf.file, leaf.line)
    html = report.bundle().html()
    assert re.search(r"line 3 in parse → json/__init__\.py, line \d+ in loads → json/decoder\.py", html)


def test_what_many_rows_name_is_there_once(report: cellheap.CellReport) -> None:
    leaves = [leaf for line in report.lines for leaf in line.library]
    frames = [frame for leaf in leaves for frame in leaf.path]
    assert len(frames) > len(set(frames)) > 5
    assert len({*map(id, frames)}) == len(set(frames))
    files = [leaf.file for leaf in leaves] + [frame.file for frame in frames]
    assert len({*map(id, files)}) == len(set(files))


def test_a_report_is_read_from_its_own_json(report: cellheap.CellReport) -> None:
    again = cellheap.CellReport.from_json(report.json)
    assert again.lines == report.lines
    assert any(leaf.path for line in again.lines for leaf in line.library)


def test_charts_are_drawn_of_a_reports_own_json(report: cellheap.CellReport) -> None:
    assert "raw_decode" in report.json
    for draw in (_core.chart_spark, _core.chart_timeline):
        assert draw(report.json).startswith("<svg")


def test_native_memory_is_named_under_its_line(report: cellheap.CellReport) -> None:
    text = str(report)
    direct = text[text.index("line 7") :]
    assert direct.splitlines()[1].startswith("└ malloc in _multiarray_umath.so")
    assert re.search(r"└ numpy/_core/numeric\.py, line \d+ in ones \(malloc in _multiarray_umath\.so\)", text)
    assert max(map(len, text.splitlines())) <= 80
    assert "Memory of In[3] by allocator" in text
    native = {share.object for share in at(report, 7).shares if share.allocator == "malloc"}
    assert [Path(name).name.partition(".")[0] for name in native] == ["_multiarray_umath"]


def test_live_is_told_by_allocator() -> None:
    def malloc(live: cellheap.Live) -> int:
        return sum(share.live for share in live.shares if share.allocator == "malloc")

    with terminal() as notebook:
        notebook.run("import numpy as np\nnp.zeros(1)")
        before = cellheap.live()
        notebook.run("kept = np.zeros(1_000_000), [0] * 1000")
        live = cellheap.live()
    assert 8_000_000 <= malloc(live) - malloc(before) < 8_001_000
    assert sum(share.live for share in live.shares) == live.live_notebook
    assert "Live now, by allocator" in str(live)


def test_old_numbers_without_the_new_fields_still_read() -> None:
    old = {"cell": {"label": "In[1]", "traced": True, "allocated": 5}, "lines": [{"line": 1, "allocated": 5}]}
    report = cellheap.CellReport.from_json(json.dumps(old))
    assert "In[1] allocated 5 B" in str(report)


def test_of_a_lines_library_parts_those_that_hold_most_are_shown(notebook: Terminal, tmp_path: Path) -> None:
    parts = "".join(
        f"def part{n}(): return [len(bytearray(100_000)) for _ in range(100)]\n" for n in range(4)
    )
    (tmp_path / "parts_of_a_line.py").write_text(f"{parts}def holds(): return bytearray(1_000_000)\n")
    notebook.run(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport parts_of_a_line as p")
    notebook.run("x = [p.part0(), p.part1(), p.part2(), p.part3(), p.holds()]").raise_error()
    notebook.run("r = %memtrace 3\nsys.path.pop(0)")
    assert "line 5 in holds" in str(notebook.names["r"])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no instrumented code")
def test_what_is_of_no_line_of_a_cell_is_told_by_the_cell(starting: Callable[..., Front]) -> None:
    """`settrace` has the first instruction of a cell ask, which is of no line. It leaves its traces in Python:
    in a process of its own."""
    front = starting().ready()
    front.run("import sys, cellheap\nsys.settrace(lambda *_: None); sys.settrace(None)")
    front.run("x = [str(n) for n in range(1000)]")
    report = front.run("r = cellheap.cells[2]\nprint(sorted({line.line for line in r.lines}), r)").text()
    assert report.startswith("[0, 1] ")
    assert "In[2]  " in report
    assert "<module>" not in report
