"""When two runs say the same, and what is kept of a run."""

import json
import sys
import tempfile

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from scripts.outputs import clean, same, sources, stale


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Freed 3.81 MiB in 99,748 blocks", "Freed 3.9 MiB in 99,750 blocks"),
        ("In[3] keeps 100 B in 1 block", "In[3] keeps 4.0 KiB in 1 block"),
        ("it took 12 ms", "it took 1.4 s"),
        ("Freed 1 B; RSS went from 68.4 MiB to 66.4 MiB.", "Freed 1 B; RSS went from 90.1 MiB to 80.0 MiB."),
        ("peaked at 1 KiB; most of the peak is of In[1], line 2 (9 B).", "peaked at 0 B."),
        ("Freed 1.91 MiB in 3 blocks; a cycle", "Freed 1.91 MiB in 4 blocks; a cycle"),
        ("(8000056, 0)", "(8000120, 0)"),
    ],
)
def test_noise_is_no_difference(before: str, after: str) -> None:
    assert same(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("In[3] keeps 3.81 MiB", "In[3] keeps 38.1 MiB"),
        ("In[3] keeps 3.81 MiB", "In[4] keeps 3.81 MiB"),
        ("In[3], line 2", "In[3], line 3"),
        ("a is freed", "a is not freed"),
        ("2 references", "3 references"),
        ("RSS fell. Freed 1 MiB.", "RSS fell. Freed 2 MiB."),
        ("peaked at 1 MiB; most of the peak is of In[1] (9 B). It", "peaked at 2 MiB. It"),
        ("Freed 64 KiB", "Freed 0 B"),
        ("True", "False"),
        ("nothing", "something"),
    ],
)
def test_another_fact_is_a_difference(before: str, after: str) -> None:
    assert not same(before, after)


def test_of_a_cell_that_varies_the_words_are_compared() -> None:
    assert same("took 100 MiB", "took 900 MiB", numbers=False)
    assert not same("took 100 MiB", "gave 100 MiB", numbers=False)


def ran(
    source: str = "1", value: str = "1", tags: tuple[str, ...] = (), version: str = "3.13.1"
) -> NotebookNode:
    """A notebook of one cell that has shown a value."""
    shown = new_output("execute_result", {"text/plain": value}, execution_count=1)
    cell = new_code_cell(source, outputs=[shown], id="only", metadata={"tags": list(tags)})
    notebook: NotebookNode = new_notebook(cells=[cell])
    notebook.metadata["language_info"] = {"name": "python", "version": version}
    return notebook


def test_outputs_of_other_code_are_stale() -> None:
    committed = clean(ran("1"))
    committed.cells[0].source = "2"
    assert "code has changed" in (stale(committed, ran("2")) or "")


def test_outputs_with_other_numbers_are_stale() -> None:
    assert stale(clean(ran(value="3.81 MiB")), ran(value="3.82 MiB")) is None
    told = stale(clean(ran(value="3.81 MiB")), ran(value="5.00 MiB"))
    assert told == "cell 'only' says '5.00 MiB', and the committed output says '3.81 MiB'"
    assert stale(clean(ran(value="3.81 MiB", tags=("varies",))), ran(value="5.00 MiB")) is None


def test_progress_is_no_output() -> None:
    fresh = ran()
    fresh.cells[0].outputs.insert(0, new_output("stream", name="stderr", text="looks at objects"))
    assert stale(clean(ran()), fresh) is None


def test_an_output_that_is_missing_is_stale() -> None:
    fresh = ran()
    fresh.cells[0].outputs = []
    assert "'nothing'" in (stale(clean(ran()), fresh) or "")


def test_another_minor_is_judged_by_its_code() -> None:
    assert stale(clean(ran(value="3.81 MiB", version="3.13.1")), ran(value="9 MiB", version="3.11.9")) is None


def test_what_is_said_on_the_way_is_not_kept() -> None:
    slow = ran()
    said = "cellheap looks at all objects: 2.2 million steps so far   \r"
    slow.cells[0].outputs[:0] = [new_output("stream", name="stderr", text=said * 2 + "\n")]
    assert clean(slow).cells[0].outputs == clean(ran()).cells[0].outputs
    assert stale(clean(ran()), slow) is None
    before, after = (
        "Freed 3 MiB; 15 objects in reference cycles were garbage; RSS fell.",
        "Freed 3 MiB; RSS fell.",
    )
    assert stale(clean(ran(value=before)), ran(value=after)) is None


def test_what_is_kept_has_no_paths_and_no_frames_of_libraries() -> None:
    frames = ["----", "Cell In[1], line 1", f"\x1b[36mFile \x1b[39m{sys.prefix}/lib/x.py:3, in f()"]
    failed = new_output("error", ename="AssertionError", evalue="no", traceback=frames)
    shown = new_output(
        "display_data", {"application/x+json": {f"{tempfile.gettempdir()}/ipykernel_12/3.py": [1]}}
    )
    notebook = ran()
    notebook.cells[0].outputs = [failed, shown]
    kept = clean(notebook)
    assert kept.cells[0].outputs[0].traceback == frames[:2]
    assert kept.cells[0].outputs[1].data == {"application/x+json": {"temporary/ipykernel/3.py": [1]}}
    assert sys.prefix not in json.dumps(kept)
    assert kept.metadata.cellheap.sources == sources(notebook)
    nbformat.validate(kept)


def test_a_few_bytes_that_go_now_and_now_do_not_are_no_news() -> None:
    little, nothing = "Freed 45 B in 1 block; it stays.", "Nothing of the notebook's was freed; it stays."
    assert stale(clean(ran(value=little)), ran(value=nothing)) is None
    assert stale(clean(ran(value="Freed 45 KiB in 1 block; it stays.")), ran(value=nothing)) is not None
