"""Whose bytes: the cell that ran, whatever thread, task or context its code runs in; and nothing of our own."""

import pytest

from tests.tracer.conftest import Run

START = """
import asyncio, contextvars, gc, sys, threading
from notebook import *
"""


def test_a_cell_with_nothing_in_it_reads_nothing(run: Run) -> None:
    cells = run(
        START
        + """
notebook = Notebook()
core.set_notebook_files([PREFIX, "<string>"])  # this program is a notebook too: what begin and end do themselves shows
gc.disable()
for number in range(5):
    core.cell_end(core.cell_begin(number))
say(overview()["cells"])
"""
    )
    numbered = [cell for cell in cells if cell["number"] is not None]
    assert len(numbered) == 5
    for cell in numbered:
        assert (cell["allocated"], cell["net"], cell["peak"], cell["blocks"]) == (0, 0, 0, 0)


def test_a_pass_cell_reads_nothing_and_what_it_frees_is_of_whom_it_was(run: Run) -> None:
    first, second, third = run(
        START
        + """
notebook = Notebook()
gc.disable()
ids = [notebook.run("x = [bytes(1000) for _ in range(100)]"), notebook.run("pass"), notebook.run("del x")]
say([report(cell)["cell"] for cell in ids])
"""
    )
    assert second["allocated"] == second["freed"] == second["net"] == second["peak"] == 0
    assert third["allocated"] == 0
    assert third["freed"] == first["live_at_end"] == -third["net"] > 103_300
    assert first["live"] == 0 < first["live_at_end"]
    assert first["temporary"] + first["live_at_end"] == first["allocated"]


def test_code_between_cells_is_after_the_cell(run: Run) -> None:
    cells, origin = run(
        START
        + """
notebook = Notebook()
notebook.run("def f(): return bytes(5000)")
held = notebook.names["f"]()
notebook.run("pass")
say([overview()["cells"], live()["origins"][0]])
"""
    )
    assert [cell["label"] for cell in cells] == ["In[1]", "(after 1)", "In[2]"]
    assert origin["cell"]["label"] == "(after 1)"
    assert origin["lines"][0]["live"] == 5033


def test_threads_are_of_the_cell_that_started_them(run: Run) -> None:
    first, second, lines = run(
        START
        + """
notebook = Notebook()
one = notebook.run('''
import threading
go, made, kept = threading.Event(), threading.Event(), []
def work():
    go.wait()
    kept.append(bytes(100_000))
    made.set()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
''')
two = notebook.run('''
go.set()
for thread in threads: thread.join()
''')
say([report(one)["cell"], report(two)["cell"], lines(one, 1)[6]])
"""
    )
    assert 3 * 100_033 <= lines["live"] < 301_000
    assert first["live"] >= lines["live"]
    assert second["allocated"] < 10_000


def test_hundreds_of_threads_are_counted(run: Run) -> None:
    cell = run(
        START
        + """
notebook = Notebook()
source = '''
import threading
def work(n): kept[n] = bytes(1000)
kept = [None] * 100
for _ in range(8):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(100)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
'''
cells = [notebook.run(source) for _ in range(3)]
say(report(cells[-1])["cell"])
"""
    )
    assert cell["allocated"] >= 800 * 1033


def test_a_thread_older_than_tracing_is_no_cells(run: Run) -> None:
    cell = run(
        START
        + """
import queue
asked, done = queue.SimpleQueue(), queue.SimpleQueue()
def serve():
    while asked.get(): done.put([bytes(1000) for _ in range(100)])
threading.Thread(target=serve, daemon=True).start()
notebook = Notebook()
notebook.names.update(asked=asked, done=done)
cell = notebook.run("asked.put(1); x = done.get()")
say(report(cell)["cell"])
"""
    )
    assert cell["allocated"] < 1000


def test_tasks_are_of_the_cell_that_created_them(run: Run) -> None:
    first, second = run(
        START
        + """
notebook = Notebook()
loop = asyncio.new_event_loop()
notebook.names.update(loop=loop, asyncio=asyncio)
one = notebook.run('''
kept = []
async def later():
    await asyncio.sleep(0)
    kept.append(bytes(50_000))
async def start():
    global task
    task = asyncio.ensure_future(later())
loop.run_until_complete(start())
''')
two = notebook.run("loop.run_until_complete(task)")
say([report(one)["cell"], report(two)["cell"]])
"""
    )
    assert first["live"] >= 50_033
    assert second["allocated"] < 10_000


def test_code_in_a_context_of_its_own_is_of_the_running_cell(run: Run) -> None:
    cell = run(
        START
        + """
notebook = Notebook()
say(report(notebook.run('''
import contextvars
def work(): return bytes(30_000)
x = contextvars.Context().run(work)
y = contextvars.copy_context().run(work)
'''))["cell"])
"""
    )
    assert cell["live"] >= 60_066


def test_cells_that_run_beside_each_other_keep_their_own_bytes(run: Run) -> None:
    first, second = run(
        START
        + """
notebook = Notebook()
sources = ["x = [bytes(10_000) for _ in range(10)]", "y = [bytes(20_000) for _ in range(10)]"]
codes = [compile(source, notebook.file(at + 1), "exec") for at, source in enumerate(sources)]
contexts = [contextvars.copy_context() for _ in codes]
ids = [context.run(core.cell_begin, at + 1) for at, context in enumerate(contexts)]
for context, code in zip(contexts, codes): context.run(exec, code, notebook.names)
for context, cell in zip(contexts, ids): context.run(core.cell_end, cell)
say([report(cell)["cell"] for cell in ids])
"""
    )
    assert 100_330 <= first["live"] < 105_000 < 200_330 <= second["live"] < 205_000


def test_blocks_made_under_our_own_api_are_none_of_the_cells(run: Run) -> None:
    cell = run(
        START
        + """
notebook = Notebook()
notebook.names.update(own=core.own, threading=threading)
cell = notebook.run('''
with own():
    x = [bytes(1000) for _ in range(1000)]
    with own():
        y = bytes(5000)
    z = bytes(5000)
other = []
def work(): other.append(bytes(100_000))
''')
say(report(cell)["cell"])
"""
    )
    assert cell["cellheap"]["allocated"] > 1_040_000
    assert cell["allocated"] < 2_000


@pytest.mark.parametrize(
    ("file", "owner"),
    [("magics.py", "cellheap"), ("app/kernel.py", "machinery"), ("__main__.py", "machinery")],
)
def test_our_api_is_ours_and_the_kernel_under_everything_is_machinery(
    run: Run, file: str, owner: str
) -> None:
    before, after = run(
        START
        + f"""
file = {file!r}
"""
        + """
import cellheap
notebook = Notebook()
code = compile("x = [bytes(1000) for _ in range(100)]", f"{cellheap.__path__[0]}/{file}", "exec")
before = overview()
exec(code)
say([before, overview()])
"""
    )
    for name in ("cellheap", "machinery"):
        grown = after[f"live_{name}"] - before[f"live_{name}"]
        assert (grown > 100_000) is (name == owner)


def test_after_reset_live_bytes_are_before_cells_and_the_rest_is_forgotten(run: Run) -> None:
    origins, cells, cell = run(
        START
        + """
notebook = Notebook()
notebook.run("x = bytes(70_000)")
notebook.run("y = bytes(80_000); z = [[i] for i in range(1000)]; del z")
cell = core.cell_begin(3)
core.reset()
names = dict(notebook.names)
del notebook.names["x"], names["x"]
core.cell_end(cell)
say([live()["origins"], overview()["cells"], report(cell)["cell"]])
"""
    )
    assert [origin["cell"]["label"] for origin in origins] == ["(before cells)"]
    assert 80_033 <= origins[0]["cell"]["live"] < 90_000
    assert [each["label"] for each in cells if each["number"]] == ["In[3]"]
    assert cell["freed"] == 70_033


def test_a_reset_in_a_task_of_an_older_cell_is_harmless(run: Run) -> None:
    assert run(
        START
        + """
notebook = Notebook()
loop = asyncio.new_event_loop()
notebook.names.update(loop=loop, asyncio=asyncio, reset=core.reset)
notebook.run('''
async def later():
    await asyncio.sleep(0)
    reset()
    global x
    x = [bytes(1000) for _ in range(1000)]
    del x
async def start():
    global task
    task = asyncio.ensure_future(later())
loop.run_until_complete(start())
''')
for _ in range(100): notebook.run("pass")
notebook.run("loop.run_until_complete(task)")
say(live()["live"] >= 0)
"""
    )


@pytest.mark.parametrize("called", [True, False])
def test_library_code_too_deep_for_a_line_is_the_cells_that_called_it_and_else_machinery(
    run: Run, called: bool
) -> None:
    cell, lines, machinery = run(
        START
        + f"""
called = {called!r}
"""
        + """
library = {}
exec(compile("def deep(n): return deep(n - 1) if n else [bytes(10_000) for _ in range(10)]", "library.py", "exec"), library)
notebook = Notebook()
notebook.names.update(deep=library["deep"])
cell = core.cell_begin(1)
code = compile("x = deep(200)", notebook.file(1) if called else "shell.py", "exec")
exec(code, notebook.names)
core.cell_end(cell)
say([report(cell)["cell"], report(cell)["lines"], live()["live_machinery"]])
"""
    )
    if called:
        assert cell["live"] >= 100_330
        assert "(deep library recursion)" in [line["function"] for line in lines]
    else:
        assert (cell["allocated"], lines) == (0, [])
        assert machinery >= 100_330


def test_the_line_is_right_at_any_depth_up_to_sixty_four_library_frames(run: Run) -> None:
    lines = run(
        START
        + """
library = {}
exec(compile("def deep(n): return deep(n - 1) if n else bytes(10_000)", "library.py", "exec"), library)
notebook = Notebook()
notebook.names.update(deep=library["deep"])
cell = notebook.run("x = [deep(n) for n in range(63)]")
say(lines(cell, 1))
"""
    )
    assert lines["1"]["live"] >= 63 * 10_033


def test_a_cell_can_leave_the_rss_mark_alone(run: Run) -> None:
    marked, unmarked, largest = run(
        START
        + """
import resource
notebook = Notebook()
x = b"x" * (200 << 20)
del x
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cell = core.cell_begin(1, reset_hwm=False)
core.cell_end(cell)
kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
other = core.cell_begin(2)
x = b"x" * (50 << 20)
del x
core.cell_end(other)
say([report(other)["cell"]["rss_peak"], report(cell)["cell"]["rss_peak"], kept - before])
"""
    )
    assert unmarked is None
    assert largest >= 0
    assert 50 << 20 < marked < 150 << 20
