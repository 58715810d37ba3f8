"""Lesson 10: what views hold, what temporaries take, what dtypes weigh."""

from typing import Any

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "10"
KIB = 1024
#: What a million numbers take, and room for an array's head and what numpy keeps of small blocks.
ARRAY, ROOM = 8_000_000, 16 * KIB


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def by_line(report: dict[str, Any], measure: str) -> dict[int, int]:
    return {line["line"]: line[measure] for line in report["lines"]}


def test_a_function_that_returns_a_number_leaks_no_array(lesson: Run) -> None:
    cell = lesson.totals("call")
    assert -KIB < cell["net"] < KIB
    assert ARRAY - KIB <= cell["peak"] < ARRAY + ROOM
    assert sum(cell["collections"]) == 0  # It goes by itself.


def test_a_view_holds_the_whole_array_and_a_copy_its_own_bytes(lesson: Run) -> None:
    kept = by_line(lesson.report("view"), "live")
    assert ARRAY <= kept[2] < ARRAY + ROOM
    nbytes, base = lesson.value("(view.nbytes, view.base.nbytes)")
    assert (nbytes, base) == (8_000, ARRAY)
    assert nbytes <= kept[4] + 112 < nbytes + KIB  # An array's head may be one that numpy had kept.
    retained = lesson.value(
        "(cellheap.retained(view).retained.bytes, cellheap.retained(copy).retained.bytes)"
    )
    assert retained[0] >= ARRAY
    assert retained[1] < 10_000


def test_an_expression_takes_an_array_for_each_part_that_stands(lesson: Run) -> None:
    report = lesson.report("temporaries")
    temporary = by_line(report, "temporary")
    assert 2 * ARRAY <= temporary[3] < 2 * ARRAY + ROOM
    assert ARRAY <= temporary[4] < ARRAY + ROOM
    assert 3 * ARRAY <= report["cell"]["peak"] < 3 * ARRAY + ROOM
    assert lesson.value("(float(two), float(one))") == (0.0, 0.0)


def test_a_dtype_is_so_many_bytes_a_number(lesson: Run) -> None:
    doubles, singles, bools, references = (row["each"] for row in lesson.shown("dtypes")["compared"])
    for each, bytes_a_number in ((doubles, 8), (singles, 4), (bools, 1), (references, 8)):
        assert 0 < each - 10_000 * bytes_a_number < 200


def test_the_attempt_is_told_its_line(lesson: Run) -> None:
    message = lesson.error("exercise")[1]
    assert "return ((a - b) ** 2).mean()" in message
