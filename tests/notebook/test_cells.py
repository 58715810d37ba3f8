"""Which cell a byte belongs to, as IPython runs cells: nested, failed, silent, blank, run again."""

import os
from pathlib import Path
from typing import Any

import cellheap
import pytest
from cellheap.recorder import active

from tests.notebook.shells import Kernel, Terminal, terminal


def rows(notebook: Terminal) -> dict[str, Any]:
    return {cell.label: cell for cell in cellheap.overview().cells}


def test_a_nested_run_belongs_to_the_outermost_cell(notebook: Terminal) -> None:
    notebook.run("get_ipython().run_cell('x = [0] * 1000')\nget_ipython().run_cell('1 / 0')\ny = [0] * 2000")
    assert list(cellheap.cells) == [1, 2]
    cell = rows(notebook)["In[2]"]
    assert cell.live >= 24_000
    assert cell.state == "done"
    files = {line.file: line.live for line in cellheap.cells[2].lines if line.file and line.live >= 8000}
    assert len(files) == 2


def test_code_between_cells_is_told_as_after_the_last(notebook: Terminal) -> None:
    notebook.run("def work():\n    global x\n    x = [0] * 1000")
    notebook.names["work"]()
    notebook.shell.run_cell("y = [0] * 2000", silent=True)
    notebook.shell.run_cell("z = [0] * 4000")
    notebook.run("pass")
    assert rows(notebook)["(after 2)"].live >= 56_000
    assert rows(notebook)["In[2]"].live < 1000
    assert rows(notebook)["In[3]"].live == 0


@pytest.mark.parametrize(
    "source", ["x = [0] * 1000\n1 / 0", "x = = 1", "%nosuchmagic", "%%nosuchmagic\nx", "raise SystemError"]
)
def test_failed_cells_are_marked(notebook: Terminal, source: str) -> None:
    notebook.run(source)
    notebook.run("pass")
    assert [cell.state for cell in cellheap.overview().cells if cell.number] == ["done", "failed", "done"]


def test_what_a_line_makes_is_what_python_says_that_it_takes(kernel: Kernel) -> None:
    """Also where IPython, which compiles between the statements, had left such an object in a free list."""
    kernel.run("import sys, cellheap\nalready = d = f = shared = t = table = None")
    for _ in range(3):
        reply, _ = kernel.run(
            "table = [1.5] * 1000\nshared = [table]\nt = (1, shared)\nd = {'a': t}\nf = 2.5 * len(table)"
        )
    kernel.run(f"lines = cellheap.cells[{reply['execution_count']}].lines")
    got = kernel.value("[line.live for line in sorted(lines, key=lambda line: line.line)]")
    assert got == kernel.value("[sys.getsizeof(made) for made in (table, shared, t, d, f)]")
    origins = "{row.origin for row in cellheap.variables() if row.name in ('d', 'f', 'shared', 't', 'table')}"
    assert kernel.value(f"{origins} == {{'In[{reply['execution_count']}]'}}") == "True"


def test_who_else_runs_statements_still_does(notebook: Terminal) -> None:
    shell, ran = notebook.shell, []
    ours = shell.run_code

    async def theirs(code: Any, result: Any = None, *, async_: bool = False) -> Any:
        ran.append(code)
        return await ours(code, result, async_=async_)

    shell.run_code = theirs
    notebook.run("x = [1]")
    notebook.run("%unload_ext cellheap")
    assert shell.run_code is theirs
    notebook.run("x = [2]")
    assert notebook.names["x"] == [2]
    assert len(ran) == 3
    notebook.run("%load_ext cellheap")
    notebook.run("x = [3]")
    assert len(ran) == 5
    notebook.run("%unload_ext cellheap")
    assert shell.run_code is theirs
    shell.run_code = ours
    notebook.run("%load_ext cellheap")


def test_a_blank_cell_is_no_cell(notebook: Terminal) -> None:
    notebook.run("x = 1")
    notebook.run("   \n")
    notebook.run("")
    assert list(cellheap.cells) == [1, 2]
    notebook.run("y = 2")
    assert list(cellheap.cells) == [1, 2, 3]


def test_a_blank_run_inside_a_cell_does_not_end_it(notebook: Terminal) -> None:
    notebook.run("get_ipython().run_cell('')\nx = [0] * 1000\nlate = 1")
    assert cellheap.cells[2].live >= 8000
    assert rows(notebook)["In[2]"].state == "done"
    assert "(after 2)" not in rows(notebook) or rows(notebook)["(after 2)"].allocated == 0


def test_the_cell_that_loads_us_is_recorded_from_there_on() -> None:
    with terminal(load=False) as notebook:
        notebook.run("pass")
        notebook.run("early = [0] * 1000\n%load_ext cellheap\nlate = [0] * 2000")
        notebook.run("pass")
        assert list(cellheap.cells) == [2, 3]
        assert 16_000 <= cellheap.cells[2].live < 17_000


def test_code_that_runs_later_is_shown_where_it_is(notebook: Terminal) -> None:
    notebook.run("def make():\n    return [0] * 1000")
    notebook.run("x = make()")
    (line,) = [line for line in cellheap.cells[3].lines if line.live >= 8000]
    recorder = active()
    assert recorder is not None
    sources = recorder.sources
    assert (sources.number(line.file), line.line) == (2, 2)
    assert sources.lines(line.file) == ["def make():", "    return [0] * 1000"]


def test_sources_are_those_that_were_typed(notebook: Terminal) -> None:
    recorder = active()
    assert recorder is not None
    sources = recorder.sources
    typed = ["%%memtrace", "x = %who_ls", "", "y = !true"]
    notebook.run("\n\n" + "\n".join(typed))
    assert list(cellheap.cells[2].source) == typed
    notebook.run("z = \\\n  1\n%config \\\n  CellHeap.summary = False\nw = [0] * 1000")
    source = cellheap.cells[3].source
    assert "w = [0] * 1000" in [
        source[line.line - 1] for line in cellheap.cells[3].lines if line.live >= 8000
    ]
    assert sources.number("no such file") is None
    assert sources.lines("no such file") == []


def test_two_runs_of_one_text_are_two_cells(kernel: Kernel) -> None:
    kernel.run("import cellheap")
    first, _ = kernel.run("x = [0] * 1000")
    second, _ = kernel.run("x = [0] * 1000")
    numbers = first["execution_count"], second["execution_count"]
    shown = kernel.value(f"[(cellheap.cells[n].live // 8000, cellheap.cells[n].source) for n in {numbers}]")
    assert shown == "[(0, ('x = [0] * 1000',)), (1, ('x = [0] * 1000',))]"


def test_an_awaiting_cell_is_recorded_to_its_end(kernel: Kernel) -> None:
    kernel.run("import asyncio, cellheap")
    reply, _ = kernel.run("x = [0] * 1000\nawait asyncio.sleep(0.01)\ny = [0] * 2000")
    number = reply["execution_count"]
    assert 24_000 <= int(kernel.value(f"cellheap.cells[{number}].live")) < 26_000
    assert kernel.value(f"cellheap.cells[{number}].cell.state") == "'done'"


def test_an_interrupted_cell_has_failed_and_the_next_is_its_own(kernel: Kernel) -> None:
    kernel.run("import time, cellheap")
    # One long sleep would miss a signal that comes between the print and it.
    request = kernel.start("print('now', flush=True)\nfor _ in range(6000): time.sleep(0.01)")
    kernel.wait_for_print(request)
    kernel.manager.interrupt_kernel()
    reply, _ = kernel.finish(request)
    assert_ended(kernel, reply, "KeyboardInterrupt")


def test_a_cancelled_cell_has_failed_and_the_next_is_its_own(kernel: Kernel) -> None:
    kernel.run("import asyncio, cellheap")
    reply, _ = kernel.run("asyncio.current_task().cancel()\nawait asyncio.sleep(60)")
    assert_ended(kernel, reply, "CancelledError")


def assert_ended(kernel: Kernel, reply: dict[str, Any], error: str) -> None:
    """The cell has failed, and what runs next is not taken for nested in it."""
    assert reply["ename"] == error
    number = reply["execution_count"]
    assert kernel.value(f"cellheap.cells[{number}].cell.state") == "'failed'"
    kernel.run("x = [0] * 1000")
    assert kernel.value(f"cellheap.cells[{number + 2}].live // 8000") == "1"


def test_descriptors_are_counted_as_a_cell_begins_and_ends(notebook: Terminal) -> None:
    notebook.run("import sys")
    opens = "kept = [open(sys.executable, 'rb') for _ in range(3)]\nopen(sys.executable, 'rb').close()"
    closes = "with open(sys.executable, 'rb'): pass\nkept.pop().close()"
    before = descriptors()
    for source, change, kept in ((opens, 3, 3), (closes, -1, 2)):
        notebook.run(source)
        cell = rows(notebook)[f"In[{notebook.number}]"]
        assert (cell.open_files_end - cell.open_files_start, cell.open_files_end - before) == (change, kept)
    notebook.run("kept.clear()")


# By how many descriptors each cell changes what is open, after the cells before it.
SWAPS = [
    ("import cellheap, os, socket, sys; kept, others = [open(sys.executable)], []", 1),
    ("kept.append(open(sys.executable))", 1),
    ("kept.pop().close()", -1),
    ("kept.pop().close(); kept.append(open(sys.executable))", 0),
    ("kept.pop().close(); others.append(open('/proc/self/comm'))", -1),
    ("others.pop().close(); kept.append(open(sys.executable))", 1),
    ("others += [open('/proc/self/comm') for _ in range(3)]", 0),
    ("others.pop().close(); kept += [open(sys.executable), open(sys.executable)]", 2),
    ("others += socket.socketpair()", 2),
    ("others.pop().close(); kept.append(open('/proc/self/comm'))", -1),
    ("others.pop().close(); read, write = os.pipe()", 1),
    ("os.dup2(kept[-1].fileno(), read)", -1),
    ("os.dup2(write, read); os.close(write)", 0),
    ("os.dup2(read, 900)", 1),
    ("os.close(900); kept.append(open(sys.executable))", 0),
]


def test_a_kernel_counts_what_took_the_place_of_another(kernel: Kernel) -> None:
    """As many are open, by the system's count, and yet not the same; what leads into `/proc` does not count."""
    for source, change in SWAPS:
        number = kernel.run(source)[0]["execution_count"]
        cell = f"cellheap.cells[{number}].cell"
        assert kernel.value(f"{cell}.state, {cell}.open_files_end - {cell}.open_files_start") == str(
            ("done", change)
        ), source


def descriptors() -> int:
    """Those of this process that lead to no place in `/proc`."""
    names = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return sum(not os.readlink(name).startswith("/proc") for name in names if name.is_symlink())
