"""`@cellheap.limit`: a call is stopped at its limit, in notebooks and in scripts."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cellheap
import pytest

from tests.notebook.shells import Terminal, terminal

MIB = 1 << 20


@pytest.fixture
def notebook() -> Iterator[Terminal]:
    with terminal() as shell:
        shell.run("import cellheap, gc\nimport numpy as np\nran = []")
        yield shell


def error_of(notebook: Terminal, source: str) -> cellheap.CellMemoryLimit:
    error = notebook.run(source).error_in_exec
    assert isinstance(error, cellheap.CellMemoryLimit), error
    return error


def test_a_large_request_is_refused_in_the_call(notebook: Terminal) -> None:
    notebook.run("@cellheap.limit('1 MiB')\ndef load(n):\n    x = bytes(n)\n    ran.append(n)\n    return x")
    assert len(notebook.values("load(1000)")) == 1000
    error = error_of(notebook, "load(2 << 20)")
    assert str(error).splitlines()[0] == (
        f"load() was stopped at its limit of 1.00 MiB: In[{notebook.number - 2}], line 3 in load asked for 2.00 MiB"
    )
    assert notebook.names["ran"] == [1000]
    assert error.report is not None
    assert error.report.peak < MIB
    assert error.stop is not None
    assert error.stop.asked == sys.getsizeof(bytes(2 << 20))


def test_small_blocks_are_stopped_in_the_call(notebook: Terminal) -> None:
    notebook.run(
        "@cellheap.limit('1 MiB')\ndef load(n):\n    rows = []\n    for i in range(n):\n"
        "        rows.append([1])\n    ran.append(n)"
    )
    notebook.run("load(1000)").raise_error()
    error = error_of(notebook, "load(10**8)")
    assert str(error).splitlines()[0] == (
        f"load() was stopped at its limit of 1.00 MiB: In[{notebook.number - 2}], line 5 in load took it there"
    )
    assert notebook.names["ran"] == [1000]
    assert error.report is not None
    assert MIB < error.report.peak < MIB + 100_000


def test_numpys_errors_become_the_calls(notebook: Terminal) -> None:
    notebook.run("@cellheap.limit('1 MiB')\ndef load():\n    return np.zeros(10**7)")
    error = error_of(notebook, "load()")
    assert "asked for 76.3 MiB" in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_the_lowest_limit_of_nested_calls_holds(notebook: Terminal) -> None:
    notebook.run(
        "@cellheap.limit('4 MiB')\ndef inner():\n    return [[i] for i in range(10**8)]\n"
        "@cellheap.limit('1 MiB')\ndef outer():\n    try:\n        inner()\n    finally:\n        ran.append(1)"
    )
    assert str(error_of(notebook, "outer()")).startswith("outer() was stopped at its limit of 1.00 MiB")
    assert str(error_of(notebook, "inner()")).startswith("inner() was stopped at its limit of 4.00 MiB")
    assert notebook.names["ran"] == [1]


def test_a_call_below_its_limit_leaves_no_limit_behind(notebook: Terminal) -> None:
    notebook.run("@cellheap.limit('1 MiB')\ndef load(): return 1\nload()").raise_error()
    notebook.run("kept = [[i] for i in range(100_000)]").raise_error()


def test_the_notebooks_limit_holds_in_calls_too(notebook: Terminal) -> None:
    notebook.run("@cellheap.limit('1 GiB')\ndef load():\n    return [[i] for i in range(10**8)]")
    notebook.run("%memtrace limit 40M")
    error = error_of(notebook, "load()")
    assert error.stop is not None
    assert (error.stop.call, error.stop.limit) == (None, 40 * MIB)
    assert error.stop.live > 40 * MIB


def test_a_caught_refusal_is_no_error(notebook: Terminal) -> None:
    notebook.run(
        "@cellheap.limit('1 MiB')\ndef load():\n    try:\n        return bytes(2 << 20)\n"
        "    except MemoryError:\n        return 'less'"
    )
    assert notebook.values("load()") == "less"


def test_coroutines_are_stopped(notebook: Terminal) -> None:
    notebook.run(
        "import asyncio\n@cellheap.limit('1 MiB')\nasync def load():\n    rows = []\n    while True:\n"
        "        rows.extend([1] for _ in range(1000)); await asyncio.sleep(0)"
    )
    assert "line 6 in load" in str(error_of(notebook, "await load()"))


SCRIPT = """
import cellheap

@cellheap.limit("1 MiB")
def load(n):
    rows = []
    while len(rows) < n:
        rows.append([1])
    return len(rows)

print(load(100))
for size in (10**8, None):
    try:
        load(size) if size else cellheap.limit("1 MiB")(bytes)(4 << 20)
    except MemoryError as error:
        print(type(error).__name__, str(error).splitlines()[0])
print(load(100))
"""


def test_a_script_has_limits_too(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    ran = subprocess.run([sys.executable, file], capture_output=True, text=True, check=True, timeout=60)
    place = f"{tmp_path.name}/script.py, line"
    assert ran.stdout.splitlines() == [
        "100",
        f"CellMemoryLimit load() was stopped at its limit of 1.00 MiB: {place} 8 in load took it there",
        f"CellMemoryLimit bytes() was stopped at its limit of 1.00 MiB: {place} 14 asked for 4.00 MiB",
        "100",
    ]
