"""Variables whose names begin with an underscore, which `%who` leaves out, hold as much as others."""

from typing import Any

from tests.notebook.shells import Terminal

NUMBERS = "application/vnd.cellheap.v1+json"
SIZE = len(bytes(10)) + bytes.__basicsize__ - 1 + 3_000_000 - 10


def rows(notebook: Terminal) -> dict[str, dict[str, Any]]:
    notebook.run("%memtrace vars")
    return {row["name"]: row for row in notebook.shown[0][NUMBERS]["variables"]}


def test_the_table_of_variables_has_them(notebook: Terminal) -> None:
    notebook.run("_big, seen = bytes(3_000_000), 1")
    found = rows(notebook)
    assert found["_big"]["retained"]["bytes"] == notebook.values("_big.__sizeof__()")
    assert {name for name in found if name.startswith("_")} == {"_big"}


def test_a_large_one_is_a_suspect(notebook: Terminal) -> None:
    notebook.run("_big = bytes(30_000_000)")
    notebook.run("%memtrace report")
    assert "Suspect 1: _big (bytes" in notebook.shown[0]["text/plain"]
    notebook.run("del _big")


def test_what_is_unpacked_into_an_underscore_is_told(notebook: Terminal) -> None:
    notebook.run("_, kept = bytes(3_000_000), 1")
    assert rows(notebook)["_"]["retained"]["bytes"] == notebook.values("_.__sizeof__()")
    notebook.run("del _")


def test_what_a_loop_counts_with_is_not(notebook: Terminal) -> None:
    notebook.run("for _ in range(5): pass")
    assert "_" not in rows(notebook)
    notebook.run("del _")


def test_ipythons_own_are_none(notebook: Terminal) -> None:
    notebook.run("[1] * 100_000")
    notebook.run("!true")
    assert not [name for name in rows(notebook) if name.startswith("_")]
    notebook.run("%reset -f out")


def test_a_pattern_leaves_them_alone(notebook: Terminal) -> None:
    notebook.run("_mine, mine = [1], [2]")
    notebook.run("%gcclear *mine")
    assert "_mine" in notebook.names
    assert "mine" not in notebook.names
    notebook.run("%gcclear _mine")
    assert "_mine" not in notebook.names
