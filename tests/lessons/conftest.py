"""Lessons that have run. A test file of a lesson says `LESSON = "01"` and asks for `lesson`: one run a file."""

from collections.abc import Iterator

import pytest

from scripts.lessonrun import Run, run
from scripts.lessons import NOTEBOOKS


@pytest.fixture(scope="module")
def lesson(request: pytest.FixtureRequest) -> Iterator[Run]:
    """The file's lesson, run top to bottom, with its kernel still there."""
    (path,) = NOTEBOOKS.glob(f"{request.module.LESSON}-*.ipynb")
    with run(path) as ran:
        yield ran
