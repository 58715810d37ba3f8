"""Lesson 04: `with` closes at the end of its block, also when an error leaves it."""

import io
import re

import pytest

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "04"
KIB = 1024
#: IPython's history has its own open while it saves what was typed: a database and its journal.
OTHERS = 2


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def left_open(sentence: str) -> int:
    """The first number of what a cell prints: files of the whole process."""
    (number,) = re.findall(r"-?\d+", sentence)[:1]
    return int(number)


def test_fifty_files_stay_open_in_a_list(lesson: Run) -> None:
    assert left_open(lesson.text("left-open")) == pytest.approx(50, abs=OTHERS)


def test_their_buffers_are_memory(lesson: Run) -> None:
    lines = {line["line"]: line for line in lesson.shown("open-all")["lines"]}
    assert lines[3]["live"] >= 50 * min(io.DEFAULT_BUFFER_SIZE, 8 * KIB)


def test_a_with_block_leaves_none(lesson: Run) -> None:
    block = lesson.totals("with-block")
    assert left_open(lesson.text("on-error").splitlines()[0]) == pytest.approx(-50, abs=OTHERS)
    assert block["freed"] - block["allocated"] >= 50 * 8 * KIB
    assert block["live_at_end"] < 64 * KIB


def test_an_error_closes_them_too(lesson: Run) -> None:
    told = lesson.text("on-error").splitlines()
    assert left_open(told[1]) == pytest.approx(50, abs=OTHERS)
    assert told[2].startswith("failed: invalid literal")
    assert left_open(told[3]) == pytest.approx(0, abs=OTHERS)
    assert told[3].endswith("and the list has 50 file objects")


def test_the_cells_counts_are_the_systems(lesson: Run) -> None:
    start, end = (lesson.totals("open-all")[f"open_files_{when}"] for when in ("start", "end"))
    assert end - start == pytest.approx(50, abs=OTHERS)
    assert lesson.totals("with-block")["open_files_end"] == pytest.approx(start, abs=OTHERS)
    links = "[os.readlink(link) for link in Path('/proc/self/fd').iterdir() if link.is_symlink()]"
    inside = f"(os := __import__('os'), sum(link.startswith(folder.name) for link in {links}))[1]"
    assert lesson.value(f"({inside}, Path(folder.name).exists())") == (0, False)


def test_the_solution_empties_the_workspace(lesson: Run) -> None:
    assert lesson.value("len(room)") == 0
    assert lesson.value("t.report.peak") >= 5_000_000
