"""Code objects are looked at and let go; and what our books may cost, in bytes."""

import pytest

from tests.tracer.conftest import Run

MIB = 1 << 20


def test_a_cell_of_two_hundred_thousand_literals_leaves_less_than_a_mebibyte(run: Run) -> None:
    cell, live = run(
        """
from notebook import *
notebook = Notebook()
literals = ", ".join(f"{n}.5" for n in range(200_000))
source = f"x = [{literals}]\\ny = len(x)\\ndel x"
del literals
before = overview()["live"]
cell = core.cell_begin(1)
exec(compile(source, notebook.file(1), "exec"), notebook.names)
core.cell_end(cell)
say([report(cell)["cell"], overview()["live"] - before])
"""
    )
    assert cell["peak"] > 1_600_000
    assert live < MIB
    assert cell["live"] < MIB


def test_no_reference_to_code_is_held(run: Run) -> None:
    counts, alive = run(
        """
import sys, weakref
from notebook import *
notebook = Notebook()
plain = compile("[bytes(100) for _ in range(10)]; f = lambda: [0] * 10; f()", "library.py", "exec")
code = compile("[bytes(100) for _ in range(10)]; f = lambda: [0] * 10; f()", notebook.file(1), "exec")
before = [sys.getrefcount(plain), sys.getrefcount(code)]
cell = core.cell_begin(1)
for each in (plain, code): exec(each, {})
core.cell_end(cell)
after = [sys.getrefcount(plain), sys.getrefcount(code)]
there = weakref.ref(code)
del code, each
say([[before, after], there() is not None])
"""
    )
    before, after = counts
    assert after[0] == before[0]
    assert after[1] == before[1] + 1  # `each`
    assert not alive


def test_code_that_dies_leaves_its_address_but_not_its_line(run: Run) -> None:
    wrong, reused = run(
        """
from notebook import *
notebook = Notebook()
seen, reused, wrong = set(), 0, []
for round in range(300):
    at = 1 + round * 7 % 50
    source = "\\n" * (at - 1) + "x = [bytes(100 + 0) for _ in range(5)]"
    code = compile(source, notebook.file(round), "exec")
    reused += id(code) in seen
    seen.add(id(code))
    cell = core.cell_begin(round)
    exec(code, notebook.names)
    core.cell_end(cell)
    del code
    if list(lines(cell, round)) != [at]: wrong.append(round)
say([wrong, reused])
"""
    )
    assert wrong == []
    assert reused > 50  # or nothing was shown


def test_code_that_ran_before_there_was_a_notebook_gives_its_bytes_to_the_line_that_calls_it(
    run: Run,
) -> None:
    early, line = run(
        """
from notebook import *
notebook = Notebook(start=False)
core.trace_start()
exec(compile("def make(n): return [bytes(1000) for _ in range(n)]", "library.py", "exec"), notebook.names)
early = notebook.names["make"](10)
core.set_notebook_files([PREFIX])
cell = notebook.run("kept = make(10)")
say([live()["live_machinery"], lines(cell, 1)[1]])
"""
    )
    assert early >= 10 * 1033
    assert 10 * 1033 <= line["live"] < 12 * 1033


def test_code_made_again_and_again_in_one_cell_keeps_its_lines(run: Run) -> None:
    lines = run(
        """
from notebook import *
notebook = Notebook()
cell = notebook.run('''
def build(n):
    return compile("\\\\n" * n + "made.append(bytes(1000))", "<made>", "exec")
made = []
for n in range(500):
    exec(build(n % 3))
for n in range(500):
    exec(build(n % 3))
''')
say(lines(cell, 1))
"""
    )
    for number in ("6", "8"):
        assert lines[number]["live"] >= 500 * 1033
        leaves = [
            leaf["line"] for leaf in lines[number]["library"] if leaf["file"] == "<made>" and leaf["live"]
        ]
        assert sorted(leaves) == [1, 2, 3]


@pytest.mark.parametrize("asked", ["bytes(1000)", "make()"])
def test_an_address_is_a_librarys_and_a_notebooks_in_turn(run: Run, asked: str) -> None:
    reused, caller, own = run(
        f"""
import marshal
from notebook import *
notebook = Notebook()
exec(compile("def make(): return bytes(1000)", "library.py", "exec"), notebook.names)
files = notebook.file(77), "library.py"
codes = [marshal.dumps(compile("made[n] = {asked}", file, "exec")) for file in files]
notebook.names.update(load=marshal.loads, codes=codes)
cell = notebook.run('''
made, at = [None] * 400, []
def go(whose):
    code = load(codes[whose])
    at.append((whose, id(code)))
    exec(code)
for n in range(400):
    go(n % 8 in (1, 2, 4, 7))
''')
at = notebook.names["at"]
reused = sum(a[1] == b[1] and a[0] != b[0] for a, b in zip(at, at[1:]))
say([reused, lines(cell, 1)[6]["live"], lines(cell, 77)[1]["live"]])
"""
    )
    assert reused > 100  # or nothing was shown
    for live in (caller, own):
        assert 200 * 1033 <= live < 201 * 1033


def test_a_thousand_empty_cells_cost_at_most_512_bytes_each(run: Run) -> None:
    grown = run(
        """
from notebook import *
notebook = Notebook()
for _ in range(100): notebook.run("pass")
before = json.loads(core.process())["books"]
for _ in range(1000): notebook.run("pass")
say(json.loads(core.process())["books"] - before)
"""
    )
    assert grown <= 512 * 1000


def test_the_shadow_takes_at_most_27_percent_of_touched_arenas(run: Run) -> None:
    books, arenas, live = run(
        """
from notebook import *
notebook = Notebook()
notebook.run("x = [[i] for i in range(1_000_000)]")
process = json.loads(core.process())
say([process["books"], process["arena_bytes"], live()["live"]])
"""
    )
    assert arenas > 80 * MIB
    assert books <= 0.27 * arenas + 0.10 * live + 2 * MIB


def test_many_short_pieces_of_code_keep_the_books_in_their_budget(run: Run) -> None:
    budget, books, shadow, sites = run(
        """
from notebook import *
notebook = Notebook()
notebook.run('''
kept = {}
for n in range(100_000):
    exec(f"def f{n}(a, b={n}): return [a, b, {n}]", kept)
    if n % 2: del kept[f"f{n}"]
''')
process, alive = json.loads(core.process()), live()
budget = 0.10 * alive["live"] + (32 << 20)
say([budget, process["books"], 0.27 * process["arena_bytes"], len(alive["origins"][0]["lines"])])
"""
    )
    assert books <= shadow + budget
    assert sites < 10


def test_files_and_names_beyond_ascii_are_read(run: Run) -> None:
    line = run(
        """
from notebook import *
core.trace_start()
core.set_notebook_files(["/тетрадь/"])
code = compile("def größeдом():\\n  return bytes(50_000)\\nx = größeдом()", "/тетрадь/1.py", "exec")
cell = core.cell_begin(1)
names = {}
exec(code, names)
core.cell_end(cell)
say(report(cell)["lines"][0])
"""
    )
    assert (line["file"], line["function"], line["line"]) == ("/тетрадь/1.py", "größeдом", 2)
    assert line["live"] == 50_033
