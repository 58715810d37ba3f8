"""Lesson 11: a list has all of a file, a generator a line of it."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "11"
KIB = 1024
LINES = 300_000


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_the_list_has_the_file_several_times(lesson: Run) -> None:
    size = int(lesson.text("file").split()[0].replace(",", ""))
    # At the peak: a text for each line, a reference to it, and a number with its reference.
    least = size + LINES * (sys.getsizeof("") + 8 + sys.getsizeof(0.5) + 8)
    assert lesson.totals("whole")["peak"] >= least > 3 * size


def test_the_generator_has_one_line_and_the_same_total(lesson: Run) -> None:
    assert lesson.totals("generator")["peak"] < 64 * KIB
    assert lesson.value("(total, same_total)") == (sum(n % 97 + 0.5 for n in range(LINES)),) * 2


def test_chunks_are_two_at_the_most(lesson: Run) -> None:
    assert lesson.totals("chunks")["peak"] < 2 * 64 * KIB + 16 * KIB
    assert lesson.value("count") == LINES


def test_a_generator_goes_once(lesson: Run) -> None:
    assert lesson.text("used-up").split()[-1] == "0"
    assert lesson.value("sum(once)") == 0


def test_the_solution_keeps_five(lesson: Run) -> None:
    assert lesson.value("largest") == [96.5] * 5
    assert lesson.error("exercise")[1].startswith("the block peaked at ")


def test_the_file_is_gone(lesson: Run) -> None:
    assert lesson.value("path.exists()") is False
