"""What holds of every lesson's run: its exercise done wrong and right, its committed outputs. A test file of a lesson has
these as a class of its own, so that a lesson runs once. Knows no lesson."""

import re

import nbformat
from nbformat import NotebookNode

from scripts.lessonrun import Run
from scripts.outputs import stale


def tagged(notebook: NotebookNode, tag: str) -> NotebookNode:
    """The one cell with this tag."""
    cell: NotebookNode
    (cell,) = (cell for cell in notebook.cells if tag in cell.metadata.get("tags", []))
    return cell


class EveryLesson:
    """To be inherited, beside `LESSON = "01"`."""

    def test_the_attempt_that_is_given_fails_with_a_hint(self, lesson: Run) -> None:
        outputs = tagged(lesson.notebook, "exercise").outputs
        (error,) = (output for output in outputs if output.output_type == "error")
        assert error.ename == "AssertionError"
        assert len(error.evalue.split()) >= 5

    def test_the_solution_passes_the_same_check(self, lesson: Run) -> None:
        exercise, solution = (tagged(lesson.notebook, tag) for tag in ("exercise", "solution"))
        assert not [output for output in solution.outputs if output.output_type == "error"]
        checks = re.findall(r"^(?:assert .*|.*assert_peak.*)$", exercise.source, re.MULTILINE)
        assert checks
        assert all(check in solution.source for check in checks)

    def test_the_committed_outputs_say_what_the_kernel_says(self, lesson: Run) -> None:
        committed = nbformat.read(lesson.path, as_version=4)
        why = stale(committed, lesson.notebook)
        assert why is None, f"{why}: `make lessons` writes them anew"
