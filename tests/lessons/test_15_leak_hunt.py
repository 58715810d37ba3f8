"""Lesson 15: each step of the hunt says what the next one needs, and the mend is proved."""

import sys

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "15"
KIB = 1024
RECEIPTS = 10 * sys.getsizeof(bytearray(200_000))
PICTURE = sys.getsizeof(bytearray(50_000))
#: Baskets, customers and all that is small of a day.
ROOM = 16 * KIB


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def net(lesson: Run, day: int) -> int:
    return int(lesson.shown(f"day-{day}")["cell"]["net"])


def test_each_day_leaves_ten_receipts_and_the_first_its_pictures_too(lesson: Run) -> None:
    assert 0 <= net(lesson, 2) - RECEIPTS < ROOM
    assert 0 <= net(lesson, 3) - RECEIPTS < ROOM
    assert 0 <= net(lesson, 1) - RECEIPTS - 4 * PICTURE < ROOM


def test_it_is_no_garbage(lesson: Run) -> None:
    assert lesson.shown("garbage")["freed"] < KIB
    assert not [cycle for cycle in lesson.shown("garbage")["cycles"] if "Basket" in cycle["text"]]


def test_the_difference_of_two_ends_names_line_and_holder(lesson: Run) -> None:
    shown = lesson.shown("where")
    assert 0 <= shown["net"] - RECEIPTS < ROOM
    biggest = shown["origins"][0]
    assert biggest["label"] == f"In[{lesson.number('day-3')}]"
    assert (biggest["lines"][0]["line"], biggest["lines"][0]["net"]) == (6, RECEIPTS)
    assert "prices.listeners keeps the most alive" in shown["suspect"]


def test_thirty_baskets_are_alive(lesson: Run) -> None:
    types = {row["type"]: row["objects"] for row in lesson.shown("types")["types"]}
    assert (types["Basket"], types["Customer"]) == (30, 30)


def test_the_holder_of_one_is_its_bound_method(lesson: Run) -> None:
    assert "it is held by prices.listeners[30].__self__" in lesson.text("why")
    (seen,) = lesson.shown("still")["seen"]
    assert (seen["alive"], seen["held_by"]) == (True, ["prices.listeners[30].__self__"])


def test_the_mend_lets_all_baskets_go(lesson: Run) -> None:
    assert 0 <= lesson.shown("proof-freed")["freed"] - 3 * RECEIPTS < 3 * ROOM
    assert lesson.value("sum(type(thing).__name__ == 'Basket' for thing in gc.get_objects())") == 0


def test_the_same_work_keeps_nothing_any_more(lesson: Run) -> None:
    assert -ROOM < net(lesson, 5) < ROOM
    assert sum(lesson.totals(f"day-{day}")["live"] for day in range(1, 6)) < 4 * PICTURE + 5 * ROOM


def test_ten_invoices_have_ten_pages(lesson: Run) -> None:
    assert lesson.value("lengths") == [1] * 10
    assert lesson.value("invoice.__defaults__") == (None,)
    assert -KIB < lesson.value("t.report.net") < KIB
