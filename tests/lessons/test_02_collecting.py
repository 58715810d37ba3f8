"""Lesson 02: cycles wait for the collector, the old ones for a full collection."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "02"
KIB = 1024
LOAD = sys.getsizeof(bytearray(2_000_000))


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_the_ring_is_alive_without_a_name(lesson: Run) -> None:
    ring = lesson.totals("ring")
    assert 2 * LOAD <= ring["live_at_end"] < 2 * LOAD + 8 * KIB


def test_a_collection_of_the_young_frees_it(lesson: Run) -> None:
    young = lesson.totals("young")
    assert young["freed"] >= 2 * LOAD
    assert young["collections"] == (1, 0, 0)


def test_and_does_not_look_at_what_is_old(lesson: Run) -> None:
    assert lesson.totals("grown-old")["live_at_end"] >= LOAD
    assert lesson.totals("youngest-only")["collections"] == (1, 0, 0)
    assert lesson.totals("youngest-only")["freed"] < 64 * KIB


def test_a_full_collection_does(lesson: Run) -> None:
    shown = lesson.shown("everything")
    assert shown["freed"] >= LOAD
    assert lesson.totals("everything")["collections"][2] == 1
    assert lesson.totals("grown-old")["live"] < KIB


def test_the_collector_is_on_again(lesson: Run) -> None:
    assert lesson.value("gc.isenabled()") is True
