"""Whole frames and tables, against what the system says that the process grew by, and libraries of their own pools."""

import html

import pytest

from tests.tracer.conftest import Run

MOVED = """
import ctypes, gc, json
from pathlib import Path
from notebook import *
notebook = Notebook()

def rest():
    "RSS that is not ours, exactly, once what was freed is given back."
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    rollup = Path("/proc/self/smaps_rollup").read_text()
    rss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Rss")) * 1024
    return rss - json.loads(core.process())["books"]

def moved(source):
    "What RSS moved by, and what we say that the cell left live."
    before = rest()
    cell = notebook.run(source)
    after = rest()
    return [after - before, report(cell)["cell"]["live"]]
"""

FRAMES = {
    "made": "frame = pd.DataFrame({name: np.random.default_rng(1).random(2_000_000) for name in 'abcdefgh'})",
    "joined": "frame = pd.concat([small] * 20, ignore_index=True)",
    "sorted and summed": "frame = big.sort_values('a'); sums = frame.groupby('key').sum(); mean = frame.rolling(3).mean()",
    "cut": "frame = big[big['a'] > 0.1].copy(); frame['more'] = frame['a'] * 2; frame = frame.astype({'b': 'float32'})",
}
FRAMES_BEFORE = """
import numpy as np, pandas as pd
small = pd.DataFrame({name: np.random.default_rng(2).random(100_000) for name in 'abcdefgh'})
big = pd.concat([small] * 20, ignore_index=True).assign(key=np.arange(2_000_000) % 7)
warm = small.assign(key=1).sort_values('a').groupby('key').sum(), small.rolling(3).mean(), small[small['a'] > .1].copy()
del warm
"""

TABLES = {
    "computed": "table = pa.table({'a': pc.multiply(x, 2), 'b': pc.add(x, x), 'c': pc.cast(x, pa.float32())})",
    "taken": "table = pa.table({'a': x, 'b': x, 'c': x}).take(order)",
    "made of arrays of numpy": "table = pa.table({name: np.random.default_rng(1).random(5_000_000) for name in 'abc'})",
    "filtered": "table = pa.table({'a': x, 'b': x, 'c': x}).filter(pc.greater(x, 0.1))",
}
TABLES_BEFORE = """
import numpy as np, pyarrow as pa, pyarrow.compute as pc
x = pa.array(np.random.default_rng(2).random(6_000_000))
order = pa.array(np.arange(5_999_999, -1, -1))
warm = pc.multiply(x, 2), pa.table({'a': x}).take(order), pa.table({'a': x}).filter(pc.greater(x, .1)), pc.cast(x, pa.float32())
del warm
pa.default_memory_pool().release_unused()
"""


@pytest.mark.parametrize(
    ("before", "source"),
    [(FRAMES_BEFORE, source) for source in FRAMES.values()]
    + [(TABLES_BEFORE, source) for source in TABLES.values()],
    ids=[*FRAMES, *TABLES],
)
def test_frames_and_tables_are_what_the_system_says_moved(run: Run, before: str, source: str) -> None:
    moved, live = run(
        MOVED
        + f"""
notebook.run({before!r})
say(moved({source!r}))
"""
    )
    assert moved > 100_000_000
    assert abs(live - moved) <= 0.03 * moved


def test_what_pyarrow_says_of_its_pool_stands_beside_our_numbers(run: Run) -> None:
    before, after, notes, text = run("""
from notebook import *
import cellheap
notebook = Notebook()
before = cellheap.live().process.pools
notes = [cellheap.live().notes]
notebook.run("import pyarrow as pa; buffer = pa.allocate_buffer(50_000_000)")
live, pool = cellheap.live(), notebook.names["pa"].default_memory_pool()
notebook.run("del buffer")
notes.append(cellheap.live().notes)
pools = cellheap.overview().process.pools
say([[len(before), pool.backend_name], [[p.name, p.used, p.peak] for p in (*live.process.pools, *pools)], notes, live._repr_mimebundle_()["text/html"]])
""")
    assert before == [0, "mimalloc"]
    assert "library's own allocator" not in "".join(notes[0])
    assert "library's own allocator" in "".join(notes[1])
    name = "pyarrow's pool (mimalloc)"
    assert after == [[name, 50_000_000, 50_000_000], [name, 0, 50_000_000]]
    assert "pyarrow's pool (mimalloc): in use, as it says" in html.unescape(text)
