"""The tour, run top to bottom through the kernel: what its sentences claim, checked on the raw numbers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from scripts.lessonrun import Run

TOUR = Path(__file__).resolve().parents[2] / "notebooks/tour.ipynb"
KIB = 1024
MILLION = 1_000_000


class Tour(Run):
    """The executed notebook, by the ids of its cells."""

    def __init__(self) -> None:
        notebook = nbformat.read(TOUR, as_version=4)
        client = NotebookClient(notebook, timeout=300)
        client.execute()
        super().__init__(TOUR, notebook, client)

    def report(self, cell: str) -> dict[str, Any]:
        """What `%%memtrace` says of the cell that it stands in."""
        report = self.shown(cell)["cell"]
        assert report["number"] == self.cells[cell].execution_count
        return dict(report)

    def row(self, cell: str) -> dict[str, Any]:
        """The cell's row in the overview at the end."""
        number = self.cells[cell].execution_count
        (row,) = (row for row in self.shown("overview")["cells"] if row["number"] == number)
        return dict(row)


@pytest.fixture(scope="module")
def tour() -> Tour:
    return Tour()


# Two counts by tracemalloc: bytes that stay when `kept` is made, and bytes that go when it is emptied.
JUDGE = """
import array, tracemalloc
marks, kept = array.array("q", [0, 0, 0]), None
tracemalloc.start()
marks[0] = tracemalloc.get_traced_memory()[0]
kept = {made}
marks[1] = tracemalloc.get_traced_memory()[0]
kept.clear()
marks[2] = tracemalloc.get_traced_memory()[0]
print(marks[1] - marks[0], marks[1] - marks[2])
"""


def kept_by(made: str) -> int:
    """Bytes of what this expression makes, as tracemalloc counts them in a process of its own."""
    return judged(made)[0]


def emptied(made: str) -> int:
    """Bytes that go when what this expression makes is emptied."""
    return judged(made)[1]


def judged(made: str) -> tuple[int, int]:
    told = subprocess.check_output([sys.executable, "-c", JUDGE.replace("{made}", made)], text=True)
    made_bytes, freed_bytes = map(int, told.split())
    return made_bytes, freed_bytes


def test_the_repository_holds_no_outputs() -> None:
    stored = [cell for cell in nbformat.read(TOUR, as_version=4).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in stored)


def test_a_list_of_a_million_ints_weighs_what_tracemalloc_says(tour: Tour) -> None:
    (line,) = tour.shown("list-of-ints")["lines"]
    assert line["line"] == 2
    assert line["live"] == kept_by("list(range(1_000_000))")


def test_del_gives_list_and_ints_back_at_once(tour: Tour) -> None:
    # The emptied list object itself is kept by Python, for the next list.
    more = tour.report("del-list")["freed"] - emptied("list(range(1_000_000))")
    assert 0 <= more < KIB  # What earlier cells left behind in libraries may go meanwhile: a few bytes.
    assert tour.row("list-of-ints")["live"] <= sys.getsizeof([])


def test_a_cycle_stays_until_it_is_collected(tour: Tour) -> None:
    assert tour.report("cycle")["live_at_end"] >= 10 * MILLION
    assert tour.report("collect")["freed"] >= 10 * MILLION
    assert int(tour.result("collect")) >= 2


def test_clear_empties_the_dict(tour: Tour) -> None:
    # What earlier cells left behind in libraries may go meanwhile: a few bytes.
    more = tour.report("clear-dict")["freed"] - emptied("{n: n * n for n in range(200_000)}")
    assert 0 <= more < KIB


def test_a_generator_has_the_answer_of_the_list_without_its_peak(tour: Tour) -> None:
    assert tour.result("sum-generator") == tour.result("sum-list")
    assert tour.report("sum-list")["peak"] >= 8 * MILLION
    assert tour.report("sum-generator")["peak"] < 100 * KIB


def test_a_shown_object_stays_until_the_output_history_is_cleared(tour: Tour) -> None:
    table = tour.cells["table"].execution_count
    rows = 10_000 * 100 * 8
    assert tour.report("del-table")["freed"] < KIB
    assert tour.shown("live")["origins"][0]["cell"]["number"] == table
    assert tour.shown("live")["origins"][0]["cell"]["live"] > rows
    assert tour.shown("gcclear")["freed"] < rows
    assert tour.shown("gcclear-out")["freed"] > rows
    assert tour.row("table")["live"] < 10 * KIB


def test_an_arrays_numbers_count_and_a_view_adds_none(tour: Tour) -> None:
    lines = {line["line"]: line for line in tour.shown("array")["lines"]}
    assert 8 * MILLION <= lines[2]["live"] < 8 * MILLION + KIB
    assert lines[3]["live"] < KIB
    assert {share["allocator"] for share in lines[2]["shares"]} == {"pymalloc", "malloc"}
    assert 16 * MILLION <= lines[2]["peak"] + lines[4]["peak"] < 24 * MILLION
    # What earlier cells left behind may go meanwhile: when the collector comes is its own affair.
    assert 16 * MILLION - 4 * KIB <= tour.report("array")["peak"] < 24 * MILLION + KIB


def test_the_flame_graph_has_all_that_is_live(tour: Tour) -> None:
    shown = tour.shown("flame")
    assert shown["measure"] == "live"
    assert shown["stacks"][0]["origin"] == f"In[{tour.cells['array'].execution_count}]"


def test_a_block_is_measured_on_its_own(tour: Tour) -> None:
    peak, net = map(int, tour.result("block").strip("()").split(","))
    assert 1000 * sys.getsizeof(bytes(1000)) <= peak < 1.1 * MILLION
    # A few bytes that earlier cells left behind in libraries may go meanwhile.
    assert -KIB < net <= 0


def test_what_is_kept_is_live_at_the_end(tour: Tour) -> None:
    assert tour.row("kept")["live"] >= kept_by("[str(n) for n in range(200_000)]")


def test_the_last_cell_draws_the_chart(tour: Tour) -> None:
    shown = tour.cells["overview"].outputs[-1].data
    assert '<img alt="' in shown["text/html"]
    assert "data:image/svg+xml;base64," in shown["text/html"]
