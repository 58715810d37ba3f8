"""`%memtrace flame` and `cellheap.flame`: the stacks have every byte, and every front end something to show."""

import base64
import html
import re
from pathlib import Path
from typing import Any

import cellheap
import pytest
from cellheap import flames
from cellheap.fitting import OUTPUT_LIMIT, sent

from tests.notebook.shells import Kernel, Terminal, texts

NUMBERS = "application/vnd.cellheap.v1+json"
SOURCE = """\
import json
def make(n):
    return json.loads("[" + "1000000," * n + "0]")
kept = make(20_000)
gone = [0] * 50_000
del gone
"""


def counts(folded: str) -> dict[str, int]:
    lines = (line.rpartition(" ") for line in folded.splitlines())
    return {stack: int(count) for stack, _, count in lines}


@pytest.mark.parametrize("measure", ["peak", "live", "allocated"])
def test_stacks_have_every_byte_of_the_cell(notebook: Terminal, measure: flames.Measure) -> None:
    notebook.run(SOURCE)
    number, report = notebook.number, cellheap.cells[notebook.number]
    flame = cellheap.flame(number, measure)
    expected = {
        "peak": sum(line.peak for line in report.lines),
        "live": report.live,
        "allocated": report.allocated,
    }
    assert flame.total == expected[measure] > 100_000
    assert sum(counts(flame.folded()).values()) == flame.total


def test_a_stack_is_the_line_and_the_library_under_it(notebook: Terminal) -> None:
    notebook.run(SOURCE)
    stacks = counts(cellheap.flame(notebook.number, "live").folded())
    (deep,) = (stack for stack in stacks if "raw_decode" in stack)
    line, *library = (re.sub(r", line \d+ in ", ":", frame) for frame in deep.split(";"))
    assert line == f"In[{notebook.number}]:make"
    assert library == [
        "json/__init__.py:loads",
        "json/decoder.py:JSONDecoder.decode",
        "json/decoder.py:JSONDecoder.raw_decode",
    ]


def test_native_memory_names_allocator_and_library(notebook: Terminal) -> None:
    notebook.run("import numpy as np")
    notebook.run("a = np.zeros(100_000)")
    stacks = counts(cellheap.flame(notebook.number).folded())
    (native,) = (stack for stack in stacks if "malloc in _multiarray_umath.so" in stack)
    assert 800_000 <= stacks[native] < 801_000


def test_the_whole_notebook_is_told_by_origin(notebook: Terminal) -> None:
    notebook.run("a = [0] * 30_000")
    notebook.run("b = [0] * 20_000")
    flame = cellheap.flame()
    by_origin: dict[str, int] = {}
    for stack in flame.stacks:
        by_origin[stack.origin] = by_origin.get(stack.origin, 0) + stack.live
    assert (flame.measure, flame.subject) == ("live", "The notebook")
    for number, size in ((notebook.number - 1, 240_000), (notebook.number, 160_000)):
        assert size <= by_origin[f"In[{number}]"] < size + 1000


def test_a_flame_is_shown_in_every_form(notebook: Terminal) -> None:
    notebook.run(SOURCE)
    notebook.run(f"%memtrace flame {notebook.number}")
    (data,) = notebook.shown
    page = re.search(r"<iframe [^>]*srcdoc='([^']*)'>", data["text/html"])
    assert page is not None
    graph = html.unescape(page[1])
    assert "<script" in graph
    assert f"In[{notebook.number - 1}], line\N{NO-BREAK SPACE}4" not in graph, "make is where the code is"
    image = re.search(r'<img alt="Flame graph. [^"]*" [^>]*base64,([^"]*)"></iframe>', data["text/html"])
    assert image is not None
    assert "<script" not in base64.b64decode(image[1]).decode()
    assert max(map(len, data["text/plain"].splitlines())) <= 80
    assert data[NUMBERS]["measure"] == "peak"
    assert sent(data) <= OUTPUT_LIMIT


def test_a_cell_of_many_stacks_stays_in_the_limit(notebook: Terminal) -> None:
    lines = (f"def function_of_a_long_name_{at}():\n    return bytearray(1000)" for at in range(300))
    calls = (f"kept_{at} = function_of_a_long_name_{at}()" for at in range(300))
    notebook.run("\n".join([*lines, *calls]))
    flame = cellheap.flame(notebook.number)
    data: dict[str, Any] = flame._repr_mimebundle_()
    assert sent(data) <= OUTPUT_LIMIT
    assert "smaller stacks" in data["text/plain"]
    assert len(flame.folded().splitlines()) > 300


def test_a_cell_of_nothing_has_a_sentence(notebook: Terminal) -> None:
    notebook.run("pass")
    flame = cellheap.flame(notebook.number)
    assert str(flame).startswith(f"In[{notebook.number}] held nothing at its peak.")
    assert flame.folded() == ""


def test_a_wrong_measure_or_cell_says_what_is_right(notebook: Terminal) -> None:
    with pytest.raises(ValueError, match="'peak', 'live' or 'allocated', not 'all'"):
        cellheap.flame(1, "all")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match=r"there is no In\[77\]"):
        cellheap.flame(77)


def test_both_kernels_show_it(kernel: Kernel) -> None:
    kernel.run("kept = [bytes(1000) for _ in range(500)]")
    _, outputs = kernel.run("%memtrace flame")
    (text,) = texts(outputs)
    assert "The notebook holds" in text
    assert "█" in text


def test_the_import_systems_frames_are_left_out(notebook: Terminal, tmp_path: Path) -> None:
    (tmp_path / "outer_module.py").write_text("import inner_module\n")
    (tmp_path / "inner_module.py").write_text("kept = [0] * 100_000\n")
    notebook.run(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport outer_module")
    stacks = counts(cellheap.flame(notebook.number, "live").folded())
    (deep,) = (stack for stack, size in stacks.items() if size >= 800_000)
    first, *library = deep.split(";")
    assert first == f"In[{notebook.number}], line\N{NO-BREAK SPACE}3"
    assert [frame.partition(",")[0].rpartition("/")[2] for frame in library] == [
        "outer_module.py",
        "inner_module.py",
    ]
