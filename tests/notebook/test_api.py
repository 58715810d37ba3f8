"""The Python API as a person meets it: what Tab offers, and what a mistake is answered with."""

import re

import cellheap
import pytest

from tests.notebook.shells import Terminal

BY_NAME = "a variable goes by its name, such as 'rows', not by its value: this is of type list"
MISTAKES = {
    "cellheap.clear(rows)": (TypeError, BY_NAME),
    "cellheap.clear('other', rows)": (TypeError, BY_NAME),
    "cellheap.foresee(rows)": (TypeError, BY_NAME),
    "cellheap.variables(rows)": (TypeError, BY_NAME),
    "cellheap.compare([1])": (
        TypeError,
        "expressions are compared as text, such as '[1]; (1,)': this is of type list",
    ),
    "cellheap.holders(rows, most=0)": (
        ValueError,
        "`most` says how many chains to look for, 1 or more, not 0",
    ),
    "cellheap.cycles(-1)": (ValueError, "`most` says how many cycles to draw, 0 or more, not -1"),
    "cellheap.cells[99]": (cellheap.NoSuchCellError, "there is no In[99]: "),
    "cellheap.clear('*')": (cellheap.RefusedError, "* would delete every variable"),
    "cellheap.compare('1 +')": (cellheap.CompareError, "1 + is no expression: "),
}


@pytest.mark.parametrize(("source", "answer"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_told_in_a_line_and_changes_nothing(
    notebook: Terminal, source: str, answer: tuple[type[Exception], str]
) -> None:
    notebook.run("import cellheap\nrows, other = [1], [2]")
    kind, words = answer
    with pytest.raises(kind, match=re.escape(words)) as raised:
        notebook.run(source).raise_error()
    assert "\n" not in str(raised.value)
    assert (notebook.names["rows"], notebook.names["other"]) == ([1], [2])


def test_what_tab_offers_is_what_a_person_may_use() -> None:
    offered = set(dir(cellheap))
    assert offered == set(cellheap.__all__)
    assert all(hasattr(cellheap, name) for name in offered)
    assert not {"api", "import_module", "TYPE_CHECKING"} & offered
