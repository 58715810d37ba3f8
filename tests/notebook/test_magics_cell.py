"""`%%memtrace` leaves the cell what it is: the same cell is run with it and without, and compared."""

import traceback
from typing import Any

import cellheap
import pytest
from cellheap.cellmagic import CellMagic
from cellheap.results import CellReport

from tests.notebook.shells import Terminal, terminal

NUMBERS = "application/vnd.cellheap.v1+json"

BODIES = {
    "statements": "a = 1\nb = [a] * 10",
    "an expression": "a = 20\na + 1",
    "a silenced expression": "a = 20\na + 1;",
    "await": "import asyncio\nawait asyncio.sleep(0)\na = 5\na",
    "async for": "async def pages():\n    yield 1\na = [page async for page in pages()]\na",
    "an exception": "a = 1\nraise ValueError('no')",
    "a nested exception": "def f():\n    1 / 0\n\nf()",
    "a syntax error": "a = 1\nb = = 2",
    "an indentation error": "a = 1\n  b = 2",
    "a print": "print('one')\nprint('two')",
    "magics": "%who\na = %who_ls int\n!true",
    "a function and its source": "import inspect\ndef f():\n    return 1\ninspect.getsource(f)",
    "comments": "# only a comment",
    "an empty line first": "\n\na = 1\n1 / 0",
    "a future": "from __future__ import annotations\ndef f(x: nowhere): pass\nf.__annotations__",
    "globals": "global a\na = 3\nlocals() is globals()",
    "the code of its frame": "import sys\na = sys._getframe().f_code.co_name\na",
}


def observed(notebook: Terminal, source: str) -> dict[str, Any]:
    """All that a person and a program can see of a cell's run, line numbers aside."""
    result = notebook.run(source)
    error = result.error_before_exec or result.error_in_exec
    names = {
        name: value for name, value in notebook.names.items() if not name.startswith("_") and name != "In"
    }
    return {
        "result": result.result,
        "error": type(error),
        "message": str(error).split(" (")[0],
        "before": result.error_before_exec is not None,
        "printed": notebook.printed.split("Traceback")[0].split("  Cell")[0],
        "names": sorted(names),
        "values": {name: value for name, value in names.items() if isinstance(value, int | str | list)},
        "number": notebook.number,
        "Out": {key: value for key, value in notebook.names["Out"].items() if key > 1},
        "flags": notebook.shell.compile.flags,
    }


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_cell_runs_as_it_does_without(body: str) -> None:
    with terminal() as plain:
        expected = observed(plain, body)
    with terminal() as notebook:
        assert observed(notebook, "%%memtrace\n" + body) == expected
        assert notebook.shown[-1][NUMBERS]["cell"]["number"] == 2


def lines_of(result: Any) -> list[int]:
    error = result.error_in_exec
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.lineno or 0 for frame in frames if "ipython-input" in frame.filename]


def test_line_numbers_are_the_editors(notebook: Terminal) -> None:
    assert lines_of(notebook.run("%%memtrace --top 3\n\ndef f():\n    1 / 0\n\nf()")) == [6, 4]
    assert "----> 6 f()" in notebook.printed
    result = notebook.run("%%memtrace\nx = 1\ny = = 2")
    assert result.error_before_exec.lineno == 3
    report = notebook.run("%%memtrace -o kept\n\nx = 1\nbig = [0] * 1000") and notebook.names["kept"]
    assert [line.line for line in report.lines if line.live >= 8000] == [4]
    assert report.source[0] == "%%memtrace -o kept"
    assert report.source[3] == "big = [0] * 1000"


def test_the_report_can_be_kept_as_a_variable(notebook: Terminal) -> None:
    notebook.run("%%memtrace -o kept --no-chart --top 2\nx = [0] * 1000")
    assert isinstance(notebook.names["kept"], CellReport)
    assert notebook.names["kept"].cell == cellheap.cells[2].cell
    assert len(notebook.shown) == 1


@pytest.mark.parametrize(
    "source",
    [
        "%%memtrace\n%%time\nx = [0] * 1000",
        "%%time\n%%memtrace\nx = [0] * 1000",
        "%%memtrace\n\n%%time\nx = [0] * 1000",
        "%%memtrace\n%%memtrace\n%%time\nx = [0] * 1000",
        "%%capture output\n%%memtrace\nx = [0] * 1000",
        "%%memtrace\n%%capture output\nx = [0] * 1000",
        "%%prun -q\n%%memtrace\nx = [0] * 1000",
    ],
)
def test_it_stacks_with_other_cell_magics(notebook: Terminal, source: str) -> None:
    result = notebook.run(source)
    result.raise_error()
    assert len(notebook.names["x"]) == 1000
    (shown,) = [data for data in notebook.shown if NUMBERS in data]
    assert shown[NUMBERS]["cell"]["number"] == 2
    assert shown[NUMBERS]["cell"]["allocated"] >= 8000
    assert ("Wall time" in notebook.printed) == ("%%time" in source)


def test_a_file_that_is_written_keeps_the_line(notebook: Terminal, tmp_path: Any) -> None:
    file = tmp_path / "text.txt"
    notebook.run(f"%%writefile {file}\n%%memtrace\nx = 1").raise_error()
    assert file.read_text() == "%%memtrace\nx = 1\n"


def test_wrong_arguments_do_not_run_the_cell(notebook: Terminal) -> None:
    result = notebook.run("%%memtrace --nothing\nran = 1")
    assert result.error_before_exec is not None
    assert "ran" not in notebook.names
    assert notebook.number == 2
    assert notebook.run("ran = 1").success


def test_the_transformer_is_pure(notebook: Terminal) -> None:
    manager = notebook.shell.input_transformer_manager
    (transform,) = [t for t in manager.line_transforms if isinstance(getattr(t, "__self__", None), CellMagic)]
    lines = ["%%memtrace --top 3\n", "x = 1\n"]
    state = dict(vars(transform.__self__))
    first = transform(lines)
    assert first == transform(lines) == ["\n", "x = 1\n"]
    assert lines == ["%%memtrace --top 3\n", "x = 1\n"]
    assert vars(transform.__self__) == state
    assert transform(["%%memtraces\n", "x\n"]) == ["%%memtraces\n", "x\n"]
    assert manager.check_complete("%%memtrace\nfor i in x:\n") == ("incomplete", 0)
    assert manager.check_complete("%%memtrace\nx\n\n")[0] == "complete"


def test_a_prompt_and_indentation_before_it_are_stripped_as_before_any_magic(notebook: Terminal) -> None:
    notebook.run("    %%memtrace\n    x = [0] * 1000").raise_error()
    assert notebook.shown[0][NUMBERS]["cell"]["live"] >= 8000
    notebook.run("In [3]: %%memtrace\n   ...: y = [0] * 1000").raise_error()
    assert notebook.shown[0][NUMBERS]["cell"]["number"] == 3


def test_a_run_without_history_has_a_report_too(notebook: Terminal) -> None:
    notebook.run("pass")
    notebook.shell.run_cell("%%memtrace -o kept\nx = [0] * 1000")
    assert notebook.names["kept"].live >= 8000
    assert notebook.names["kept"].cell.number is None
