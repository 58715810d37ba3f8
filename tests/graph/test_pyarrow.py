"""pyarrow's tables: what goes with them is known, to the byte of their buffers; who holds what they lend has a name."""

import json

import pytest

from tests.graph.conftest import Judge, run

pytest.importorskip("pyarrow")

#: numpy keeps lengths of dimensions for its next arrays.
NUMPY_KEEPS = 16 * 4
#: A table's schema and the types of its columns, C++ of which nobody tells: by table.
SCHEMA = 600

#: Sources, the variables that go, and bytes of numpy's that go at least.
LENT: dict[str, tuple[str, tuple[str, ...], int]] = {
    "an array": ("x = pa.array(numpy.ones(9000))", ("x",), 72_000),
    "a table": ("x = pa.table({'a': numpy.ones(9000), 'b': numpy.ones(9000)})", ("x",), 144_000),
    "a slice keeps all": ("x = pa.table({'a': numpy.ones(9000)}); y = x.slice(3)", ("x",), 0),
    "with its slice": ("x = pa.table({'a': numpy.ones(9000)}); y = x.slice(3)", ("x", "y"), 72_000),
    "some columns stay": (
        "x = pa.table({'a': numpy.ones(9000), 'b': numpy.ones(9000)}); y = x.select(['a'])",
        ("x",),
        72_000,
    ),
    "a batch": ("x = pa.record_batch({'a': numpy.ones(9000)}); x.column(0)", ("x",), 72_000),
    "chunks": ("x = pa.chunked_array([numpy.ones(900), numpy.ones(800)])", ("x",), 13_600),
    "a buffer": ("x = pa.array(numpy.ones(9000)).buffers()[1]", ("x",), 72_000),
    "any object's buffer": ("x = pa.py_buffer(bytearray(90_000))", ("x",), 90_000),
    "twenty times": ("x = pa.concat_tables([pa.table({'a': numpy.ones(9000)})] * 20)", ("x",), 72_000),
}


@pytest.fixture(scope="module")
def judge(judges):  # type: ignore[no-untyped-def]
    return judges("import numpy, pyarrow as pa, sys")


@pytest.mark.parametrize(("source", "names", "least"), LENT.values(), ids=LENT.keys())
def test_arrays_go_with_what_they_are_lent_to(
    judge: Judge, source: str, names: tuple[str, ...], least: int
) -> None:
    judge(source, names)
    predicted, freed = judge(source, names)
    assert freed >= least
    tables = len(names) * SCHEMA if "table" in source.lower() or "batch" in source else 0
    assert -NUMPY_KEEPS <= freed - predicted <= tables, (predicted, freed)


def test_what_is_not_lent_goes_to_the_byte_and_what_is_lent_stays(judge: Judge) -> None:
    source = "a = numpy.ones(9000); x = pa.array(a)"
    judge(source, ("x", "a"))
    predicted, freed = judge(source, ("x",))
    assert predicted == freed > 0
    assert judge(source, ("a",)) == (0, 0)


START = """
import gc, json, sys
from cellheap import _core
_core.trace_start()
import numpy, pyarrow as pa
from cellheap import graph
SPACE = vars(sys.modules["__main__"])
"""

#: Sources and the variables that go: their data are in pyarrow's own pool.
POOLED = [
    ("x = pa.table({'a': range(5000), 'b': range(5000)}); y = x.select(['a'])", ["x"]),
    ("x = pa.table({'a': range(5000), 'b': range(5000)}); y = x.slice(3)", ["x"]),
    ("x = pa.table({'a': range(5000)}); y = pa.table({'q': x['a'], 'b': range(5000)})", ["y"]),
    ("x = pa.table({'a': range(5000)}); y = x.to_batches(100)", ["x", "y"]),
    ("x = pa.table({'s': ['q', None] * 5000}); y = x['s'][3]", ["x"]),
    ("x = pa.table({'s': ['q'] * 5000}); y = x.to_reader()", ["x"]),
    ("x = pandas.Series(['ab' * 9, None] * 5000, dtype='string[pyarrow]')", ["x"]),
    ("x = pandas.DataFrame({'a': [1.5] * 5000}).convert_dtypes(dtype_backend='pyarrow'); y = x['a']", ["x"]),
    (
        "x = pandas.DataFrame({'a': [1.5] * 5000}).convert_dtypes(dtype_backend='pyarrow'); y = x['a']",
        ["x", "y"],
    ),
    ("x = pa.table({'a': [1.5] * 9000}).to_pandas()", ["x"]),
    ("x = pa.array([1.5] * 9000); y = x.to_numpy()", ["x"]),
    ("x = pa.array([1.5] * 9000); y = x.to_numpy()", ["x", "y"]),
    ("x = pa.allocate_buffer(5000); y = x.slice(8)", ["x"]),
    ("x = pa.allocate_buffer(5000, resizable=True); y = x.slice(8)", ["x", "y"]),
    ("x = pa.allocate_buffer(5000); y = memoryview(x)", ["x", "y"]),
    # Where a cell has ended, the books know pages of the pool: large data may begin where these do, and is not all of them.
    *(
        (f"x = pa.array(['ab'] * {n}); y = _core.cell_end(_core.cell_begin(1))", ["x"])
        for n in (100_000, 1_000_000, 3_000_000)
    ),
    ("x = pa.array([[1, 2], None, [3]] * 900)", ["x"]),
    ("x = pa.array([['a', 'b'], ['c']] * 900, pa.large_list(pa.string())); x.flatten()", ["x"]),
    ("x = pa.array([[1, 2]] * 900, pa.list_(pa.int64(), 2))", ["x"]),
    ("x = pa.array([{'a': 1, 'b': [2]}] * 900); x.field(0); x.field('b')", ["x"]),
    ("x = pa.array([{'a': 1, 'b': [2]}] * 900); y = x.field('b')", ["x"]),
    ("x = pa.array([[('k', 1)]] * 900, pa.map_(pa.string(), pa.int32())); x.keys", ["x"]),
    ("x = pa.array(['a', 'b'] * 900).dictionary_encode(); x.dictionary; x.indices", ["x"]),
    ("x = pa.array(['a', 'b'] * 900).dictionary_encode(); y = x.dictionary", ["x"]),
    ("x = pa.RunEndEncodedArray.from_arrays([300, 500], [1, 2]); x.values", ["x"]),
    ("x = pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])]); x.field(0)", ["x"]),
]


def test_what_goes_of_the_pool_is_known_to_the_byte() -> None:
    out = run(
        START
        + f"""
import pandas
for source, names in {POOLED!r}:
    known = set(SPACE)
    exec(source, SPACE)
    gc.collect()
    predicted = graph.predict(names, progress=False).freed.pooled
    before = pa.total_allocated_bytes()
    for name in names:
        del SPACE[name]
    gc.collect()
    print(json.dumps([source, names, predicted, before - pa.total_allocated_bytes()]))
    for name in set(SPACE) - known:
        del SPACE[name]
    gc.collect()
"""
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == len(POOLED)
    assert [row for row in rows if row[2] != row[3]] == []
    assert sum(row[3] > 0 for row in rows) >= 18, rows


def test_holders_and_sharers_have_names() -> None:
    run(
        START
        + """
def texts(thing):
    found = graph.holders(thing, 9, progress=False)
    assert not found.unseen
    return {chain.text for chain in found.chains if chain.kind != "frame"}
a = numpy.ones(9000)
t = pa.table({"b": numpy.ones(9000), "price": a}); u = t.slice(4)
assert texts(t) == {"t"}, texts(t)
assert texts(a) == {"a", "the data of column price (t)"}, texts(a)
r = pa.record_batch({"größe": a, "b": numpy.ones(9000)}); r.column(1)
assert "the data of column größe (r)" in texts(a), texts(a)
b = bytearray(9999); p = pa.py_buffer(b)
assert texts(b) == {"b", "the data of pyarrow (p)"}, texts(b)
rows = {row.name: row for row in graph.variables(progress=False).variables}
assert rows["t"].shared >= 144_000 and set(rows["t"].shared_with) == {"a", "r", "u"}, rows["t"]
q = pa.table({"a": range(5000)}); v = q.slice(9)
rows = {row.name: row for row in graph.variables(progress=False).variables}
assert rows["q"].retained.pooled == 0 and rows["q"].shared >= 40_000, rows["q"]
assert rows["q"].shared_with == ("v",)
"""
    )


def test_looking_changes_nothing() -> None:
    run(
        START
        + """
assert "pandas" not in sys.modules
graph.holders([], progress=False)
assert "pandas" not in sys.modules, "looking imports nothing that nobody asked for"
t = pa.table({"a": numpy.ones(900), "b": range(900)}); c = t["a"]; d = c.chunk(0).to_numpy()
def state():
    return [sys.getrefcount(one) for one in (t, c, d)], pa.total_allocated_bytes(), len(gc.get_objects())
graph.variables(progress=False)
before = state(); before = state(); graph.variables(progress=False); graph.holders(t, progress=False)
assert state() == before, (before, state())
assert t.equals(t.slice(0)) and d.sum() == 900
"""
    )


def test_a_pyarrow_that_is_not_as_known_is_left_alone_and_that_is_said() -> None:
    run(
        """
import sys, types
from cellheap import _core
_core.trace_start()
from cellheap import graph, held, pools
assert list(pools.unread([])) == []
sys.modules["pyarrow.lib"] = other = types.ModuleType("pyarrow.lib")
class Array: pass
other.Array = other.Buffer = other.Table = other.ChunkedArray = other.RecordBatch = Array
x = Array(); x.items = [1] * 9000
assert graph.predict(["x"], progress=False).freed.bytes >= 72_000
said = str(held.Held.of(graph.holders(x, progress=False), "x"))
assert "What pyarrow's objects keep is not told" in said, said
"""
    )
