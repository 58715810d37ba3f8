"""What is shown of a cell with many library functions: the same as of its whole report, and quickly made."""

from pathlib import Path
from typing import Any

import cellheap
import pytest
from cellheap import _core, api, results
from cellheap.records import Line
from cellheap.tables import of_live_lines

from tests.notebook.shells import Terminal

FUNCTIONS = 40
NUMBERS = "application/vnd.cellheap.v1+json"
# The largest of what is kept, and of what was there, are not the same functions.
KEPT = {f"f{n}": 1_000 + 10 * n for n in range(0, FUNCTIONS, 2)}
PASSED = {f"f{n}": 5_000 + 10 * n for n in range(1, FUNCTIONS, 2)}


@pytest.fixture
def busy(notebook: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A notebook whose In[3] calls forty functions of a library in one line."""
    functions = [f"def {name}():\n    return bytes({size})\n" for name, size in {**KEPT, **PASSED}.items()]
    (tmp_path / "many_functions.py").write_text("".join(functions))
    monkeypatch.syspath_prepend(tmp_path)
    calls = ", ".join(f"many_functions.{name}()" for name in (*PASSED, *KEPT))
    notebook.run("import cellheap, many_functions\nkept = []")
    notebook.run(f"made = [{calls}]; kept.extend(made[{len(PASSED)}:]); del made")
    return notebook


def line_of(report: Any) -> Line:
    (line,) = (line for line in report.lines if line.library)
    assert isinstance(line, Line)
    return line


def test_what_is_shown_is_what_the_whole_report_shows(busy: Terminal) -> None:
    with _core.own():
        # A name that only Python's cache of types' attributes keeps is let go of whenever a look-up takes its place.
        _core.forget_attributes()
        whole, brief = api.report_of(3), api.report_of(3, brief=True)
        assert brief.bundle().mimebundle() == whole.bundle().mimebundle()
        live = [
            [of_live_lines(origin.lines, found.names, 5) for origin in found.origins]
            for found in (api.live_of(), api.live_of(brief=True))
        ]
        assert live[0] == live[1]
    assert len(line_of(whole).library) == FUNCTIONS
    assert len(line_of(brief).library) <= 2 * results.SHOWN
    assert not line_of(whole).others
    assert not line_of(whole).left_out


def test_the_rest_is_counted_and_summed(busy: Terminal) -> None:
    line = line_of(api.report_of(3, brief=True))
    (others,) = line.others
    shown = {leaf.function for leaf in line.library}
    left = {name: size for name, size in {**KEPT, **PASSED}.items() if name not in shown}
    assert line.left_out == len(left) == FUNCTIONS - len(shown)
    over = b"".__sizeof__()
    assert others.peak == sum(size + over for size in left.values())
    assert others.live == sum(size + over for name, size in left.items() if name in KEPT)
    assert others.live_blocks == sum(name in KEPT for name in left)
    # Both who keeps most and who had most are told by name.
    assert {max(KEPT, key=KEPT.__getitem__), max(PASSED, key=PASSED.__getitem__)} <= shown


def test_the_numbers_beside_say_how_many_are_left_out(busy: Terminal) -> None:
    raw: Any = api.report_of(3, brief=True).bundle().mimebundle()[NUMBERS]
    (line,) = (line for line in raw["lines"] if line["library"])
    assert len(line["library"]) + line["left_out"] == FUNCTIONS


def test_a_result_that_is_kept_has_all(busy: Terminal) -> None:
    busy.run("report = %memtrace 3\nlive = %memtrace live")
    assert len(line_of(busy.names["report"]).library) == FUNCTIONS
    assert any(len(line.library) == len(KEPT) for at in busy.names["live"].origins for line in at.lines)
    assert len(line_of(cellheap.cells[3]).library) == FUNCTIONS
    busy.run("%%memtrace -o mine\nagain = [" + ", ".join(f"many_functions.{name}()" for name in KEPT) + "]")
    assert len(line_of(busy.names["mine"]).library) == len(KEPT)
