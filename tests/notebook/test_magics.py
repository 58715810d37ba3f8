"""`%memtrace` as a person types it in a terminal IPython: what it answers, and what it leaves alone."""

import gc
import sys
import weakref
from typing import Any

import cellheap
import pytest
from cellheap import _core, api
from cellheap.results import CellReport, Live, Overview

from tests.notebook.shells import DISPATCH, Terminal, terminal

NUMBERS = "application/vnd.cellheap.v1+json"


def numbers(notebook: Terminal) -> dict[str, Any]:
    (data,) = notebook.shown
    return dict(data[NUMBERS])


@pytest.mark.parametrize("source", ["pass", "# nothing", "%%memtrace\npass"])
@pytest.mark.parametrize("before", ["pass", "%memtrace on"])
def test_an_empty_cell_reads_nothing(notebook: Terminal, source: str, before: str) -> None:
    notebook.run(before)
    notebook.run("pass")
    notebook.run(source)
    cell = cellheap.cells[notebook.number].cell
    assert (cell.allocated, cell.net, cell.peak, cell.live) == (0, 0, 0, 0)


def test_a_value_that_is_not_shown_costs_the_arguments_of_a_call(notebook: Terminal) -> None:
    """Python calls what shows values with a tuple of one."""
    notebook.run("None")
    notebook.run("None")
    cell = cellheap.cells[notebook.number].cell
    assert cell.allocated in (0, sys.getsizeof((None,)))
    assert (cell.net, cell.live) == (0, 0)


def test_bare_memtrace_shows_every_cell(notebook: Terminal) -> None:
    notebook.run("x = [0] * 1000")
    notebook.run("%memtrace")
    rows = {row["number"]: row for row in numbers(notebook)["cells"]}
    assert rows[2]["allocated"] >= 8000
    assert 8000 <= rows[2]["live"] < 8200
    assert "In[2]" in notebook.shown[0]["text/plain"]


def test_a_number_shows_that_cell_by_line(notebook: Terminal) -> None:
    notebook.run("x = 1\ny = [0] * 1000\nz = bytes(500)")
    notebook.run("%memtrace In[2]")
    assert numbers(notebook)["cell"]["number"] == 2
    notebook.run("%memtrace 2")
    shown = numbers(notebook)
    assert shown["cell"]["number"] == 2
    live = {line["line"]: line["live"] for line in shown["lines"]}
    assert live[2] >= 8000
    assert 500 <= live[3] < 600


def test_live_is_told_by_origin_and_line(notebook: Terminal) -> None:
    notebook.run("x = [0] * 1000")
    notebook.run("del x\ny = [0] * 2000")
    notebook.run("%memtrace live")
    origins = {origin["cell"]["number"]: origin for origin in numbers(notebook)["origins"]}
    assert 2 not in origins
    assert origins[3]["lines"][0]["line"] == 2
    assert 16_000 <= origins[3]["lines"][0]["live"] < 16_200


def test_an_assigned_result_is_returned_and_not_shown(notebook: Terminal) -> None:
    notebook.run("x = [0] * 1000")
    notebook.run("overview = %memtrace\nreport = %memtrace 2\nlive = %memtrace live")
    assert notebook.shown == []
    assert notebook.printed == ""
    names = notebook.names
    assert isinstance(names["overview"], Overview)
    assert isinstance(names["report"], CellReport)
    assert isinstance(names["live"], Live)
    assert names["report"].live == cellheap.cells[2].live >= 8000


def test_memtrace_shows_on_any_line_of_a_cell(notebook: Terminal) -> None:
    notebook.run("for _ in range(2):\n    %memtrace 1\n%memtrace live\nx = 1")
    assert [data[NUMBERS]["kind"] for data in notebook.shown] == ["cell", "cell", "live"]


def test_memtrace_leaves_out_and_underscore_alone(notebook: Terminal) -> None:
    notebook.run("17")
    notebook.run("%memtrace")
    assert notebook.values("_ + 1") == 18
    assert notebook.values("sorted(Out)") == [2, 4]


@pytest.mark.parametrize("line", ["r = %memtrace", "r = %memtrace 2", "r = %memtrace live", "%memtrace 2"])
def test_memtrace_charges_nothing_to_the_cell(notebook: Terminal, line: str) -> None:
    notebook.run("r = None")
    notebook.run(line)
    cell = cellheap.cells[notebook.number].cell
    assert cell.allocated <= DISPATCH
    assert (cell.net, cell.live) == (0, 0)


def test_a_result_holds_nothing_of_the_users(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\nthing = Thing()\ndef keep(x=thing): return [x] * 1000\nkept = keep()")
    watched = weakref.ref(notebook.names["thing"])
    notebook.run("a = %memtrace\nb = %memtrace 2\nc = %memtrace live")
    notebook.run("del thing, keep, kept")
    gc.collect()
    assert watched() is None


def test_a_cell_that_does_not_exist_is_told_with_those_that_do(notebook: Terminal) -> None:
    notebook.run("pass")
    result = notebook.run("%memtrace 99")
    assert not result.success
    assert notebook.complaint.splitlines() == [
        "UsageError: %memtrace 99: there is no In[99]: the cells recorded are In[1] to In[3]"
    ]
    with pytest.raises(api.NoSuchCellError, match=r"In\[1\] to In\[3\]"):
        cellheap.cells[99]
    with pytest.raises(api.NoSuchCellError, match=r"cells go by their number, as in cells\[5\], not by '2'"):
        cellheap.cells["2"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("%memtrace liv", "'liv' is no subcommand of %memtrace; 'live' is"),
        ("%memtrace frobnicate", "'frobnicate' is no subcommand of %memtrace"),
        ("%memtrace 3 7 9", "%memtrace 3 does not know '7 9'"),
        ("%memtrace on now", "%memtrace on takes nothing after it, not 'now'"),
        ("%memtrace flame x", "%memtrace flame does not know 'x'"),
        ("%memtrace flame 1 2", "%memtrace flame does not know '1 2'"),
        ("%memtrace flame --live --allocated", "a flame graph is of --live or of --allocated, not of both"),
        ("%memtrace 1 --live", "--live and --allocated belong to %memtrace flame"),
        ("%memtrace live --force", "--force belongs to %memtrace export"),
        ("%memtrace export", "%memtrace export needs a file to write to"),
        ("%memtrace export vars x.csv", "%memtrace export knows N, report, live and flame, not 'vars'"),
        ("%memtrace -1", "'-1' is no subcommand"),
        ("%memtrace on --loud", "unrecognized arguments: --loud"),
        ("%memtrace 'on", "No closing quotation"),
        ("%%memtrace --top none\nran = 1", "argument --top: 'none' is not a whole number above 0"),
        ("%%memtrace --top 0\nran = 1", "argument --top: '0' is not a whole number above 0"),
        ("%%memtrace -o 1x\nran = 1", "argument -o: '1x' cannot be the name of a variable"),
        ("%%memtrace -o class\nran = 1", "argument -o: 'class' cannot be the name of a variable"),
        ("%%memtrace live\nran = 1", "unrecognized arguments: live"),
        ("%%time\n%%memtrace --never\nran = 1", "unrecognized arguments: --never"),
        ("%gcclear --generation 7", "argument --generation: invalid choice: 7"),
        ("%gcclear --out --nothing", "unrecognized arguments: --nothing"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_right(notebook: Terminal, line: str, wrong: str) -> None:
    notebook.run("kept = 1")
    before = dict(notebook.names)
    result = notebook.run(line)
    (complaint,) = notebook.complaint.splitlines()
    assert complaint.startswith("UsageError: ")
    assert wrong in complaint
    assert "Right is: %" in complaint
    assert not result.success
    assert notebook.shown == []
    assert notebook.printed == ""
    after = {name: value for name, value in notebook.names.items() if not name.startswith("_i")}
    assert after == {name: value for name, value in before.items() if not name.startswith("_i")}
    assert "ran" not in after
    assert _core.tracing()


def test_on_shows_a_line_after_every_cell_and_off_ends_it(notebook: Terminal) -> None:
    notebook.run("%memtrace on")
    notebook.run("x = [0] * 1000")
    (data,) = notebook.shown
    assert data["text/plain"].startswith("In[3] ")
    assert "live 7.8" in data["text/plain"]
    assert len(data["text/plain"].splitlines()) == 1
    notebook.run("1 / 0")
    assert notebook.shown[0]["text/plain"].startswith("In[4] failed ")
    notebook.run("%memtrace off")
    notebook.run("pass")
    assert notebook.shown == []


def test_stop_records_nothing_and_start_begins_anew(notebook: Terminal) -> None:
    notebook.run("old = [0] * 1000")
    notebook.run("%memtrace stop")
    assert not _core.tracing()
    notebook.run("unseen = [0] * 1000")
    notebook.run("%memtrace start")
    assert _core.tracing()
    notebook.run("new = [0] * 1000")
    reports = cellheap.cells
    assert not reports[4].cell.traced
    assert reports[4].allocated == 0
    assert reports[2].live == 0
    assert reports[6].live >= 8000
    notebook.run("%memtrace start")
    assert notebook.printed == "Allocations are being recorded already.\n"


def test_reset_forgets_the_cells_but_not_what_is_live(notebook: Terminal) -> None:
    notebook.run("x = [0] * 1000")
    before = cellheap.live().live_notebook
    notebook.run("%memtrace reset")
    assert list(cellheap.cells) == [3]
    assert abs(cellheap.live().live_notebook - before) < 200
    assert cellheap.live().origins[0].cell.label == "(before cells)"


def test_help_is_in_the_question_mark_and_in_the_option(notebook: Terminal) -> None:
    notebook.run("%memtrace --help")
    for word in ("live", "on", "off", "stop", "start", "reset", "%memtrace 5"):
        assert word in notebook.printed
    for source in ("%%memtrace --help", "%%memtrace --help\nran = 1"):
        notebook.run(source)
        assert "--no-chart" in notebook.printed
        assert "ran" not in notebook.names
        assert notebook.shown == []
    notebook.run("%gcclear --help")
    assert "--traceback" in notebook.printed
    for magic in ("%memtrace", "%%memtrace", "%gcclear"):
        notebook.run(f"{magic}?")
        assert magic in notebook.printed


def test_the_rss_mark_is_left_alone_where_the_user_says_so() -> None:
    with terminal({"CellHeap": {"reset_hwm": False}}) as notebook:
        notebook.run("pass")
        assert cellheap.cells[2].cell.rss_peak is None
        notebook.run("%config CellHeap.reset_hwm = True")
        notebook.run("pass")
        assert cellheap.cells[4].cell.rss_peak


def test_summaries_can_be_configured() -> None:
    with terminal({"CellHeap": {"summary": True}}) as notebook:
        notebook.run("pass")
        assert notebook.shown[0]["text/plain"].startswith("In[2] ")


def test_numbers_of_the_running_cell_are_those_so_far(notebook: Terminal) -> None:
    notebook.run("x = [0] * 1000\nr = %memtrace 2\ny = [0] * 10_000")
    assert notebook.names["r"].cell.state == "running"
    assert 8000 <= notebook.names["r"].live < 10_000
    assert cellheap.cells[2].live >= 88_000


def test_live_says_what_keeps_arenas_from_the_system(notebook: Terminal) -> None:
    notebook.run("import gc\ngc.disable()\nx = [bytes(400) for _ in range(60_000)]\nkeep = x[::6000]\ndel x")
    live = cellheap.live()
    notebook.run("gc.enable()")
    assert live.live == live.live_notebook + live.live_kept + live.live_machinery + live.live_cellheap
    assert live.live_notebook == sum(share.live for share in live.shares)
    # The list `keep` itself, of line 4, may lie in such an arena, too.
    (pin,) = (pin for pin in live.arenas.pins if (pin.origin, pin.line) == ("In[2]", 3))
    assert live.names[pin.file] == "In[2]"
    assert 5 <= pin.arenas <= live.arenas.filled[0]
    text = str(live)
    arenas = live.arenas
    assert arenas.older
    assert f"{arenas.filled[0]} or more of {arenas.count + arenas.older} arenas of pymalloc are" in text
    assert "In[2], line 3" in text
