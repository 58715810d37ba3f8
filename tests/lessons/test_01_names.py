"""Lesson 01: two names are one list, and the last reference frees it."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "01"
KIB = 1024
#: The numbers of a list of a million zeros, without its head, which Python keeps for the next list.
REFERENCES = sys.getsizeof([0] * 1_000_000) - sys.getsizeof([])


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_two_names_are_one_list(lesson: Run) -> None:
    lines = {line["line"]: line["allocated"] for line in lesson.report("two-names")["lines"]}
    # The heads of lists may be used again; `[0]` is there for a moment.
    assert 0 <= lines.pop(2) - REFERENCES <= 2 * sys.getsizeof([0])
    assert sum(lines.values()) < KIB


def test_the_first_del_frees_nothing(lesson: Run) -> None:
    # A few bytes that earlier cells left behind in libraries may go meanwhile.
    assert lesson.totals("del-a")["freed"] < KIB


def test_only_the_name_b_holds_it_then(lesson: Run) -> None:
    assert lesson.text("why").startswith(
        "Only the name b holds it: `del b` and a collection give back 7.63 MiB"
    )


def test_the_second_del_frees_it_at_once(lesson: Run) -> None:
    assert 0 <= lesson.totals("del-b")["freed"] - REFERENCES < KIB
    assert sum(lesson.totals("del-b")["collections"]) == 0
    assert lesson.totals("two-names")["live"] <= sys.getsizeof([]) + KIB


def test_the_solution_frees_list_and_floats(lesson: Run) -> None:
    # Python keeps a hundred floats for the next ones.
    most = 200_000 * (sys.getsizeof(0.5) + 8)
    assert most - 100 * sys.getsizeof(0.5) <= lesson.value("t.report.freed") < 1.1 * most
