"""Random programs under random limits: no crash, no hang, no lost variable, and the books are balanced.

`CELLHEAP_PROGRAMS` is how many; `make limits` runs a thousand.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.notebook.shells import Kernel, kernel_of
from tests.notebook.test_limit import limited, prepare

PROGRAMS = int(os.environ.get("CELLHEAP_PROGRAMS", "12"))
KIB, MIB = 1 << 10, 1 << 20

#: Each makes some memory; `{n}` is a number of its own.
MAKERS = (
    "kept.append([[i] for i in range({n})])",
    "kept.append({{str(i): i for i in range({n})}})",
    "kept.append(bytes({n} * 100))",
    "kept.append(bytearray({n} * 50) + b'x' * {n})",
    "kept.append('é' * {n} * 20)",
    "kept.append(np.zeros({n} * 20))",
    "kept.append(np.arange({n} * 10) * 2)",
    "kept.append(np.concatenate([big, np.ones({n})]))",
    "kept.append(pd.DataFrame({{'a': np.arange({n})}}).sort_values('a', ascending=False))",
    "kept.append(list(map(str, range({n}))))",
    "kept.append(set(range({n} * 2)))",
    "kept.append(sorted(range({n}), key=lambda x: -x))",
    "kept.append(json.loads(json.dumps(list(range({n})))))",
    "kept.append(pickle.loads(pickle.dumps([[i] for i in range({n})])))",
    "kept.append(zlib.decompress(zlib.compress(bytes({n} * 80))))",
    "kept.append(re.findall('a', 'ab' * {n}))",
    "kept.append(copy.deepcopy([[i] for i in range({n} // 4)]))",
    "kept.append(''.join(str(i) for i in range({n})))",
    "print('x' * ({n} // 10))",
    "text = ''\nfor i in range({n} // 4): text += 'xyz'\nkept.append(text)",
    "kept.append(list(give({n})))",
    "kept.append(Last([0] * {n}))",
    "cycle = Last([0] * {n}); cycle.me = cycle; del cycle",
    "kept.append(deep({n} // 200))",
    "gc.collect()",
    "kept.clear()",
    "del kept[::2]",
    "await asyncio.gather(soon({n}), soon({n}))",
    "kept.extend(pool.map(work, [{n}] * 3))",
    "thread = threading.Thread(target=work, args=({n},)); thread.start(); thread.join()",
    "with Tidy({n}): kept.append([0] * {n})",
)

SETUP = """
import copy, json, pickle, re, zlib
import pandas as pd
kept, first = [], ["stays"]
class Last:
    def __init__(self, data): self.data = data
    def __del__(self): self.again = list(self.data[:1000])
class Tidy:
    def __init__(self, n): self.n = n
    def __enter__(self): return self
    def __exit__(self, *error): opened.append(1); list(range(self.n)); opened.pop()
opened = []
def give(n):
    try:
        for i in range(n): yield [i]
    finally: [0] * n
def deep(n): return [n, deep(n - 1)] if n > 0 else [0]
async def soon(n):
    rows = []
    for i in range(n):
        rows.append([i])
        if i % 1000 == 0: await asyncio.sleep(0)
def work(n): return [[i] for i in range(n)]
pool = ThreadPoolExecutor(2); list(pool.map(work, [10] * 2))
list(soon(1).cr_code.co_positions()); json.dumps([1]); re.findall("a", "a"); pickle.dumps([1])
"""

#: Lets go of what a program made, and of the last error, whose frames have what they had in hand; waits until the pool's
#: threads do nothing more.
LEFT = """
gate = threading.Barrier(2); list(pool.map(lambda _: gate.wait(), range(2)))
kept.clear(); text = thread = error = gate = None
for call in __import__("cellheap.hidden").hidden.emptying_traceback(get_ipython()): call()
gc.collect(); gc.collect(); live()
"""

makers = st.builds(lambda text, n: text.format(n=n), st.sampled_from(MAKERS), st.integers(1, 200_000))


def indented(body: str) -> str:
    return textwrap.indent(body, "    ")


def compound(bodies: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(bodies, min_size=1, max_size=3).map("\n".join)
    return st.one_of(
        st.builds(lambda body: f"try:\n{indented(body)}\nexcept MemoryError:\n    caught += 1", block),
        st.builds(
            lambda body, last: (
                f"try:\n{indented(body)}\nexcept MemoryError as error:\n{indented(last)}\n    raise"
            ),
            block,
            block,
        ),
        st.builds(lambda body, last: f"try:\n{indented(body)}\nfinally:\n{indented(last)}", block, block),
        st.builds(lambda body, n: f"for _ in range({n}):\n{indented(body)}", block, st.integers(2, 5)),
    )


programs = st.lists(st.recursive(makers, compound, max_leaves=6), min_size=1, max_size=5).map("\n".join)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with kernel_of("cellheap") as running:
        prepare(running)
        reply, _ = running.run(SETUP)
        assert reply["status"] == "ok", reply
        yield running


@settings(
    max_examples=PROGRAMS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(program=programs, room=st.integers(100 * KIB, 30 * MIB))
def test_a_program_under_a_limit_ends_well(kernel: Kernel, program: str, room: int) -> None:
    limited(kernel, room)
    reply, _ = kernel.run(f"caught = 0\n{program}")
    if reply["status"] == "error":
        assert reply["ename"] in ("CellMemoryLimit", "MemoryError"), (reply, program)
    kernel.run("%memtrace limit off")
    assert kernel.value("first, keep, float(big.sum()), opened") == (
        "(['stays'], {'a': [1, 2, 3]}, 262144.0, [])"
    ), program
    balanced = "import cellheap; _r = cellheap.live(); sum(o.cell.live for o in _r.origins) + _r.live_kept == _r.live - _r.live_machinery - _r.live_cellheap"
    assert kernel.value(balanced) == "True", program
    left = int(kernel.value(LEFT))
    # The shell remembers every cell, and coroutines that were never awaited to their end what they had in hand: each
    # program may leave this much.
    before, kernel.left = getattr(kernel, "left", left), left  # type: ignore[attr-defined]
    assert left < before + 8 * MIB, program
