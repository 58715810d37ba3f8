"""In a real kernel: files that `%run` runs, imported modules, and code of one cell that runs in another."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.front import Front, start, stop

MODULE = """
def make(n):
    return bytearray(n)

def later(f):
    return f()

made = bytearray(300_000)
"""
SCRIPT = """
import made
x = bytearray(400_000)
y = made.make(200_000)
def of_script(n):
    return bytearray(n)
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "made.py").write_text(MODULE)
    (folder / "script.py").write_text(SCRIPT)
    front = start(folder / "log", cwd=str(folder)).ready()
    yield front
    stop(front)


def ran(front: Front, source: str) -> tuple[int, list[Any]]:
    """The number of a cell that ran, and the lines of its report that kept 100 KB or more."""
    done = front.run(source)
    assert done.status == "ok", done.reply
    number = done.reply["content"]["execution_count"]
    lines = json.loads(front.run(f"import cellheap; print(cellheap.cells[{number}].json)").text())["lines"]
    return number, [line for line in lines if line["live"] >= 100_000]


def keeps(row: Any, buffer: int) -> bool:
    """The buffer, and what little is made with it."""
    return bool(buffer < row["live"] < buffer + 5_000)


def test_a_module_is_the_line_that_imported_it(front: Front) -> None:
    _, (line,) = ran(front, "a = 1\nimport made")
    assert (line["line"], keeps(line, 300_001)) == (2, True)
    leaf = max(line["library"], key=lambda leaf: leaf["live"])
    assert (Path(leaf["file"]).name, leaf["line"], leaf["function"]) == ("made.py", 8, "<module>")


def test_a_script_is_the_line_that_runs_it_with_its_own_lines_beneath(front: Front) -> None:
    _, (line,) = ran(front, "a = 1\n\n%run script.py")
    assert (line["line"], line["live"] >= 600_002) == (3, True)
    leaves = {(Path(leaf["file"]).name, leaf["line"]): leaf for leaf in line["library"]}
    assert keeps(leaves["script.py", 3], 400_001)
    assert keeps(leaves["made.py", 3], 200_001)
    assert [(Path(f["file"]).name, f["line"]) for f in leaves["made.py", 3]["path"]][-2:] == [
        ("script.py", 4),
        ("made.py", 3),
    ]


def test_what_a_script_defined_is_the_line_that_calls_it(front: Front) -> None:
    ran(front, "%run script.py")
    _, (line,) = ran(front, "z = 1\nkept = of_script(150_000)")
    assert (line["line"], keeps(line, 150_001)) == (2, True)
    (leaf,) = [leaf for leaf in line["library"] if leaf["live"]]
    assert (Path(leaf["file"]).name, leaf["line"], leaf["function"]) == ("script.py", 6, "of_script")


def test_a_function_of_one_cell_called_in_another_keeps_its_line_and_has_the_new_origin(front: Front) -> None:
    first, nothing = ran(front, "def f(n):\n    return [\n        bytearray(n)]")
    assert nothing == []
    second, (line,) = ran(front, "import made\nheld = f(250_000), made.later(lambda: f(250_000))")
    assert (line["line"], line["function"]) == (3, "f")
    assert line["live"] >= 500_002
    text = front.run(f"print(cellheap.cells[{second}])").text()
    assert f"In[{first}]" in text
    origins = json.loads(front.run("print(cellheap.live().json)").text())["origins"]
    (origin,) = [origin for origin in origins if origin["cell"]["number"] == second]
    assert any((row["file"], row["line"]) == (line["file"], 3) for row in origin["lines"])


def test_await_in_a_cell_and_tasks_of_an_earlier_one(front: Front) -> None:
    first, nothing = ran(
        front,
        "import asyncio\nready = asyncio.Event()\nasync def work():\n    await ready.wait()\n    return bytearray(350_000)\ntask = asyncio.ensure_future(work())",
    )
    assert nothing == []
    _, here = ran(front, "ready.set()\nmine = bytearray(120_000)\ndone = await task")
    assert [(line["line"], keeps(line, 120_001)) for line in here] == [(2, True)]
    report = json.loads(front.run(f"print(cellheap.cells[{first}].json)").text())
    (line,) = [line for line in report["lines"] if line["live"] >= 100_000]
    assert (line["line"], keeps(line, 350_001)) == (5, True)
