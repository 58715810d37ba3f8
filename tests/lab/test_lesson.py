"""The first lesson as a learner meets it in JupyterLab: run all, the exercise wrong, then right, the solution folded."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.lab.conftest import Lab, OpenNotebook

ATTEMPT = "del readings  # change this line"
MENDED = 'del readings, history["monday"]'


@pytest.fixture(scope="module")
def lesson(open_notebook: Callable[[str], OpenNotebook], lab: Lab) -> OpenNotebook:
    """Lesson 01, without the outputs that it holds, every cell run from the menu."""
    without_outputs(lab.folder / "01-names.ipynb")
    notebook = open_notebook("01-names.ipynb")
    expect(notebook.kernel_name).to_have_text("Python 3 (cellheap)")
    expect(notebook.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    notebook.choose("Run", "Run All Cells")
    expect(notebook.cells.last.locator(".jp-OutputArea-output").first).to_contain_text("freed")
    return notebook


def without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


def test_run_all_goes_on_after_the_exercise_that_fails(lesson: OpenNotebook) -> None:
    expect(lesson.errors).to_have_count(1)
    expect(lesson.errors).to_contain_text("AssertionError: still alive")


def test_the_solution_is_folded_and_a_click_opens_it(lesson: OpenNotebook) -> None:
    solution = lesson.cells.last
    placeholder = solution.locator(".jp-InputPlaceholder")
    expect(placeholder).to_be_visible()
    expect(solution.locator(".cm-content")).not_to_be_visible()
    lesson.shoot("lesson-folded", solution)
    placeholder.click()
    expect(solution.locator(".cm-content")).to_contain_text(MENDED)


def test_the_exercise_passes_once_it_is_mended(lesson: OpenNotebook) -> None:
    exercise = lesson.cells.filter(has_text=ATTEMPT)
    exercise.locator(".cm-line", has_text=ATTEMPT).click()
    for key in ("End", "Shift+Home"):
        lesson.page.keyboard.press(key)
    lesson.page.keyboard.insert_text(MENDED)
    lesson.page.keyboard.press("Control+Enter")
    expect(lesson.errors).to_have_count(0)
    lesson.shoot("lesson-mended", lesson.cells.nth(-2))
