"""`%memtrace N M`: what changed in live memory between the ends of two cells."""

import gc
import re
import weakref

import cellheap
import pytest

from tests.notebook.shells import Terminal

NUMBERS = "application/vnd.cellheap.v1+json"


def test_what_came_and_what_went_is_told_by_origin_and_line(notebook: Terminal) -> None:
    notebook.run("a = bytes(50_000)")  # In[2]
    notebook.run("b = 1\nc = bytes(70_000)")  # In[3]
    notebook.run("del a\nd = bytes(9_000)")  # In[4]
    diff = cellheap.diff(2, 4)
    by_label = {origin.label: origin for origin in diff.origins}
    lines = {(origin.label, line.line): line.net for origin in diff.origins for line in origin.lines}
    empty = b"".__sizeof__()
    assert lines["In[3]", 2] == 70_000 + empty
    assert lines["In[2]", 1] == -50_000 - empty
    assert lines["In[4]", 2] == 9_000 + empty
    assert by_label["In[2]"].blocks == -1
    assert diff.net == sum(origin.net for origin in diff.origins)
    assert cellheap.diff(2, 3).net + cellheap.diff(3, 4).net == diff.net


def test_the_difference_agrees_with_the_live_table(notebook: Terminal) -> None:
    notebook.run("kept = []")
    for _ in range(5):
        notebook.run("kept.append([bytes(1000) for _ in range(10)])\nif len(kept) > 3: kept.pop(0)")
    live = {origin.cell.label: origin.cell.live for origin in cellheap.live().origins}
    ended = cellheap.cells[notebook.number].cell.label
    told = {origin.label: origin.net for origin in cellheap.diff(2, notebook.number).origins}
    for label in ("In[5]", "In[6]", ended):
        assert told[label] == live[label] > 10_000
    assert told.get("In[3]", 0) + told.get("In[4]", 0) < 1000  # at most what runs of code keep


def test_the_sentence_names_the_biggest_change(notebook: Terminal) -> None:
    notebook.run("pass")
    notebook.run("x = 1\nbig = bytes(10_000_000)")
    notebook.run("%memtrace 2 3")
    (shown,) = notebook.shown
    text = " ".join(shown["text/plain"].split())
    assert re.match(
        r"From the end of In\[2\] to the end of In\[3\] live memory became 9\.54 MiB more;"
        r" the biggest change \(\+9\.54 MiB\) is of In\[3\], line 2\.",
        text,
    )
    assert shown[NUMBERS]["kind"] == "diff"
    assert shown[NUMBERS]["net"] >= 10_000_000
    assert "In[3], line 2" in shown["text/html"]


def test_a_cell_that_runs_is_told_up_to_now(notebook: Terminal) -> None:
    notebook.run("pass")
    notebook.run("big = bytes(5_000_000)\nd = %memtrace 2 3")
    diff = notebook.names["d"]
    assert diff.to_now
    assert diff.net >= 5_000_000
    assert "to now, while In[3] runs" in " ".join(str(diff).split())


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("3 2", r"In\[2\] did not end after In\[3\]: the earlier cell comes first"),
        ("2 2", r"In\[2\] did not end after In\[2\]: the earlier cell comes first"),
        ("2 77", r"there is no In\[77\]: the cells recorded are In\[1\] to In\[4\]"),
        ("4 2", r"when In\[4\] ended is not known: it runs still, or it was forgotten"),
        ("2 3 4", r"%memtrace 2 does not know '3 4'"),
        ("2 x", r"%memtrace 2 does not know 'x'"),
    ],
)
def test_cells_that_cannot_be_compared_get_a_clear_line(notebook: Terminal, line: str, wrong: str) -> None:
    notebook.run("pass")
    notebook.run("pass")
    assert not notebook.run(f"%memtrace {line}").success
    (complaint,) = notebook.complaint.splitlines()
    assert re.search(wrong, complaint), complaint
    assert notebook.shown == []


def test_a_stretch_without_recording_is_said(notebook: Terminal) -> None:
    notebook.run("pass")
    notebook.run("%memtrace stop\n%memtrace start")
    notebook.run("pass")
    assert not notebook.run("%memtrace 2 4").success
    assert "recording stopped between In[2] and In[4]: what changed is not known" in notebook.complaint


def test_a_difference_holds_nothing(notebook: Terminal) -> None:
    notebook.run("class Thing: pass")
    notebook.run("thing = Thing(); thing.big = bytes(100_000)")
    watched = weakref.ref(notebook.names["thing"])
    notebook.run("d = %memtrace 2 3\nd")
    notebook.run("del thing")
    gc.collect()
    assert watched() is None
