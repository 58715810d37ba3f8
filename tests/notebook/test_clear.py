"""`%gcclear`: what went is counted by others too, and what stays is named."""

import gc
import sys
import tracemalloc
import weakref
from typing import Any

import cellheap
import numpy as np
import pytest
from cellheap.cleared import Cleared, Step

from tests.notebook.shells import DISPATCH, Terminal, cleared

NUMBERS = "application/vnd.cellheap.v1+json"
MIB = 1 << 20


def step(result: Cleared, what: str) -> Step:
    (found,) = (step for step in result.steps if step.what == what)
    return found


def hidden(result: Cleared, option: str) -> int:
    """The bytes that would come back at least."""
    return sum(item.bytes for item in result.hidden if item.option == option)


NODES = (
    "class Node: pass\nfor _ in range(100):\n    a, b = Node(), Node()\n    a.other, b.other = b, a\ndel a, b"
)


# Collecting


def test_cycles_are_found_counted_and_freed(notebook: Terminal) -> None:
    notebook.run("%gcclear")
    gc.disable()
    try:
        notebook.run(NODES)
        live = cellheap.cells[3].live
        result = cleared(notebook, "")
    finally:
        gc.enable()
    assert dict(result.types)["Node"] == 200
    assert 200 <= result.found < 300
    by_origin = {origin.label: origin.freed for origin in result.origins}
    assert 100 * 2 * 48 < by_origin["In[3]"] <= live - cellheap.cells[3].live
    assert result.freed >= by_origin["In[3]"]


def test_only_the_named_generation_is_collected(notebook: Terminal) -> None:
    gc.disable()
    try:
        notebook.run(NODES.replace("del a, b", ""))
        gc.collect()
        notebook.run("del a, b")
        assert "Node" not in dict(cleared(notebook, "--generation 0").types)
        assert dict(cleared(notebook, "--generation 2").types)["Node"] == 2
    finally:
        gc.enable()


def test_a_clean_heap_reads_clean(notebook: Terminal) -> None:
    notebook.run("%gcclear")
    notebook.run("%gcclear")
    result = cleared(notebook, "")
    assert result.freed < 1000
    assert [item.option for item in result.hidden if item.what.startswith("Out")] == []


# Deleting variables


def test_a_list_of_a_million_ints_is_freed_to_the_byte(notebook: Terminal) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        million = list(range(1_000_000))
        expected = tracemalloc.get_traced_memory()[0] - before
        del million
    finally:
        tracemalloc.stop()
    notebook.run("%memtrace stop\n%memtrace start")
    notebook.run("x = list(range(1_000_000))")
    result = cleared(notebook, "x")
    assert step(result, "x").held_by == ()
    assert abs(step(result, "x").freed - expected) <= 64
    assert step(result, "x").blocks > 999_000
    assert result.rss_before is not None
    assert result.rss_after is not None
    assert result.rss_before - result.rss_after > 30 * MIB


def test_numpy_bytes_are_freed_to_the_byte(notebook: Terminal) -> None:
    notebook.run("import numpy as np\nx = np.ones(5_000_000)\ny = np.ones(3_000_000)")
    watched = weakref.ref(notebook.names["x"])
    size = np.ones(5_000_000).nbytes
    result = cleared(notebook, "x")
    assert watched() is None
    assert size <= step(result, "x").freed < size + 200  # the array object itself
    assert step(result, "x").native == 0
    assert len(notebook.names["y"]) == 3_000_000


def test_values_die_with_their_names(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\na, b, keep = Thing(), {Thing()}, Thing()\na.me = a")
    watched = [weakref.ref(notebook.names["a"]), weakref.ref(next(iter(notebook.names["b"])))]
    result = cleared(notebook, "a b")
    assert [ref() for ref in watched] == [None, None]
    assert all(one.held_by == () for one in result.steps)
    assert "a" not in notebook.names
    assert "keep" in notebook.names


@pytest.mark.parametrize(
    ("source", "name", "holder"),
    [
        ("a = [1]; b = a", "a", "b"),
        ("a = [1]; cache = {'a': a}", "a", "cache['a']"),
        ("a = [1]; cache = {5: a}", "a", "cache[5]"),
        ("a = [1]; rows = [0, a]", "a", "rows[1]"),
        ("a = [1]; pair = (a, 0)", "a", "pair[0]"),
        ("a = frozenset([1, 2]); group = {a}", "a", "group, an element"),
        ("import numpy as np; a = np.ones(99); v = a[:9]", "a", "v.base"),
        ("import json; a = json", "a", "json and sys.modules['json']"),
        ("a = [1]\ndef f(x=a): pass", "a", "f.__defaults__[0]"),
        (
            "a = [1]\ndef f():\n    return a2\na2 = a; keep = lambda a=a: a; del a2",
            "a",
            "keep.__defaults__[0]",
        ),
        ("a = [1]\ndef f(*, x=a): pass", "a", "f.__kwdefaults__['x']"),
        ("x = bytearray(1_000_000)\nview = memoryview(x)[10:]", "x", "view.obj"),
    ],
)
def test_who_still_holds_a_value_is_named(notebook: Terminal, source: str, name: str, holder: str) -> None:
    notebook.run(source)
    result = cleared(notebook, name)
    assert " and ".join(step(result, name).held_by) == holder
    assert name not in notebook.names
    assert f"{name} is not freed: still held by {holder}" in " ".join(str(result).split())


def test_an_attribute_that_holds_a_value_is_named_or_its_owner_is(notebook: Terminal) -> None:
    notebook.run("class Box: pass\na = [1]; box = Box(); box.inside = a")
    assert step(cleared(notebook, "a"), "a").held_by == ("box.inside",)


def test_an_output_that_holds_a_value_is_named_with_its_option(notebook: Terminal) -> None:
    notebook.run("a = [1]\na")
    result = cleared(notebook, "a")
    assert step(result, "a").held_by == ("Out[2], _, _2 (cleared by --out)",)


def test_a_traceback_that_holds_a_value_is_named_with_its_option(notebook: Terminal) -> None:
    notebook.run("a = [1]\ndef f(x):\n    1 / 0")
    notebook.run("f(a)")
    result = cleared(notebook, "a")
    # 3.11 keeps a dict of the frame's variables too.
    (held,) = step(result, "a").held_by
    assert held.startswith("frame of f in the last traceback, variable x")
    assert held.endswith("(cleared by --traceback)")


def test_values_that_hold_only_each_other_are_freed(notebook: Terminal) -> None:
    notebook.run("a, b = [0] * 1000, {}\na.append(b); b['a'] = a")
    result = cleared(notebook, "a b")
    assert all(one.held_by == () for one in result.steps)
    assert sum(one.freed for one in result.steps) >= 8000
    notebook.run("import numpy as np\nbase = np.ones(1_000_000); view = base[:9]")
    result = cleared(notebook, "base view")
    assert all(one.held_by == () for one in result.steps)
    assert sum(one.freed for one in result.steps) >= 8_000_000


def test_small_values_are_told_to_be_shared(notebook: Terminal) -> None:
    notebook.run("a = 5; b = None; c = 'x'")
    result = cleared(notebook, "a b c")
    assert "is not freed" not in str(result)
    assert "shared by Python" in str(result)


def test_a_name_that_does_not_exist_gets_a_line_and_the_rest_goes_on(notebook: Terminal) -> None:
    notebook.run("a = 1; b = 2")
    result = cleared(notebook, "a nosuch b a.y Out _ get_ipython nope*")
    assert list(result.remarks[:6]) == [
        "There is no variable nosuch.",
        "a.y is a part of a variable: only whole variables can be deleted here; `del` deletes parts.",
        "Out is IPython's own; --out empties the output history.",
        "_ is IPython's own; --out empties the output history.",
        "get_ipython is IPython's own.",
        "No variable fits nope*.",
    ]
    assert [one.what for one in result.steps[1:]] == ["a", "b"]
    assert "Out" in notebook.names


def test_the_name_that_may_be_meant_is_told(notebook: Terminal) -> None:
    notebook.run("history = 1; rows = 2")
    assert cleared(notebook, "histroy").remarks[0] == "There is no variable histroy; history is one."
    assert cleared(notebook, "rows row").remarks[0] == "There is no variable row.", "rows was typed too"
    assert "history" in notebook.names
    assert "get_ipython" in notebook.names


def test_patterns_match_what_who_lists_less_modules_and_functions(notebook: Terminal) -> None:
    notebook.run(
        "import json as d_module\ndef d_function(): pass\nd_one, d_two, _d_three, other = 1, 2, 3, 4"
    )
    notebook.run("%gcclear d_*")
    assert notebook.printed.splitlines()[0] == "Deleting d_one, d_two"
    left = {name for name in notebook.names if "d_" in name or name == "other"}
    assert {"d_module", "d_function", "_d_three", "other"} <= left
    assert not {"d_one", "d_two"} & left
    notebook.run("%gcclear other, d_function")
    assert not {"other", "d_function"} & set(notebook.names)


@pytest.mark.parametrize("pattern", ["*", "**"])
def test_a_bare_star_needs_force(notebook: Terminal, pattern: str) -> None:
    notebook.run("a, b = 1, 2\nimport json")
    result = notebook.run(f"%gcclear a {pattern}")
    assert not result.success
    (line,) = notebook.complaint.splitlines()
    assert "would delete every variable (a, b)" in line
    assert "--force" in line
    assert notebook.names["a"] == 1
    notebook.run(f"%gcclear {pattern} --force")
    assert "a" not in notebook.names
    assert "b" not in notebook.names
    assert "json" in notebook.names


# What IPython hides


def test_out_frees_what_a_reset_leaves_and_goes_on_working(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\na = Thing()\na")
    notebook.run("a")
    notebook.run("17")
    watched = weakref.ref(notebook.names["a"])
    notebook.run("del a\n%reset -f out")
    assert watched() is not None
    result = cleared(notebook, "--out")
    assert watched() is None
    assert [item for item in result.hidden if item.option == "--out"] == []
    assert notebook.values("sorted(Out), _, __, ___") == ([], "", "", "")
    number = notebook.number
    assert notebook.values("41") == 41
    assert notebook.values("_ + 1") == 42
    assert notebook.values(f"_{number + 1} + Out[{number + 2}] + __") == 41 + 42 + 41
    assert notebook.values("_ is Out[max(Out)]") is True


def test_out_leaves_a_users_own_underscore_alone(notebook: Terminal) -> None:
    notebook.run("_ = [1]\n_5 = [2]")
    cleared(notebook, "--out")
    assert notebook.names["_"] == [1]
    assert notebook.names["_5"] == [2]


def test_what_out_would_give_back_is_what_it_gives_back(notebook: Terminal) -> None:
    notebook.run("[0] * 1_000_000")
    told = hidden(cleared(notebook, ""), "--out")
    assert told >= 8_000_000
    freed = step(cleared(notebook, "--out"), "the output history").freed
    assert abs(told - freed) <= 64


def test_what_others_hold_too_is_not_promised(notebook: Terminal) -> None:
    notebook.run("a = [0] * 1_000_000\na")
    result = cleared(notebook, "")
    (item,) = [item for item in result.hidden if item.what.startswith("Out")]
    assert item.bytes < 10_000


RAISES = (
    "class Big:\n    def __init__(self): self.data = [0] * 1_000_000\n"
    "def f():\n    local = Big()\n    watch(local)\n"
)


@pytest.mark.parametrize(
    "body",
    [
        "    1 / 0",
        "    try:\n        1 / 0\n    except Exception as error:\n        raise ValueError from error",
        "    try:\n        1 / 0\n    finally:\n        undefined",
        "    raise ExceptionGroup('two', [ValueError(), TypeError()])",
        "    raise KeyboardInterrupt",
    ],
)
def test_traceback_lets_go_of_the_frames(notebook: Terminal, body: str) -> None:
    watched: list[Any] = []
    notebook.names["watch"] = lambda thing: watched.append(weakref.ref(thing))
    notebook.run(RAISES + body + "\nf()")
    gc.collect()
    assert watched[0]() is not None
    result = cleared(notebook, "")
    assert [item.option for item in result.hidden if "exception" in item.what] == ["--traceback"]
    result = cleared(notebook, "--traceback")
    assert watched[0]() is None
    assert step(result, "the last exception").freed >= 8_000_000
    assert [item for item in result.hidden if "exception" in item.what] == []
    assert "%debug and %tb have nothing to show until the next exception." in result.remarks


def test_after_traceback_the_next_exception_is_shown_as_ever(notebook: Terminal) -> None:
    notebook.run("1 / 0")
    cleared(notebook, "--traceback")
    notebook.run("%tb")
    assert "No traceback available to show" in notebook.complaint
    notebook.run("undefined")
    assert "NameError" in notebook.printed
    notebook.run("%tb")
    assert "NameError" in notebook.printed
    assert isinstance(sys.last_value, NameError)


def test_an_exception_that_the_user_keeps_stays_whole(notebook: Terminal) -> None:
    notebook.run(
        "def f():\n    local = [1]\n    1 / 0\n"
        "try:\n    f()\nexcept Exception as error:\n    kept = error\nraise kept"
    )
    cleared(notebook, "--traceback")
    frames = []
    traceback = notebook.names["kept"].__traceback__
    while traceback:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    assert frames[-1].f_locals["local"] == [1]


# How it shows


def test_it_shows_a_sentence_tables_and_numbers(notebook: Terminal) -> None:
    notebook.run("x = [0] * 1_000_000")
    notebook.run("%gcclear x")
    (data,) = notebook.shown
    assert data["text/plain"].startswith("Freed 7.63 MiB in ")
    assert max(map(len, data["text/plain"].splitlines())) <= 80
    assert data[NUMBERS]["kind"] == "cleared"
    assert data[NUMBERS]["freed"] >= 8_000_000
    assert "<caption" in data["text/html"]
    assert len(data["text/html"]) < 50_000


def test_it_charges_nothing_to_the_cell(notebook: Terminal) -> None:
    notebook.run("%gcclear")
    notebook.run("%gcclear")
    cell = cellheap.cells[3].cell
    assert cell.allocated <= DISPATCH
    assert cell.live == 0


def test_looking_for_holders_runs_no_code_of_the_users(notebook: Terminal) -> None:
    notebook.run(
        "class Trap:\n"
        "    def __getattribute__(self, name): ran.append(name); return object.__getattribute__(self, name)\n"
        "    def __eq__(self, other): ran.append('eq'); return False\n"
        "    def __hash__(self): return 1\n"
        "    def __bool__(self): ran.append('bool'); return True\n"
        "    def __len__(self): ran.append('len'); return 1\n"
        "    def __repr__(self): ran.append('repr'); return ''\n"
        "    def __sizeof__(self): ran.append('sizeof'); return 1\n"
        "ran = []; trap = Trap(); a = [trap]; holder = {trap: a}; b = trap"
    )
    notebook.run("trap")
    notebook.names["ran"].clear()
    cleared(notebook, "a b --traceback")
    cleared(notebook, "trap")
    assert notebook.names["ran"] == []


def test_the_same_can_be_had_from_python(notebook: Terminal) -> None:
    notebook.run("import cellheap\nx = [0] * 1000\nresult = cellheap.clear('x', trim=False)")
    result = notebook.names["result"]
    assert step(result, "x").freed >= 8000
    assert not result.trimmed
    with pytest.raises(ValueError, match="no generation 3"):
        cellheap.clear(generation=3)
