"""`%memtrace compare`: what it says is what the books say of cells that build the same."""

import sys

import cellheap
import numpy as np
import pytest
from cellheap.comparing import CompareError, Comparison, split

from tests.notebook.shells import Terminal

CLASSES = """
class Plain:
    def __init__(self, a, b):
        self.a, self.b = a, b
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self, a, b):
        self.a, self.b = a, b
class Wide:
    def __init__(self):
        for n in range(40):
            setattr(self, f"name{n}", None)
"""


def compared(notebook: Terminal, line: str) -> Comparison:
    notebook.run(f"result = %memtrace compare {line}").raise_error()
    result = notebook.names.pop("result")
    assert isinstance(result, Comparison)
    return result


@pytest.mark.parametrize(
    "source",
    [
        "Plain(1, 2)",
        "Slotted(1, 2)",
        "Wide()",
        "[1, 2, 3]",
        "tuple([1, 2, 3])",
        "{'a': 1, 'b': 2}",
        "{1, 2, 3}",
        "bytearray(100)",
        "'x' * 1000",
        "(n * n for n in range(10))",
        "[[] for _ in range(3)]",
        "np.ones(1000)",
    ],
)
def test_it_agrees_with_the_books(notebook: Terminal, source: str) -> None:
    """A cell that makes a thousand."""
    notebook.run(CLASSES + "import gc, numpy as np")
    one = compared(notebook, source)[0]
    # One is kept, so that the names of attributes are there and are none of the thousand's.
    notebook.run(f"make = lambda: {source}\none = make(), make()\nkept = [None] * 1000\nat = None")
    notebook.run("gc.collect()\nfor at in range(1000): kept[at] = make()\ngc.collect();").raise_error()
    report = cellheap.cells[notebook.number]
    books = sum(
        line.live
        for line in report.lines
        if (line.file, line.line) not in ((report.file, 1), (report.file, 3))
    )
    few = 8 * one.each  # from free lists, uncounted
    assert 0 <= 1000 * one.each - books + 32 <= few + 64, (books, one)


def test_a_dict_each_costs_more_than_slots_and_getsizeof_hides_it(notebook: Terminal) -> None:
    notebook.run(CLASSES)
    plain, slotted = compared(notebook, "Plain(1, 2) ; Slotted(1, 2)").compared
    assert plain.times == slotted.times == 100_000
    assert round(slotted.each, 1) == slotted.claimed == sys.getsizeof(notebook.values("Slotted(1, 2)"))
    assert plain.claimed is not None
    assert plain.each > plain.claimed
    assert plain.each > slotted.each
    notebook.run("%memtrace compare Plain(1, 2) ; Slotted(1, 2)")
    text = " ".join(notebook.shown[0]["text/plain"].split())
    ratio = plain.each / slotted.each
    assert text.startswith(
        f"Slotted(1, 2) costs {slotted.each:.0f} B each; Plain(1, 2) {plain.each:.0f} B, {ratio:.2f} times as much."
    )


def test_dtypes_and_a_generator_against_a_list(notebook: Terminal) -> None:
    notebook.run("import numpy as np")
    small, large = compared(notebook, "np.ones(10**6, 'f4') ; np.ones(10**6, 'f8')").compared
    assert abs(large.each - small.each - 4 * 10**6) < 50  # numpy keeps a few small blocks for later
    assert small.each - np.ones(10**6, "f4").nbytes < 200
    lazy, whole = compared(notebook, "(n for n in range(10**5)) ; [n for n in range(10**5)]").compared
    assert lazy.each < 1000
    assert whole.claimed is not None
    ints = range(257, 10**5)
    assert sys.getsizeof(257) <= (whole.each - whole.claimed) / len(ints) <= sys.getsizeof(257) + 4


def test_what_is_there_already_costs_nothing_and_says_so(notebook: Terminal) -> None:
    notebook.run("x = [1]")
    assert [one.total for one in compared(notebook, "x ; 5").compared] == [0, 0]
    notebook.run("%memtrace compare x ; 5")
    text = " ".join(notebook.shown[0]["text/plain"].split())
    assert text.startswith("Nothing new was made: these objects were there already.")


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("", "needs expressions to compare, as in `[1, 2] ; (1, 2)`"),
        (" ; ", "needs expressions to compare, as in `[1, 2] ; (1, 2)`"),
        ("x = 1", "x = 1 is no expression: "),
        ("[1 ; 2", "[1 is no expression: '[' was never closed"),
        ("missing ; 1", "missing: NameError: name 'missing' is not defined"),
        ("{}['key'] ; 1", "{}['key']: KeyError: 'key'"),
        ("'open", "'open is no expression: "),
    ],
)
def test_what_is_no_expression_or_fails_gets_one_line(notebook: Terminal, line: str, wrong: str) -> None:
    assert not notebook.run(f"%memtrace compare {line}").success
    (complaint,) = notebook.complaint.splitlines()
    assert wrong in complaint
    assert notebook.shown == []


def test_nothing_runs_where_one_is_no_expression(notebook: Terminal) -> None:
    notebook.run("ran = []")
    notebook.run("%memtrace compare ran.append(1) ; x +")
    assert notebook.values("ran") == []


def test_semicolons_in_strings_part_nothing() -> None:
    assert split("'a;b' ; \"c;\" ; f(1)") == ["'a;b'", '"c;"', "f(1)"]
    with pytest.raises(CompareError):
        split("")


def test_nothing_stays_of_what_was_built(notebook: Terminal) -> None:
    notebook.run(CLASSES)
    before = cellheap.live().live_notebook
    notebook.run("%memtrace compare Plain(1, 2) ; [0] * 1000")
    after = cellheap.live().live_notebook
    assert after - before < 2000
