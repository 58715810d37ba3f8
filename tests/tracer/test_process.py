"""Forks, spawned children and the end of the interpreter, with the hooks on."""

import pytest

from tests.tracer.conftest import Run

START = """
import gc, os, sys, threading
from notebook import *
"""


def test_a_fork_in_a_cell_works_and_leaves_the_parents_books_alone(run: Run) -> None:
    cell, said = run(
        START
        + """
notebook = Notebook()
cell = notebook.run('''
import os
x = [bytes(1000) for _ in range(100)]
read, write = os.pipe()
child = os.fork()
if not child:
    y = [bytes(1000) for _ in range(1000)]
    x.clear()
    os.write(write, str(len(y)).encode())
    os._exit(7)
said = os.waitpid(child, 0)[1], os.read(read, 10)
''')
status, text = notebook.names["said"]
say([report(cell)["cell"], [os.waitstatus_to_exitcode(status), text.decode()]])
"""
    )
    assert said == [7, "1000"]
    assert 103_300 <= cell["live"] < 110_000


def test_a_child_that_goes_on_to_the_end_of_its_cell_is_quiet(run: Run) -> None:
    assert run(
        START
        + """
notebook = Notebook()
notebook.run("x = 1")
parent = os.getpid()
notebook.run("import os; child = os.fork()")
if os.getpid() != parent:
    ok = not core.tracing()
    notebook.run("y = [bytes(100) for _ in range(1000)]; del y")
    try: core.trace_start()
    except RuntimeError: pass
    else: ok = False
    sys.exit(0 if ok else 3)
say(os.waitpid(notebook.names["child"], 0)[1] == 0 and core.tracing())
"""
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_works_from_a_cell(run: Run, method: str) -> None:
    line, right = run(
        START
        + f"""
method = {method!r}
"""
        + """
import math, multiprocessing
notebook = Notebook()
notebook.names.update(context=multiprocessing.get_context(method), math=math)
cell = notebook.run('''
with context.Pool(2) as pool:
    total = sum(pool.map(math.factorial, range(200)))
x = bytes(70_000)
''')
say([lines(cell, 1)[4], notebook.names["total"] == sum(map(math.factorial, range(200)))])
"""
    )
    assert right
    assert 70_033 <= line["live"] < 71_000


@pytest.mark.parametrize("end", ["returns", "exits", "stops first", "tracemalloc over us", "in a cell"])
def test_the_interpreter_ends_cleanly_with_the_hooks_on(run: Run, end: str) -> None:
    assert run(
        START
        + f"""
end = {end!r}
"""
        + """
import atexit
notebook = Notebook()
notebook.run('''
import threading
def work():
    while True: x = [[n] for n in range(100)]; y = {n: str(n) for n in range(100)}
for _ in range(3): threading.Thread(target=work, daemon=True).start()
class Late:
    def __del__(self): x = [bytes(100) for _ in range(100)]
late = Late(); late.self = late
''')
if end == "tracemalloc over us": tracemalloc.start()
if end == "stops first": core.trace_stop()
if end == "in a cell": core.cell_begin(2)
say(True)
sys.stdout.flush()
if end == "exits": sys.exit(0)
"""
    )


def test_an_exception_on_its_way_is_not_touched(run: Run) -> None:
    assert run(
        START
        + """
notebook = Notebook()
cell = notebook.run('''
got = []
class Odd(Exception):
    def __init__(self, n): self.n, self.text = n, "x" * n
for n in range(500):
    scope = {}
    try:
        exec(compile(f"def größe{n}(x): raise Odd({n})\\\\ngröße{n}(1)", f"<ü{n}>", "exec"), {"Odd": Odd})
    except Odd as error:
        got.append(error.n)
''')
say(notebook.names["got"] == list(range(500)))
"""
    )
