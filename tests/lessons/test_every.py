"""What holds of every lesson as it is written; what its run shows is in `every`, for the lesson's own tests."""

import re
from pathlib import Path

import nbformat
import pytest
from cellheap.fitting import OUTPUT_LIMIT, sent
from nbformat import NotebookNode

from scripts.lessons import NOTEBOOKS, lessons
from tests.lessons.every import tagged

SLUG = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*\.ipynb")
#: The leak hunt takes as many cells as a hunt takes.
LONG = "15"

every = pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)


def committed(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@every
def test_a_lesson_is_a_notebook_of_our_kernel(path: Path) -> None:
    notebook = committed(path)
    nbformat.validate(notebook)
    assert SLUG.fullmatch(path.name)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "cellheap"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", id) for id in ids)
    assert len(notebook.cells) >= 5
    assert len(notebook.cells) <= 12 or path.name.startswith(LONG)


@every
def test_it_has_every_part(path: Path) -> None:
    notebook = committed(path)
    first = notebook.cells[0].source
    assert first.startswith(f"# {path.name[:2]} · ")
    assert "**The question.**" in first
    assert "**Your prediction.**" in first
    assert "## What happened, and why" in prose(notebook)
    assert "## Exercise" in prose(notebook)
    exercise, solution = tagged(notebook, "exercise"), tagged(notebook, "solution")
    assert "raises-exception" in exercise.metadata.tags
    assert solution.metadata.jupyter.source_hidden is True
    assert notebook.cells.index(exercise) < notebook.cells.index(solution)


@every
def test_the_committed_outputs_tell_nothing_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"/(?:root|home|tmp|work|var|usr|opt)/[\w./-]*", text)


@every
def test_it_shows_charts_in_outputs_of_a_modest_size(path: Path) -> None:
    outputs = [output for cell in committed(path).cells for output in cell.get("outputs", [])]
    assert any(
        "data:image/svg+xml;base64," in output.get("data", {}).get("text/html", "") for output in outputs
    )
    assert max(sent(output.get("data", {})) for output in outputs) <= OUTPUT_LIMIT


@every
def test_its_run_is_tested(path: Path) -> None:
    number = path.name[:2]
    (tests,) = Path(__file__).parent.glob(f"test_{number}_*.py")
    text = tests.read_text(encoding="utf-8")
    assert f'LESSON = "{number}"' in text
    assert "(EveryLesson):" in text


def test_there_are_lessons() -> None:
    numbers = [int(path.name[:2]) for path in lessons()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers, f"no lesson is in {NOTEBOOKS}"
