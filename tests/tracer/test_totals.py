"""Live and peak of all blocks since a common start are tracemalloc's, to the byte."""

import pytest

from tests.tracer.conftest import Run

WORK = {
    "a list of a million ints": "x = list(range(1_000_000))",
    "the list deleted": "x = list(range(1_000_000)); del x",
    "nested dicts": "x = {i: {j: {'k': [i, j]} for j in range(20)} for i in range(500)}; x[3] = None",
    "instances with slots": """
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self, a): self.a, self.b = a, float(a)
x = [Slotted(i) for i in range(20_000)]; del x[::2]""",
    "instances without slots": """
class Plain:
    def __init__(self, a): self.a, self.b = a, float(a)
x = [Plain(i) for i in range(20_000)]; del x[::2]; x[0].__dict__; x[1].more = 1""",
    "strings": """
x = ["%d-%s" % (i, "ü€" * (i % 50)) for i in range(20_000)]
x = "".join(x).encode().decode().upper(); y = x.split("-"); s = ""
for part in y[:3000]: s += part""",
    "json": """
import json
x = json.loads(json.dumps([{"id": i, "tags": ["a", "b"] * (i % 9), "x": i / 7} for i in range(3_000)], indent=1))""",
    "binary trees": """
def tree(d): return (tree(d - 1), tree(d - 1)) if d else (None, None)
for _ in range(5): x = tree(13)""",
    "exceptions": """
def deep(n):
    if not n: raise ValueError("no" * 100)
    try: deep(n - 1)
    except ValueError as e: raise KeyError(n) from e
kept = []
for _ in range(200):
    try: deep(20)
    except KeyError as e: kept.append(e)""",
    "generators": """
def count(n):
    for i in range(n):
        got = yield [i] * 10
def chain(*its):
    for it in its: yield from it
x = sum(len(v) for v in chain(count(10_000), (str(i) for i in range(10_000))))
held = [count(5) for _ in range(1000)]; [next(g) for g in held]""",
    "bytearrays that grow": """
x = bytearray()
for i in range(20_000): x += b"abc" * (i % 17)
x = x[: 100]; y = list(range(100)); y.sort(key=str)""",
    "a collection": """
import gc; gc.disable()
class Node: pass
for _ in range(30_000):
    a, b = Node(), Node(); a.b, b.a = b, a
gc.collect()""",
}

PROGRAM = """
from notebook import *
judge = Judge()
code = compile({source!r}, "/notebook/1.py", "exec")
names = {{}}
judge.begin_totals()
start = judge.totals()
exec(code, names)
end = judge.totals()
del names
say([start, end, judge.totals()])
"""


@pytest.mark.parametrize("source", WORK.values(), ids=WORK.keys())
def test_live_and_peak_are_tracemallocs_to_the_byte(run: Run, source: str) -> None:
    start, end, after = run(PROGRAM.format(source=source), CELLHEAP_NATIVE="off")
    for live, peak, traced, traced_peak in (start, end, after):
        assert (live, peak) == (traced, traced_peak)
    assert end[1] - start[1] > 100_000  # the work was seen
