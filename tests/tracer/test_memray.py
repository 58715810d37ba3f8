"""memray as the judge: the same script in two processes, one under its tracker and one under ours.

One difference has a name: past 64 library frames our bytes stand on "(deep library recursion)" and not on the
line, which memray finds at any depth.
"""

from collections.abc import Callable

import pytest

from tests.tracer.conftest import Run

pytest.importorskip("memray")

FILE = "/notebook/1.py"

Settings = Callable[..., dict[str, str]]

SCRIPTS = {
    "lists and dicts": """
table = {i: [i, str(i), i * 0.5] for i in range(40_000)}
rows = [row[:] for row in table.values()]
wide = {str(i): i for i in range(30_000)}
del rows, wide
again = [i for i in range(10_000)]
""",
    "strings": """
words = ["word %d" % i for i in range(60_000)]
text = " ".join(words)
upper = text.upper()
parts = upper.split()
del words
text = text + upper * 3
parts.clear()
""",
    "classes": """
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = [y]
class Slim:
    __slots__ = ("x", "y")
    def __init__(self, x):
        self.x = x
        self.y = str(x)
points = [Point(i, -i) for i in range(30_000)]
slims = [Slim(i) for i in range(30_000)]
points[0].__dict__["other"] = bytes(100_000)
del points
""",
    "json": """
data = [{"id": i, "name": "n%d" % i, "tags": ["a", str(i)], "x": i / 7} for i in range(10_000)]
text = json.dumps(data)
back = json.loads(text)
pretty = json.dumps(back, indent=2)
del back, data
""",
    "bytearray that grows": """
grown = bytearray()
for i in range(200_000):
    grown += b"0123456789" * 5
copied = bytes(grown)
piece = grown[: 1 << 20]
del grown[:]
""",
    "imports": """
import email.mime.multipart, http.client, unittest.mock, xml.dom.minidom
import asyncio, concurrent.futures, multiprocessing.pool, logging.config
""",
    "threads": """
kept = {}
def work(n):
    kept[n] = [bytes(200) for _ in range(5_000)]
    kept[n].append(bytearray(300_000))
    all_there.wait()
all_there = threading.Barrier(8)
workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
total = [len(part) for part in kept.values()]
""",
    "a pipeline of generators": """
def numbers(n):
    for i in range(n):
        yield [i] * 20
def texts(rows):
    for row in rows:
        yield str(row)
def pairs(lines):
    for line in lines:
        yield line, len(line), line.encode()
kept = list(pairs(texts(numbers(20_000))))
by_length = {}
for text, length, _ in kept:
    by_length.setdefault(length, []).append(text[:50])
""",
    "recursion in a library": """
deep = []
for i in range(20):
    deep = [deep, str(i), {i: [i] * 50}]
copies = [copy.deepcopy(deep) for _ in range(150)]
del copies[10:]
""",
    "zlib and sqlite3": """
raw = b"0123456789" * 100_000
squeezers = [zlib.compressobj(9) for _ in range(20)]
packed = [squeezer.compress(raw) for squeezer in squeezers]
base = sqlite3.connect(":memory:")
base.execute("create table t (a integer, b text)")
base.executemany("insert into t values (?, ?)", ((i, "x" * 100) for i in range(20_000)))
rows = base.execute("select * from t").fetchall()
del squeezers, packed, rows[1000:]
""",
    "mmap": """
maps = [mmap.mmap(-1, 1 << 20) for _ in range(10)]
for part in maps[:5]:
    part.close()
small = [mmap.mmap(-1, 100_000) for _ in range(20)]
held = bytearray(3_000_000)
""",
    "numpy": """
a = numpy.ones((1000, 1000))
b = a * 2 + a
small = [numpy.arange(200.0) + i for i in range(5_000)]
c = numpy.concatenate([b, b])
view = c[::2]
d = numpy.sort(c, axis=1).astype("float32")
del a, b
e = numpy.zeros(100_000)
""",
}

TRACKED = """
{imports}
source = {source!r}
code = compile(source, {file!r}, "exec")
names = dict(globals())
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "memray.bin"
    with memray.Tracker(path, trace_python_allocators=True):
        exec(code, names)
    lines = {{}}
    for record in memray.FileReader(path).get_high_watermark_allocation_records(merge_threads=True):
        for _, file, line in record.stack_trace():
            if file == {file!r}:
                lines[line] = lines.get(line, 0) + record.size
                break
print(json.dumps(lines))
"""

OURS = """
{imports}
from notebook import *
source = {source!r}
notebook = Notebook()
notebook.names.update(globals())
# memray's tracker is a profile function. On 3.11 one makes the interpreter keep frames as objects.
sys.setprofile((lambda *_: None) if sys.version_info < (3, 12) else None)
cell = notebook.run(source)
sys.setprofile(None)
peaks = {{n: line["peak"] for n, line in lines(cell, 1).items()}}
deep = sum(line["peak"] for line in report(cell)["lines"] if line["function"] == "(deep library recursion)")
say([report(cell)["cell"]["peak"], peaks, deep])
"""

# What either has when its cell begins: a tracker brings modules along.
BROUGHT = """
{imports}
import notebook
cell = notebook.Notebook()
cell.run("import sys; there = set(sys.modules)")
with tempfile.TemporaryDirectory() as folder, memray.Tracker(Path(folder) / "memray.bin"):
    there = cell.names["there"] | set(sys.modules)
print(json.dumps(sorted(there - {{"__main__"}})))
"""

# Both processes have all of it before they begin.
IMPORTS = """
import copy, importlib, json, memray, mmap, sqlite3, sys, tempfile, threading, zlib
from pathlib import Path
import notebook
"""


@pytest.fixture(scope="module")
def settings(run: Run) -> Settings:
    """Fills a script in: a source, with what both processes import before it."""
    there = run(BROUGHT.format(imports=IMPORTS))
    brought = f"\nfor name in {there!r}:\n    importlib.import_module(name)\n"

    def fill(source: str, imports: str = "") -> dict[str, str]:
        return {"imports": IMPORTS + brought + imports, "source": source, "file": FILE}

    return fill


@pytest.mark.parametrize("name", SCRIPTS)
def test_memray_sees_the_same_bytes_on_the_same_lines_at_the_peak(
    run: Run, settings: Settings, name: str
) -> None:
    if name == "numpy":
        pytest.importorskip("numpy")
    both = settings(SCRIPTS[name], "import numpy" if name == "numpy" else "")
    theirs = run(TRACKED.format(**both))
    peak, ours, deep = run(OURS.format(**both))
    their_peak = sum(theirs.values())
    assert deep < their_peak / 100
    assert peak == pytest.approx(their_peak, rel=0.01)
    for line in theirs.keys() | ours.keys():
        pair = theirs.get(line, 0), ours.get(line, 0)
        if max(pair) > their_peak / 50:
            assert pair[1] == pytest.approx(pair[0], rel=0.01), f"line {line} of {name}"


def test_past_64_library_frames_the_bytes_are_memrays_but_have_a_line_of_their_own(
    run: Run, settings: Settings
) -> None:
    both = settings(SCRIPTS["recursion in a library"].replace("range(20)", "range(200)"))
    theirs = run(TRACKED.format(**both))
    peak, ours, deep = run(OURS.format(**both))
    assert peak == pytest.approx(sum(theirs.values()), rel=0.01)
    assert deep > ours["5"]
    assert deep + ours["5"] == pytest.approx(theirs["5"], rel=0.01)
