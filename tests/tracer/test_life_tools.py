"""Other tools that trace, profile or record in the same process, begun and ended before or after us."""

import pytest

from tests.tracer.conftest import Run
from tests.tracer.test_walk import compare

START = """
import gc, os, sys, threading
from notebook import *
"""

# Each begins, runs a cell's work, and ends; both orders of the beginnings and of the ends are tried.
TOOLS = {
    "settrace": (
        "seen = []\ndef tool(frame, event, argument):\n    seen.append([event])\n    return tool\nsys.settrace(tool)",
        "sys.settrace(None)",
    ),
    "setprofile": (
        "seen = []\nsys.setprofile(lambda frame, event, argument: seen.append([event]))",
        "sys.setprofile(None)",
    ),
    "cProfile": ("import cProfile; tool = cProfile.Profile(); tool.enable()", "tool.disable()"),
    "coverage": (
        "import coverage; tool = coverage.Coverage(data_file=None, config_file=False); tool.start()",
        "tool.stop()",
    ),
    "tracemalloc": ("import tracemalloc; tracemalloc.start(5)", "tracemalloc.stop()"),
    "memray": (
        "import memray, tempfile; place = tempfile.mkdtemp() + '/out'\ntool = memray.Tracker(place); tool.__enter__()",
        "tool.__exit__(None, None, None)",
    ),
    "memray with Python's allocators": (
        "import memray, tempfile; place = tempfile.mkdtemp() + '/out'\n"
        "tool = memray.Tracker(place, trace_python_allocators=True, native_traces=True); tool.__enter__()",
        "tool.__exit__(None, None, None)",
    ),
}
WORK = """
import threading, zlib
kept = [[n] * 50 for n in range(500)]
big = [bytearray(100_000) for _ in range(10)]
def work(): parts.append(zlib.decompress(zlib.compress(bytes(200_000))))
parts = []
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("last", ["ours", "theirs"])
def test_another_tool_may_come_and_go_in_any_order(run: Run, tool: str, first: str, last: str) -> None:
    begin, end = TOOLS[tool]
    cells, parts, tracing = run(
        START
        + f"""
begin, end, work, first, last = {begin!r}, {end!r}, {WORK!r}, {first!r}, {last!r}
"""
        + """
space = {"sys": sys}
ids = []
for round in range(3):
    if first == "theirs": exec(begin, space)
    if not round:
        notebook = Notebook()
    else:
        core.trace_start()
    if first == "ours":
        notebook.run("pass")
        exec(begin, space)
    ids.append(notebook.run(work))
    parts = [len(part) for part in notebook.names["parts"]]
    if last == "theirs":
        core.trace_stop()
        exec(end, space)
    else:
        exec(end, space)
        ids.append(notebook.run(work))
        ids.append(notebook.run(work))
        if round < 2: core.trace_stop()
    notebook.names.update(kept=None, big=None)
core.trace_start()
exec(work.replace("kept", "other"), space)
ids.append(notebook.run(work))
ids.append(notebook.run(work))
say([[report(cell) for cell in ids], parts, core.tracing()])
"""
    )
    assert tracing
    assert parts == [200_000] * 4
    assert all(report["cell"]["traced"] for report in cells[-2:])
    for report in cells:
        if report["cell"]["traced"]:  # or it is said
            sizes = {line["line"]: line["allocated"] for line in report["lines"]}
            assert 500 * (56 + 400) <= sizes[3] < 500 * 900  # what the tool keeps of it too
            assert 1_000_000 <= sizes[4] < 1_020_000
    # It was over us after we had been heard once: from the first round on, or from when it went in the first.
    over_native = "memray" in tool and "ours" in (first, last)
    assert any("took native memory's functions over" in note for note in cells[-1]["notes"]) is over_native


def test_a_tool_over_us_keeps_every_line(run: Run) -> None:
    """While others trace, the lines are still those of a plain walk."""
    body = "kept.append([0] * 50)\nmade = [str(n) for n in range(300)]\ndeep(20, leaf)\neach(lambda: kept.append({1: 2}))\n"
    cells = tuple(
        f"import sys\n{begin}\n{body}{end}\n{body}"
        for name, (begin, end) in TOOLS.items()
        if not name.startswith("memray")
    )
    modules = ("coverage", "cProfile", "tracemalloc")
    assert sum(compare(run, cells, modules).values()) > 20_000
