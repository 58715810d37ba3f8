"""Lesson 13: when pages go back to the system, held against what /proc says."""

from scripts.lessonrun import Run
from tests.lessons.every import EveryLesson

LESSON = "13"
MIB = 1 << 20
#: What else a kernel maps and gives back meanwhile.
NOISE = 8


class TestAsEveryLesson(EveryLesson):
    """Its exercise and its outputs."""


def test_rss_is_what_proc_says(lesson: Run) -> None:
    pages = "int(open('/proc/self/statm').read().split()[1]) * __import__('resource').getpagesize() / 2**20"
    ours, systems = lesson.value(f"(rss(), {pages})")
    assert abs(ours - systems) < NOISE


def test_one_large_object_comes_and_goes_in_rss(lesson: Run) -> None:
    before, there, after = lesson.value("(before, there, after)")
    assert there - before > 64 - NOISE
    assert there - after > 64 - NOISE


def test_few_small_objects_keep_many_arenas(lesson: Run) -> None:
    shown = lesson.shown("few-stay")
    assert shown["freed"] > 0.99 * lesson.totals("many-objects")["net"]
    assert shown["rss_before"] - shown["rss_after"] < shown["freed"] / 2
    (remark,) = shown["remarks"]
    assert f"most by In[{lesson.number('many-objects')}], line 2" in remark


def test_with_the_last_objects_the_arenas_go(lesson: Run) -> None:
    shown = lesson.shown("few-go")
    assert shown["freed"] < MIB / 8
    assert shown["rss_before"] - shown["rss_after"] > 15 * MIB


def test_malloc_keeps_what_was_freed_until_it_is_trimmed(lesson: Run) -> None:
    before, kept, trimmed = lesson.value("(kept.rss_before, kept.rss_after, trimmed.rss_after)")
    assert abs(before - kept) < NOISE * MIB / 2
    assert kept - trimmed > 10 * MIB


def test_one_text_pins_no_arenas(lesson: Run) -> None:
    assert lesson.error("exercise")[1].endswith(
        "fewer than 10 arenas came back: small objects pin the others"
    )
    assert lesson.value("arenas_full - arenas_now") >= 15
