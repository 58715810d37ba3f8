"""`%gcclear` of many variables: a collection each, every byte with its variable, and a word on how far it is."""

import sys

import pytest
from cellheap import weighing

from tests.notebook.shells import Terminal, cleared

COUNTED = """
import gc
full = []
def counted(phase, info):
    if phase == "start" and info["generation"] == 2:
        full.append(None)
gc.callbacks.append(counted)
"""
#: What the collector ends leaves a cycle behind that was none before.
LEAVES = """
class Leaves:
    def __init__(self):
        self.me = self
    def __del__(self):
        knot = [bytearray(100_000)]
        knot.append(knot)
first, second = Leaves(), bytearray(50_000)
"""


def collections(notebook: Terminal, count: int) -> int:
    """Full collections that deleting so many variables takes."""
    notebook.run(f"for n in range({count}): globals()[f'many_{{n:03}}'] = [n, [n]]\nfull.clear()")
    found = cleared(notebook, "many_*")
    assert sum(step.what.startswith("many_") for step in found.steps) == count
    return int(notebook.values("len(full)"))


def test_each_variable_takes_one_collection(notebook: Terminal) -> None:
    notebook.run(COUNTED)
    try:
        assert collections(notebook, 30) - collections(notebook, 10) == 20
    finally:
        notebook.run("gc.callbacks.remove(counted)")


def test_each_variable_is_told_of_what_it_gave_back(notebook: Terminal) -> None:
    notebook.run("for n in range(40): globals()[f'size_{n:03}'] = bytearray(1_000 * (n + 1))")
    freed = {step.what: step.freed for step in cleared(notebook, "size_*").steps}
    for n in range(40):
        made = bytearray(1_000 * (n + 1))
        assert freed[f"size_{n:03}"] == sys.getsizeof(made)


def test_what_a_finalizer_leaves_behind_is_not_the_next_variables(notebook: Terminal) -> None:
    notebook.run(LEAVES)
    freed = {step.what: step.freed for step in cleared(notebook, "first second").steps}
    assert freed["second"] == sys.getsizeof(bytearray(50_000))


def test_who_waits_is_told_how_far_it_is(notebook: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "_EVERY", 0.0)
    notebook.run("one, two, three = [1], [2], [3]")
    notebook.run("%gcclear one two three")
    said = [part.strip() for part in notebook.complaint.split("\r")]
    assert said == [f"cellheap lets go of variables: {n} of 3 so far" for n in (1, 2)]
    notebook.run("one = [1]")
    notebook.run("%gcclear one")
    assert not notebook.complaint


def test_who_interrupts_keeps_what_was_not_let_go_of(
    notebook: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(weighing, "_EVERY", 0.0)
    monkeypatch.setattr(weighing, "_tell", interrupt)
    notebook.run("one, two, three = [1], [2], [3]")
    assert isinstance(notebook.run("%gcclear one two three").error_in_exec, KeyboardInterrupt)
    assert "one" not in notebook.names
    assert (notebook.names["two"], notebook.names["three"]) == ([2], [3])
    # Nor does its traceback hold any of them.
    monkeypatch.undo()
    assert [step.held_by for step in cleared(notebook, "two three").steps[1:]] == [(), ()]
