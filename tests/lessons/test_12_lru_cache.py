"""Lesson 12: a cache without a bound keeps all, one of eight keeps eight, whatever they weigh."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "12"
KIB = 1024
PAGE = sys.getsizeof(bytearray(100_000))


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_without_a_bound_all_results_stay(lesson: Run) -> None:
    assert 200 * PAGE <= lesson.shown("unbounded")["cell"]["net"] < 200 * PAGE + 64 * KIB


def test_with_a_bound_eight_stay_and_one_more_is_there_for_a_moment(lesson: Run) -> None:
    cell = lesson.shown("bounded")["cell"]
    assert 8 * PAGE <= cell["net"] < 8 * PAGE + 8 * KIB
    assert 9 * PAGE <= cell["peak"] < 9 * PAGE + 8 * KIB
    assert cell["allocated"] >= 200 * PAGE


def test_a_bound_counts_entries(lesson: Run) -> None:
    scans = sum(sys.getsizeof(bytearray(n * 1_000_000)) for n in range(1, 9))
    assert scans <= lesson.shown("entries")["cell"]["net"] < scans + 8 * KIB
    assert scans > 200 * PAGE


def test_clearing_gives_back_what_was_kept(lesson: Run) -> None:
    steps = {step["what"]: step["freed"] for step in lesson.shown("clear")["steps"]}
    assert 200 * PAGE <= steps["page's cache"] < 200 * PAGE + 64 * KIB
    assert 8 * PAGE <= steps["page_of_few's cache"] < 8 * PAGE + 8 * KIB
    assert lesson.value("page.cache_info().currsize") == 0
    assert all(lesson.totals(cell)["live"] < KIB for cell in ("unbounded", "bounded", "entries"))


def test_surveys_of_the_solution_go(lesson: Run) -> None:
    assert -8 * KIB < lesson.value("t.report.net") < 8 * KIB
    assert lesson.error("exercise")[0] == "AssertionError"
