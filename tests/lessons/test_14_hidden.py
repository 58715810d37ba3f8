"""Lesson 14: what Out, the last exception and pyplot keep, by the bytes."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "14"
KIB = 1024
TABLE, ROWS = (sys.getsizeof(bytearray(size)) for size in (8_000_000, 5_000_000))


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_del_of_a_shown_value_frees_nothing(lesson: Run) -> None:
    assert lesson.shown("del-table")["cell"]["freed"] < KIB


def test_all_three_are_told_with_what_they_would_give_back(lesson: Run) -> None:
    hidden = {row["option"]: row["bytes"] for row in lesson.shown("gcclear")["hidden"]}
    assert TABLE <= hidden["--out"] < TABLE + 64 * KIB
    assert ROWS <= hidden["--traceback"] < ROWS + 64 * KIB
    assert hidden["--figures"] > 0


def test_each_option_gives_its_own_back(lesson: Run) -> None:
    steps = {step["what"]: step["freed"] for step in lesson.shown("cleared")["steps"]}
    assert TABLE <= steps["the output history"] < TABLE + 64 * KIB
    assert ROWS <= steps["the last exception"] < ROWS + 64 * KIB
    # An agg canvas of 640 by 480 has four bytes for each of its points.
    assert steps["5 pyplot figures"] > 5 * 640 * 480 * 4
    assert lesson.value("plt.get_fignums()") == []


def test_the_memory_is_gone_in_the_end(lesson: Run) -> None:
    assert lesson.totals("show")["live"] < 64 * KIB
    assert lesson.totals("fails")["live"] < 64 * KIB


def test_messages_need_no_rows(lesson: Run) -> None:
    assert lesson.value("(t.report.net < 8 * 1024, len(errors))") == (True, 5)
