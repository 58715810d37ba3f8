"""Lesson 09: what a failed `del` leaves, what `pop` gives back, and what `Out` keeps of it."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "09"
KIB = 1024


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def rows(size: int) -> int:
    return sys.getsizeof(bytearray(size))


def test_a_failed_del_frees_nothing_that_comes_after_the_missing_name(lesson: Run) -> None:
    assert lesson.error("del-missing") == ("NameError", "name 'resutls' is not defined")
    steps = {step["what"]: step["freed"] for step in lesson.shown("gcclear")["steps"]}
    # So it was alive until then. What the failed cell left behind may go meanwhile.
    assert abs(steps["big"] - rows(1_000_000)) < 16 * KIB


def test_what_pop_returns_is_kept_by_out_until_out_is_emptied(lesson: Run) -> None:
    assert lesson.result("pop-shown") == "a table of 4,000,000 bytes"
    assert lesson.totals("pop-shown")["net"] > 0
    steps = {step["what"]: step["freed"] for step in lesson.shown("gcclear")["steps"]}
    assert rows(4_000_000) <= steps["the output history"] < rows(4_000_000) + 64 * KIB


def test_a_key_that_is_there_gives_its_value_back(lesson: Run) -> None:
    assert 0 <= lesson.totals("del-if-there")["freed"] - rows(2_000_000) < KIB


def test_gcclear_goes_on_after_a_name_that_is_not_there(lesson: Run) -> None:
    assert lesson.shown("gcclear")["remarks"] == ["There is no variable bgi."]
    assert lesson.totals("make")["live"] < 4 * KIB


def test_the_solution_frees_two_of_three(lesson: Run) -> None:
    assert 0 <= lesson.value("t.report.freed") - 2 * rows(1_000_000) < KIB
