"""Lesson 08: a cycle is found and drawn before it is collected, and a weak arrow makes none."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "08"
KIB = 1024
CONTENT = 4 * sys.getsizeof(bytearray(500_000))


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_del_of_the_root_frees_nothing(lesson: Run) -> None:
    assert 0 <= lesson.totals("tree")["live_at_end"] - CONTENT < 8 * KIB
    assert lesson.totals("del-root")["freed"] < KIB


def test_the_cycle_is_found_and_nothing_collected(lesson: Run) -> None:
    biggest = lesson.shown("found")["cycles"][0]
    assert 0 <= biggest["retained"]["bytes"] - CONTENT < 4 * KIB
    # Four folders and the root's list of children; the other lists are empty and in no cycle.
    assert biggest["objects"] == 5
    assert {words.strip(".") for *_, words in biggest["arrows"]} >= {"parent"}
    assert lesson.totals("found")["freed"] < CONTENT
    assert sum(lesson.totals("found")["collections"]) == 0


def test_a_collection_frees_it(lesson: Run) -> None:
    assert 0 <= lesson.shown("collected")["freed"] - CONTENT < 16 * KIB


def test_with_a_weak_parent_del_frees_all_at_once(lesson: Run) -> None:
    weak = lesson.totals("weak-tree")
    assert weak["freed"] >= CONTENT
    assert weak["live_at_end"] < 8 * KIB
    assert sum(weak["collections"]) == 0


def test_the_solution_needs_no_collector(lesson: Run) -> None:
    assert lesson.value("t.report.freed") >= CONTENT / 2
    assert lesson.value("gc.isenabled()") is True
