"""Each line keeps its own bytes: as the reference tracer says, and as tracemalloc says where no free list is reused."""

import pytest

from tests.tracer.conftest import Run

CELLS = {
    "deepcopy on two lines": """
from copy import deepcopy
d = {str(i): [i, float(i), {"a": (i, "x" * i)}] for i in range(300)}
a = deepcopy(d)
b = deepcopy(d)
del a
""",
    "functions, recursion and lambdas": """
def tree(depth):
    if not depth:
        return [None]
    left = tree(depth - 1)
    right = tree(depth - 1)
    return [left, right]
t = tree(10)
make = lambda n: [
    bytes(n),
    bytearray(n)]
x = [make(i) for i in range(100)]
y = list(map(lambda i: "%d!" % i, range(500)))
del t, x[10:]
""",
    "generators, closures and comprehensions": """
def outer(n):
    held = [0] * n
    def inner():
        nonlocal held
        held = held + [n]
        return held
    return inner
def generate(n):
    for i in range(n):
        yield [i] * 20
    yield from (str(j) * 5 for j in range(n))
fs = [outer(i) for i in range(50)]
gs = [generate(i) for i in range(50)]
for g in gs:
    next(g, None)
got = [f() for f in fs]
s = {i: {j for j in range(i)} for i in range(30)}
w = [
    [i] * 3
    for i in range(100)
    if {i: [i]}
]
z = [list(g) for g in gs[:20]]
del fs, gs
""",
    "exceptions and with": """
from contextlib import contextmanager
@contextmanager
def managed(n):
    x = [0] * n
    try:
        yield x
    finally:
        y = [1] * n
def fails(n):
    raise ValueError("%d" % n * 30)
kept = []
for i in range(50):
    try:
        with managed(i):
            fails(i)
    except ValueError as error:
        kept.append(error)
del kept[::2]
""",
    "classes, decorators and descriptors": """
from dataclasses import dataclass, field
from functools import lru_cache, wraps
def twice(f):
    @wraps(f)
    def call(*a, **k):
        one = f(*a, **k)
        return [one, f(*a, **k)]
    return call
@dataclass
class Point:
    x: int
    y: list = field(default_factory=lambda: [0] * 10)
    @property
    def both(self):
        return (self.x, self.y)
@twice
def point(i):
    return Point(i)
@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(50)
ps = [point(i) for i in range(100)]
bs = [p[0].both for p in ps]
class Meta(type):
    def __new__(meta, name, bases, space):
        space["made"] = list(range(50))
        return super().__new__(meta, name, bases, space)
class Made(metaclass=Meta):
    text = "a" * 1000
del ps
""",
    "exec, eval and compile": """
for i in range(20):
    exec("x%d = [0] * 100" % i)
    y = eval("[[j] for j in range(%d)]" % i)
code = compile("z = [1] * 500", "<made>", "exec")
exec(code)
exec(code)
del x3, x4
""",
    "async": """
import asyncio
async def work(n):
    made = [0] * n
    await asyncio.sleep(0)
    more = [made, [1] * n]
    return more
async def stream(n):
    for i in range(n):
        yield [i] * 9
async def main():
    got = await asyncio.gather(*(work(i) for i in range(40)))
    return [
        got,
        [x async for x in stream(20)],
    ]
kept = asyncio.run(main())
""",
    "json and sorting with keys": """
import json
class Encoder(json.JSONEncoder):
    def default(self, o):
        return sorted(o, key=lambda v: (v, [v]))
text = json.dumps([{"a": {i, i + 1}, "b": "x" * i} for i in range(100)], cls=Encoder, indent=2)
back = json.loads(text, object_hook=lambda d: {
    "made": list(d.items())})
text = text.upper()
""",
    "peak between lines": """
a = [0] * 10_000
b = bytes(50_000)
del a
c = bytearray(70_000)
c += bytes(30_000)
del b
c.clear()
d = [[i] for i in range(1000)]
d.append("".join(map(str, range(3000))))
""",
}

# Imports nest deeper than the walk goes: they come first.
AGAINST_REFERENCE = """
import asyncio, contextlib, dataclasses, gc
gc.disable()
from notebook import *
judge, notebook = Judge(), Notebook()
source = {source!r}
code = compile(source, notebook.file(1), "exec")
judge.start_reference()
cell = core.cell_begin(1)
judge.mark()
exec(code, notebook.names)
core.cell_end(cell)
ours = None
while ours != (ours := core.cell_report(cell)):  # nothing was freed between the two readings
    theirs = judge.library.judge_reference_report()
judge.library.judge_reference_stop()
ours, expected = json.loads(ours), judge.rows(theirs)
got = {{(line["file"], line["line"]): line for line in ours["lines"]}}
say([ours["cell"], sorted((*where, row) for where, row in expected.items()), sorted((*where, row) for where, row in got.items())])
"""


@pytest.mark.parametrize("source", CELLS.values(), ids=CELLS.keys())
def test_each_line_is_as_the_reference_tracer_says(run: Run, source: str) -> None:
    cell, expected, got = run(AGAINST_REFERENCE.format(source=source), CELLHEAP_NATIVE="off")
    assert [row[:2] for row in got] == [row[:2] for row in expected]
    for (file, line, row), (_, _, judged) in zip(got, expected, strict=True):
        at = f"{file}:{line}"
        for name in ("allocated", "returned", "blocks", "peak"):
            assert (at, name, row[name]) == (at, name, judged[name])
        assert (at, row["live"]) == (at, judged["allocated"] - judged["returned"])
        assert (at, row["live_blocks"]) == (at, judged["blocks"] - judged["blocks_returned"])
    assert cell["allocated"] == sum(row["allocated"] for *_, row in expected)
    assert cell["peak"] == sum(row["peak"] for *_, row in expected) > 10_000


AGAINST_TRACEMALLOC = """
import gc; gc.disable()
from notebook import *
judge, notebook = Judge(), Notebook()
code = compile({source!r}, notebook.file(1), "exec")
judge.library.judge_keep_raw()
tracemalloc.start(60)
judge.library.judge_spare_raw()
cell = core.cell_begin(1)
tracemalloc.clear_traces()
exec(code, notebook.names)
core.cell_end(cell)
traces = tracemalloc.take_snapshot().traces
tracemalloc.stop()
expected = {{}}
for trace in traces:
    ours = [frame.lineno for frame in trace.traceback if frame.filename == notebook.file(1)]
    if ours:
        size, blocks = expected.get(ours[-1], (0, 0))
        expected[ours[-1]] = (size + trace.size, blocks + 1)
got = {{n: (line["live"], line["live_blocks"]) for n, line in lines(cell, 1).items() if line["live_blocks"]}}
say([sorted(expected.items()), sorted(got.items())])
"""

# What these keep alive never went through a free list: strings, bytes, sets, sized containers' buffers. Small ints do
# from 3.14 on.
WITHOUT_FREE_LISTS = {
    "strings and bytes": """
a = ["%d" % i for i in range(1000, 2000)]
b = {i: bytes(i) for i in range(300, 600)}
c = [bytearray(i) for i in range(100)]
def more():
    return "x".join(
        a)
d = [more() for _ in range(10)]
del a[::3], c
""",
    "sets and slots": """
kept = {}
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self):
        self.a = {1000 + id(self)}
        self.b = frozenset((b"%d" % id(self), b"1"))
for i in range(500):
    kept[str(i)] = Slotted()
for i in list(kept)[::7]:
    del kept[i]
""",
    # Of tables that are decoded whole: a cell's own, and a function's.
    "code of many lines": "\n".join(
        (
            "kept = []",
            *(f"kept.append(bytes({1000 + n})){' # long' * (n % 3)}{chr(10) * (n % 5)}" for n in range(300)),
            "def long(k):",
            *(f"    k += [bytes({2000 + n}),\n          b'%d' % k[{n}][0] * {n}]" for n in range(300)),
            "long(kept)",
        )
    ),
}


@pytest.mark.parametrize("source", WITHOUT_FREE_LISTS.values(), ids=WITHOUT_FREE_LISTS.keys())
def test_each_line_is_as_tracemalloc_says_where_no_free_list_is_reused(run: Run, source: str) -> None:
    expected, got = run(AGAINST_TRACEMALLOC.format(source=source), CELLHEAP_NATIVE="off")
    assert got == expected
    assert sum(size for _, (size, _) in got) > 10_000
