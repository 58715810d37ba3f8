"""Lesson 03: a list shrinks as it is emptied, a dict keeps its table until it is cleared."""

import sys

import pytest

from scripts.lessonrun import Run
from tests.lessons import judge
from tests.lessons.every import EveryLesson

LESSON = "03"
KIB = 1024


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


@pytest.fixture(scope="module")
def items() -> list[None]:
    grown: list[None] = []
    for _ in range(200_000):
        grown.append(None)  # as the lesson grows it
    return grown


@pytest.fixture(scope="module")
def table() -> int:
    """Bytes of the table of the lesson's dict."""
    lookup: dict[int, None] = {}
    for n in range(200_000):
        lookup[n] = None
    return sys.getsizeof(lookup) - sys.getsizeof({})


def test_a_list_has_room_to_grow(lesson: Run, items: list[None]) -> None:
    lines = {line["line"]: line for line in lesson.shown("grow")["lines"]}
    assert lines[4]["live"] == sys.getsizeof(items) - sys.getsizeof([])
    assert 1.0 < lines[4]["live"] / (8 * len(items)) < 1.13


def test_a_dict_has_its_table(lesson: Run, table: int) -> None:
    lines = {line["line"]: line for line in lesson.shown("grow")["lines"]}
    assert lines[8]["live"] == table


def test_taken_out_the_list_shrinks_and_the_dict_does_not(lesson: Run, items: list[None]) -> None:
    places = sys.getsizeof(items) - sys.getsizeof([])
    keys = 200_000 * judge.each(lambda n: n)  # An int asks for more than getsizeof says.
    # Small ints are Python's own, and what is left of list and keys is small too.
    assert -lesson.totals("take-out")["net"] == pytest.approx(places + keys, abs=16 * KIB)
    assert lesson.value("sys.getsizeof(items)") < KIB


def test_clear_gives_the_table_back(lesson: Run, table: int) -> None:
    assert 0 <= lesson.totals("clear")["freed"] - table < KIB
    assert lesson.value("(other_name is lookup, len(other_name), len(ten))") == (True, 0, 10)
    assert lesson.value("sys.getsizeof(ten)") == sys.getsizeof(dict.fromkeys(range(10)).copy())


def test_the_solution_leaves_ten(lesson: Run) -> None:
    assert lesson.value("len(registry['squares'])") == 10
    assert lesson.value("sys.getsizeof(registry['squares'])") < KIB
