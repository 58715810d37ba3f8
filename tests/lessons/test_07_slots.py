"""Lesson 07: what `__slots__` saves is what getsizeof leaves out."""

from typing import Any

import pytest

from scripts.lessonrun import Run
from tests.lessons import judge
from tests.lessons.every import EveryLesson

LESSON = "07"
MANY = 20_000


class Plain:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


@pytest.fixture(scope="module")
def compared(lesson: Run) -> dict[str, Any]:
    return {row["type"]: row for row in lesson.shown("compare")["compared"]}


def each(row: dict[str, Any]) -> float:
    """Bytes of one, by our books."""
    return float(row["total"] / row["times"])


@pytest.mark.parametrize("kind", [Plain, Slotted])
def test_an_object_costs_what_tracemalloc_says(kind: type, compared: dict[str, Any]) -> None:
    assert each(compared[kind.__name__]) == pytest.approx(judge.each(lambda _: kind(1, 2)), abs=1)


def test_getsizeof_leaves_out_what_slots_save(compared: dict[str, Any]) -> None:
    plain, slotted = compared["Plain"], compared["Slotted"]
    assert each(slotted) == slotted["claimed"]
    assert each(plain) >= plain["claimed"] + 32
    assert plain["claimed"] - slotted["claimed"] <= 8
    # 3.12 keeps two attributes in 32 bytes, the others in 40.
    assert each(plain) - each(slotted) >= 32


def test_many_cost_as_many_times_one(lesson: Run, compared: dict[str, Any]) -> None:
    lines = {line["line"]: line["live"] for line in lesson.shown("many")["lines"]}
    saved = MANY * (each(compared["Plain"]) - each(compared["Slotted"]))
    assert lines[2] - lines[3] == pytest.approx(saved, rel=0.02)


def test_looking_at_dict_makes_it(lesson: Run) -> None:
    assert lesson.totals("look-at-dict")["live_at_end"] >= MANY * 48


def test_the_solution_has_slots_alone(lesson: Run) -> None:
    assert lesson.value("sys.getsizeof(pixels[0])") == 24 + 16 + 24 - 8
    assert lesson.value("hasattr(pixels[0], '__dict__')") is False
