"""Lesson 05: a weak reference finds an object and does not keep it."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "05"
KIB = 1024
PIXELS = 10 * sys.getsizeof(bytearray(1_000_000))


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_ten_pictures_are_made(lesson: Run) -> None:
    assert 0 <= lesson.totals("strong")["live_at_end"] - PIXELS < 16 * KIB


def test_the_list_and_the_dict_hold_one_the_weak_dictionary_does_not(lesson: Run) -> None:
    shown = lesson.shown("holders")
    assert {chain["text"] for chain in shown["chains"]} == {"pictures[0]", "strong['picture 0']"}
    assert shown["weak"] == 1


def test_without_the_list_the_dict_keeps_them(lesson: Run) -> None:
    assert lesson.totals("del-list")["freed"] < 16 * KIB
    assert lesson.text("del-list").startswith("10 in the dict, 10 in the weak dictionary\n")


def test_without_the_dict_they_go_at_once(lesson: Run) -> None:
    assert 0 <= lesson.totals("clear-strong")["freed"] - PIXELS < 16 * KIB
    assert sum(lesson.totals("clear-strong")["collections"]) == 0
    assert lesson.value("(len(strong), len(weak))") == (0, 0)
    assert f"third (Picture) died in In[{lesson.number('clear-strong')}]." in lesson.text("clear-strong")


def test_the_solution_holds_no_picture_longer_than_it_is_used(lesson: Run) -> None:
    # The new one is there before the name leaves the last.
    assert lesson.value("t.report.peak") < 2 * PIXELS / 10 + 16 * KIB
    assert lesson.value("len(cache)") == 0
