"""The first page and the teachers' page know every lesson."""

import re
from pathlib import Path

import nbformat
import pytest

from scripts.lessons import NOTEBOOKS, lessons

INDEX = NOTEBOOKS / "index.ipynb"
TEACHING = NOTEBOOKS.parent / "docs/teaching.md"
ROW = re.compile(r"^\| (\d\d) \| (?:\[(.+?)\]\((.+?)\)|([^|]+?)) \| (\d+) \|", re.MULTILINE)


def rows(text: str) -> dict[str, tuple[str, int]]:
    """The rows of a table of lessons: title and minutes by number."""
    return {row[0]: (row[1] or row[3], int(row[4])) for row in ROW.findall(text)}


@pytest.fixture(scope="module")
def index() -> str:
    return "\n\n".join(cell.source for cell in nbformat.read(INDEX, as_version=4).cells)


def test_each_lesson_is_linked_and_each_link_leads_somewhere(index: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", index)
    assert [link for link in links if link[0].isdigit()] == [path.name for path in lessons()]
    assert all((NOTEBOOKS / link).is_file() for link in links)


def test_both_pages_say_the_same(index: str) -> None:
    assert len(rows(index)) == len(lessons())
    assert rows(index) == rows(TEACHING.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_the_pages_call_a_lesson_as_it_calls_itself(path: Path, index: str) -> None:
    listed, _ = rows(index)[path.name[:2]]
    title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
    assert title == f"# {path.name[:2]} · {listed}"
