"""`%memtrace vars` and `why`, and the API beside them: what they say, and that they hold and change nothing."""

import gc
import re
import sys
import weakref

import cellheap
import numpy as np
import pytest
from cellheap import api
from cellheap.clearing import foresee
from cellheap.held import Held
from cellheap.owned import Owned
from cellheap.units import bytes_text

from tests.notebook.shells import DISPATCH, Terminal

NUMBERS = "application/vnd.cellheap.v1+json"


def variables(notebook: Terminal, names: str = "") -> Owned:
    notebook.run(f"owned = %memtrace vars {names}").raise_error()
    result = notebook.names.pop("owned")
    assert isinstance(result, Owned)
    return result


def why(notebook: Terminal, what: str) -> Held:
    notebook.run(f"held = %memtrace why {what}").raise_error()
    result = notebook.names.pop("held")
    assert isinstance(result, Held)
    return result


def test_variables_are_told_by_what_del_gives_back(notebook: Terminal) -> None:
    notebook.run(
        "import numpy as np\nbig = np.ones(1_000_000)\nsmall = [0] * 100\nshared = [0] * 5000\nboth = [shared]"
    )
    owned = variables(notebook)
    assert owned["big"].retained.bytes - np.ones(1_000_000).nbytes < 200
    assert owned["big"].shape == "(1000000,)"
    assert owned["big"].origin == f"In[{notebook.number - 1}]"
    assert owned["shared"].retained.bytes == 0
    assert owned["shared"].shared >= 40_000
    assert owned["shared"].shared_with == ("both",)
    assert owned.variables[0].name == "big"
    notebook.run("%memtrace vars")
    (data,) = notebook.shown
    text = " ".join(data["text/plain"].split())
    assert "variables big keeps the most alive: `del big` and a collection give back 7.63 MiB." in text
    assert max(map(len, data["text/plain"].splitlines())) <= 80
    assert data[NUMBERS]["kind"] == "variables"
    assert 'alt="Variables by what del gives back: big 7.63 MiB' in data["text/html"]
    assert len(data["text/html"]) < 50_000


def test_hidden_outputs_and_tracebacks_have_rows_of_their_own(notebook: Terminal) -> None:
    notebook.run("class Big(list):\n    def __repr__(self): return 'big'\nBig([0] * 1_000_000)")
    notebook.run("def f():\n    local = [0] * 500_000\n    1 / 0\nf()")
    owned = variables(notebook)
    clearing = dict(owned.clearing)
    assert clearing["--out"].bytes >= 8_000_000
    assert clearing["--traceback"].bytes >= 4_000_000
    text = str(owned)
    assert "What IPython keeps besides" in text
    assert "user_ns_hidden" not in text


def test_outputs_that_one_option_clears_do_not_crowd_out_who_else_holds_it(notebook: Terminal) -> None:
    notebook.run("from functools import partial\nfrom unittest.mock import Mock")
    notebook.run("x = [0] * 1000; called = Mock(); called(x); later = partial(print, x); later.args[0]")
    output = f"Out[{notebook.number}]"
    held = why(notebook, "x")
    said = [chain.text for chain in held.chains]
    assert len(said) == 5
    assert said[:2] == ["x", output]
    assert any(text.startswith("called.") for text in said)
    assert any(text.startswith("later") for text in said)
    by = " ".join(str(held).split()).split(": `del")[0]
    assert "called." in by
    assert "later" in by


@pytest.mark.parametrize(
    ("code", "by", "undo"),
    [
        (
            "signal.signal(signal.SIGUSR2, lambda number, frame, x=x: None);",
            "the handler of SIGUSR2.",
            "signal.signal(signal.SIGUSR2, signal.SIG_DFL);",
        ),
        (
            "c = sqlite3.connect(':memory:'); c.create_function('f', 1, lambda a, x=x: 1)",
            "C code, which holds a function",
            "c.close()",
        ),
    ],
    ids=["signal", "sqlite3"],
)
def test_what_c_code_calls_back_holds_what_it_knows(
    notebook: Terminal, code: str, by: str, undo: str
) -> None:
    notebook.run("import signal, sqlite3\nx = [0] * 1000")
    notebook.run(code).raise_error()
    held = why(notebook, "x")
    notebook.run(undo).raise_error()
    assert held.chains[0].text == "x"
    assert held.chains[1].text.startswith(by)
    assert "`del x` alone leaves it alive" in " ".join(str(held).split())
    assert "Only the name x holds it" in str(why(notebook, "x"))


def test_what_goes_of_pyarrows_pool_is_told_apart(notebook: Terminal) -> None:
    arrow = pytest.importorskip("pyarrow")
    notebook.run("import pyarrow as pa\ntable = pa.table({'a': range(50_000), 'b': range(50_000)})")
    notebook.run("other = table.select(['a']); third = pa.table({'c': range(50_000)})")
    before = arrow.total_allocated_bytes()
    row = variables(notebook, "table")["table"]
    assert row.retained.pooled == row.shared - row.shared % 1000 == 400_000
    assert row.shared_with == ("other",)
    said = " ".join(str(variables(notebook, "table third")).split())
    assert "gives back of pyarrow's pool, which is not in these: table 391 KiB and third 391 KiB" in said
    for asked in (api.holders_of("table"), foresee("table")):
        assert "and 391 KiB of pyarrow's pool" in " ".join(str(asked).split())
    cleared = cellheap.clear("table")
    assert before - arrow.total_allocated_bytes() == row.retained.pooled
    assert any("gave back 391 KiB, as it says itself" in remark for remark in cleared.remarks)


def test_what_polars_keeps_is_said_to_be_untold(notebook: Terminal) -> None:
    notebook.run("class Frame: __module__ = 'polars.dataframe.frame'\np = Frame()")
    for asked in (variables(notebook, "p"), api.holders_of("p"), foresee("p")):
        assert "What polars' frames keep is not told" in str(asked)
    notebook.run("q = [1]")
    assert "polars" not in str(variables(notebook, "q"))


def test_an_array_that_a_table_holds_is_said_to_be_held_by_it(notebook: Terminal) -> None:
    pytest.importorskip("pyarrow")
    notebook.run("import pyarrow as pa, numpy\na = numpy.ones(1_000_000); t = pa.table({'price': a})")
    assert "the data of column price (t)" in str(api.holders_of("a"))
    said = " ".join(str(foresee("a")).split())
    assert "a would not be freed: still held by the data of column price (t)" in said
    assert foresee("a", "t").freed.bytes >= 8_000_000
    notebook.run("del a")
    assert 8_000_000 <= foresee("t").freed.bytes <= cellheap.clear("t").freed


def test_names_that_do_not_exist_get_a_line(notebook: Terminal) -> None:
    notebook.run("x = [1]")
    assert variables(notebook, "x nosuch").unknown == ("nosuch",)
    assert not notebook.run("%memtrace vars nosuch").success
    assert notebook.complaint.splitlines() == ["UsageError: %memtrace vars: there is no variable nosuch"]


@pytest.mark.parametrize(
    ("source", "what", "texts"),
    [
        ("a = [1]; cache = {'a': a}", "a", {"a", "cache['a']"}),
        ("a = [1]; cache = {'a': a}", "cache['a']", {"a", "cache['a']"}),
        (
            "class T: pass\nt = T(); t.inner = T(); t.inner.rows = [T()]",
            "t.inner.rows[0]",
            {"t.inner.rows[0]"},
        ),
    ],
)
def test_why_names_holders_as_a_person_writes_them(
    notebook: Terminal, source: str, what: str, texts: set[str]
) -> None:
    notebook.run(source)
    assert {chain.text for chain in why(notebook, what).chains} == texts


LOOPS = """
import threading
stop, begun = threading.Event(), threading.Event()
rows = [bytes(1_000), bytes(1_000)]
def loop():
    for row in rows:
        begun.set()
        stop.wait()
thread = threading.Thread(target=loop)
thread.start()
"""


def test_why_tells_what_another_thread_loops_over(notebook: Terminal) -> None:
    """Under no name: only its iterator, on the thread's stack, holds the list once the variable has gone."""
    notebook.run(LOOPS + "begun.wait()")
    loop = "loop, running in another thread, a value on its stack, something in a list_iterator"
    assert {chain.text for chain in why(notebook, "rows").chains} == {"rows", loop}
    assert cellheap.clear("rows").freed < 1_000
    notebook.run("stop.set(); thread.join(); rows = [bytes(1_000)]")
    assert {chain.text for chain in why(notebook, "rows").chains} == {"rows"}


def test_why_draws_the_chains(notebook: Terminal) -> None:
    notebook.run("a = [1]; cache = {'a': a}")
    notebook.run("%memtrace why a")
    (data,) = notebook.shown
    assert 'alt="A drawing of who holds a: a and cache[&#x27;a&#x27;]."' in data["text/html"]
    assert max(map(len, data["text/plain"].splitlines())) <= 80


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("why", "%memtrace why needs a variable or an expression"),
        ("why x +", "x + is no expression: invalid syntax"),
        ("why x[7]", "x[7]: IndexError: list index out of range"),
        ("why nosuch", "nosuch: name 'nosuch' is not defined"),
        ("why {}['k']", "{}['k']: there is no key 'k'"),
    ],
)
def test_what_cannot_be_asked_gets_one_line(notebook: Terminal, line: str, wrong: str) -> None:
    notebook.run("x = [1]")
    assert not notebook.run(f"%memtrace {line}").success
    (complaint,) = notebook.complaint.splitlines()
    assert wrong in complaint
    assert notebook.shown == []


def test_results_hold_nothing(notebook: Terminal) -> None:
    notebook.run(
        "class Thing: pass\nthing = Thing(); thing.me = thing; thing.data = [Thing()]\n"
        "inner = thing.data[0]\nimport cellheap"
    )
    watched = [weakref.ref(notebook.names["thing"]), weakref.ref(notebook.names["inner"])]
    notebook.run("r1 = %memtrace vars\nr2 = %memtrace why thing\nr3 = %memtrace why thing.data[0]")
    notebook.run("r4 = %memtrace compare Thing()\nr5 = %memtrace 2\nr6 = %memtrace live\nr7 = %memtrace 2 3")
    notebook.run("r8 = cellheap.holders(thing); r9 = cellheap.cycles(); r10 = cellheap.retained(thing)")
    notebook.run("r11 = %gcclear --dry-run thing")
    notebook.run("r1, r2, r8, r9, r10, r11;")
    notebook.run("del thing, inner")
    gc.collect()
    assert [ref() for ref in watched] == [None, None]


def test_looking_changes_nothing(notebook: Terminal) -> None:
    notebook.run(
        "import gc, sys, weakref\nclass Thing:\n    def __del__(self): died.append(1)\n"
        "died, things = [], [Thing() for _ in range(10)]\nrefs = [weakref.ref(one) for one in things]"
    )
    things = notebook.names["things"]

    def state() -> object:
        return (
            [sys.getrefcount(one) for one in things],
            gc.get_threshold(),
            gc.isenabled(),
            list(map(id, things)),
        )

    before = state()
    for line in ("vars", "why things", "why things[3]"):
        notebook.run(f"r = %memtrace {line}").raise_error()
    cellheap.cycles()
    cellheap.retained(things)
    assert state() == before
    assert notebook.names["died"] == []
    assert all(ref() is not None for ref in notebook.names["refs"])


def test_looking_charges_nothing_to_the_cell(notebook: Terminal) -> None:
    notebook.run("r = None; x = [1]")
    for line in ("vars", "why x"):
        notebook.run(f"r = %memtrace {line}")
        cell = cellheap.cells[notebook.number].cell
        assert cell.allocated <= DISPATCH
        assert (cell.net, cell.live) == (0, 0)


def test_the_same_can_be_had_from_python(notebook: Terminal) -> None:
    notebook.run("import cellheap\nx = [0] * 100_000\ny = [x]")
    assert notebook.values("cellheap.retained(x).bytes") >= 800_000
    assert notebook.values("[chain.text for chain in cellheap.holders(x).chains]") == ["x", "y[0]"]
    assert notebook.values("cellheap.variables('x')['x'].shared_with") == ("y",)
    assert "With this list" in notebook.values("str(cellheap.retained(x))")


def test_types_of_what_is_alive_are_told(notebook: Terminal) -> None:
    notebook.run("class Node: pass\nnodes = [Node() for _ in range(1000)]")
    number = notebook.number
    rows = {row.type: row for row in cellheap.cells[number].types}
    assert rows["Node"].objects == 1000
    assert rows["Node"].bytes >= 1000 * sys.getsizeof(notebook.names["nodes"][0])
    notebook.run(f"%memtrace {number}")
    assert f"Alive now of In[{number}], by type" in notebook.shown[0]["text/plain"]
    notebook.run("%memtrace live")
    assert "Live now, by type" in notebook.shown[0]["text/plain"]


def test_the_growth_between_two_cells_has_a_suspect(notebook: Terminal) -> None:
    notebook.run("cache = {}")
    start = notebook.number
    notebook.run("for n in range(50): cache[n] = [0] * 1000")
    diff = cellheap.diff(start, notebook.number)
    # A list's own 56 bytes may come from Python's free list: those are of older cells.
    items, own = 50 * 1000 * 8, 50 * sys.getsizeof([]) + sys.getsizeof(dict.fromkeys(range(50)))
    exact = {bytes_text(items + part) for part in range(0, own + 1, 8)}
    found = re.fullmatch(r"Of what came and lives, cache keeps the most alive: (.*)\.", diff.suspect)
    assert found is not None, diff.suspect
    assert found[1] in exact, diff.suspect


def test_of_many_that_grew_the_largest_is_the_suspect(notebook: Terminal) -> None:
    """Not the namespace that they are all in."""
    notebook.run("pass")
    start = notebook.number
    notebook.run("one, two, three = bytes(3_000_000), bytes(4_000_000), bytes(2_000_000)")
    diff = cellheap.diff(start, notebook.number)
    assert re.fullmatch(r"Of what came and lives, two keeps the most alive: 3\.81 MiB\.", diff.suspect)


def test_a_watched_type_without_weak_references_is_counted(notebook: Terminal) -> None:
    notebook.run("rows = [[n] for n in range(500)]\n%memtrace watch rows")
    assert "rows is of type list, which has no weak references: it cannot be followed" in notebook.printed
    notebook.run("seen = %memtrace watch")
    (before,) = notebook.names["seen"].seen
    notebook.run("rows.clear()\nseen = %memtrace watch")
    (after,) = notebook.names["seen"].seen
    assert before.count - after.count >= 480
