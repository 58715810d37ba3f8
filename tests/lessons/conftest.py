"""Lessons that have run. A test file of a lesson says `LESSON = "01"` and asks for `lesson`: one run a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode

from scripts.lessonrun import Run, run
from scripts.lessons import NOTEBOOKS


@pytest.fixture(scope="session")
def _ran() -> dict[Path, NotebookNode]:
    """What lessons looked like after their run."""
    return {}


@pytest.fixture(scope="module")
def lesson(request: pytest.FixtureRequest, _ran: dict[Path, NotebookNode]) -> Iterator[Run]:
    """The file's lesson, run top to bottom, with its kernel still there."""
    (path,) = NOTEBOOKS.glob(f"{request.module.LESSON}-*.ipynb")
    with run(path) as ran:
        _ran[path] = ran.notebook
        yield ran


@pytest.fixture(scope="session")
def executed(_ran: dict[Path, NotebookNode]) -> Callable[[Path], NotebookNode]:
    """A lesson after its run, which its own tests may have seen to already."""

    def after(path: Path) -> NotebookNode:
        if path not in _ran:
            with run(path) as ran:
                _ran[path] = ran.notebook
        return _ran[path]

    return after
