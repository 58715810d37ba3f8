"""`%memtrace live --map`: how full pymalloc's arenas are, beside the addresses of the objects in them."""

import re
import sys
from pathlib import Path

import cellheap

from tests.notebook.shells import Terminal

NUMBERS = "application/vnd.cellheap.v1+json"


def test_a_box_has_what_lies_at_its_addresses(notebook: Terminal) -> None:
    # What is free in arenas of tests before goes first: those are not in the map.
    notebook.run("fill = [bytes(400) for _ in range(60_000)]").raise_error()
    before = cellheap.heap_map()
    notebook.run("rows = [bytes(400) for _ in range(60_000)]").raise_error()
    after = cellheap.heap_map()
    rows = notebook.names["rows"]
    assert after.live - before.live >= sum(map(sys.getsizeof, rows)) * 0.95
    assert sum(after.boxes) == after.live
    assert abs(cellheap.live().process.arena_live - after.live) < 64 << 10  # What the maps themselves take.
    assert sum(row["bytes"] for row in after.rows()) == after.bytes
    # Arenas begin at multiples of a mebibyte, so a box is a whole stretch of addresses.
    stretches = len({id(row) // after.unit for row in rows})
    used = sum(live > 0 for live in after.boxes)
    assert (
        stretches - 64
        <= used
        <= stretches + sum(live > 0 for live in before.boxes) * before.unit // after.unit + 64
    )


def test_boxes_empty_as_blocks_go(notebook: Terminal, tmp_path: Path) -> None:
    notebook.run("rows = [bytes(400) for _ in range(60_000)]").raise_error()
    full = cellheap.heap_map()
    notebook.run("rows = rows[::60]").raise_error()
    sparse = cellheap.heap_map()
    quarter = full.unit // 4
    assert sum(0 < live <= quarter for live in sparse.boxes) > sum(0 < live <= quarter for live in full.boxes)
    assert sparse.fullness.filled[0] > 0
    notebook.run("%memtrace live --map")
    (data,) = notebook.shown
    assert data[NUMBERS]["kind"] == "map"
    assert len(data["text/html"]) < 50_000
    assert max(map(len, data["text/plain"].splitlines())) <= 80
    assert "Map of" in data["text/html"]
    assert re.search(r"to a quarter full +[\d,]+", data["text/plain"])
    assert "In[2], line 1" in data["text/plain"]
    notebook.run(f"%memtrace export live --map {tmp_path}/map.svg")
    assert "Written to" in notebook.printed
