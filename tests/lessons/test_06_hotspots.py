"""Lesson 06: tracemalloc and our books agree on what Python asks for; the peak's lines and C memory are ours."""

from typing import Any

import numpy as np
import pytest

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "06"
KIB = 1024


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


@pytest.fixture(scope="module")
def lines(lesson: Run) -> dict[int, Any]:
    """What `%%memtrace` says of the lines of `work`."""
    return {line["line"]: line for line in lesson.shown("memtrace")["lines"]}


@pytest.fixture(scope="module")
def judged(lesson: Run) -> dict[int, int]:
    """Live bytes of the lines of `work`, by tracemalloc."""
    told = "{s.traceback[0].lineno: s.size for s in snapshot.filter_traces([own]).statistics('lineno')}"
    return dict(lesson.value(told))


def test_they_agree_on_what_stays(lines: dict[int, Any], judged: dict[int, int]) -> None:
    assert lines[7]["live"] > 1_500_000
    # Floats that Python has in stock are asked for by nobody.
    assert abs(lines[7]["live"] - judged[7]) <= 200 * 24


def test_they_agree_on_the_peak(lesson: Run) -> None:
    assert abs(lesson.totals("memtrace")["peak"] - lesson.value("peak")) < 16 * KIB


def test_only_ours_knows_the_line_of_the_peak(lines: dict[int, Any], judged: dict[int, int]) -> None:
    assert lines[8]["peak"] > 10_000_000
    assert judged.get(8, 0) < KIB


def test_only_ours_sees_the_c_library(lesson: Run, lines: dict[int, Any], judged: dict[int, int]) -> None:
    assert lines[11]["live"] >= 3_000 * 1_000
    assert judged.get(11, 0) < KIB


def test_the_numpy_function_does_not_leak(lesson: Run) -> None:
    calls, both = lesson.totals("no-leak"), 2 * np.ones((1000, 500)).nbytes
    assert 10 * both <= calls["allocated"] < 10 * both + 64 * KIB
    assert both <= calls["peak"] < both + 64 * KIB
    assert abs(calls["net"]) < 16 * KIB


def test_the_solution_has_the_same_answer(lesson: Run) -> None:
    assert lesson.value("answer == sum(len(line) for line in lines) / len(lines)") is True
