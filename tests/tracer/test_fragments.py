"""What allocators keep: Python's free lists, and arenas that are nearly empty, with the lines that keep them."""

import sys

import pytest

from tests.tracer.conftest import Run

PRINTED = """
import gc, os, re, sys

def printed():
    "What the interpreter itself says of its memory."
    read, write = os.pipe()
    error = os.dup(2)
    os.dup2(write, 2)
    sys._debugmallocstats()
    os.dup2(error, 2); os.close(write); os.close(error)
    with open(read) as pipe: return pipe.read()
"""
START = (
    PRINTED
    + """
from notebook import *

def told():
    "Its free lists: blocks by type."
    text = printed()
    sums = dict(list=0, tuple=0, dict=0)
    for count, name in re.findall(r"(\\d+) free (?:[0-9]+-sized )?Py(List|Tuple|Dict)Objects", text):
        sums[name.lower()] += int(count)
    return sums
"""
)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="free lists cannot be read there")
def test_blocks_in_free_lists_are_a_row_of_their_own_and_in_no_origin(run: Run) -> None:
    before, told, seen = run(
        START
        + """
notebook = Notebook()
gc.collect()
gc.disable()
notebook.run("x = [[i] for i in range(1000)]; y = [(i, i) for i in range(5000)]; z = [{} for i in range(500)]")
before = live()
notebook.names.update(told=told, live=live)
notebook.run("del x, y, z; got = told(); seen = live()")
say([before, notebook.names["got"], notebook.names["seen"]])
"""
    )
    kept = {row["name"]: row["blocks"] for row in seen["kept"]}
    # What ran between the two took some or gave some.
    for kind, least in ("list", 70), ("tuple", 1900), ("dict", 70):
        assert kept[kind] >= least
        assert told[kind] >= least
        assert abs(told[kind] - kept[kind]) < 100
    assert max(kept["list"], kept["dict"]) <= 80
    assert sum(row["blocks"] for row in before["kept"]) < 20
    first = [origin for origin in seen["origins"] if origin["cell"]["number"] == 1]
    assert sum(origin["cell"]["live_blocks"] for origin in first) < 20
    everything = sum(origin["cell"]["live"] for origin in seen["origins"])
    everything += sum(row["bytes"] for row in seen["kept"])
    assert everything + seen["live_machinery"] + seen["live_cellheap"] == seen["live"]
    for origin in seen["origins"]:
        assert sum(line["live"] for line in origin["lines"]) == origin["cell"]["live"]


def test_nearly_empty_arenas_are_told_with_the_lines_that_pin_them(run: Run) -> None:
    full, pinned, freed = run(
        START
        + """
notebook = Notebook()
gc.disable()
notebook.run('''
x = [bytes(400) for _ in range(60_000)]
keep = x[::6000]
''')
full = live()
notebook.run("del x")
pinned = live()
notebook.run("del keep")
say([full, pinned, live()])
"""
    )
    arenas = full["arenas"]
    assert arenas["count"] >= 60_000 * 448 // (1 << 20)
    assert arenas["bytes"] == arenas["count"] << 20
    # The first of them fill what older arenas had free.
    assert 60_000 * 433 - (1 << 20) < arenas["live"] == full["process"]["arena_live"] < arenas["bytes"]
    assert sum(arenas["filled"]) == arenas["count"] == full["process"]["arenas"]
    assert arenas["filled"][3] >= arenas["count"] - 3
    # Ten blocks, each alone in an arena, but that the first and the last may lie with others.
    assert 8 <= pinned["arenas"]["filled"][0] <= 14
    pin = next(pin for pin in pinned["arenas"]["pins"] if pin["line"] == 2)
    assert pin["origin"] == "In[1]"
    assert 8 <= pin["arenas"] == pin["blocks"] == pin["live"] // 433 <= 10
    assert freed["arenas"]["count"] <= arenas["count"] - 22
    assert not any(pin["line"] == 2 for pin in freed["arenas"]["pins"])


def test_arenas_from_before_tracing_are_counted_and_leave_the_count(run: Run) -> None:
    told, begun, gone, left = run(
        PRINTED
        + """
gc.disable()
older = [bytes(400) for _ in range(20_000)]

def told(): return int(re.search(r"arenas allocated current += +(\\d+)", printed())[1])

before = told()
from notebook import *
notebook = Notebook()
begun = live()["arenas"]
del older
after = live()["arenas"]
core.trace_stop()  # While blocks are noted the interpreter says nothing of pymalloc.
say([before, begun, after, told()])
"""
    )
    assert told >= 8
    # What was imported since may have filled some more, before tracing or after.
    assert told <= begun["older"] + begun["count"] <= told + 30
    assert begun["older"] - gone["older"] >= 6
    assert gone["older"] + gone["count"] == left


def test_arenas_from_before_the_live_table_are_told_apart(run: Run) -> None:
    before, after = run(
        START
        + """
notebook = Notebook()
notebook.run("x = [bytes(400) for _ in range(20_000)]")
before = live()["arenas"]
core.trace_stop(); core.trace_start()
say([before, live()["arenas"]])
"""
    )
    assert before["count"] >= 7
    assert after["older"] >= before["count"] + before["older"] - 1
    assert after["count"] <= 1
