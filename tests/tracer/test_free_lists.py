"""Python's free lists: what a cell let go of is freed though the list has it, and what it makes is its own though a list had it."""

import sys

import pytest

from tests.tracer.conftest import Run

# Types that have a free list, many of each, and what Python says that one takes.
KINDS = {
    "tuple": "(n, n)",
    "list": "[n]",
    "dict": "{'a': n}",
    "empty dict": "{}",
    "float": "n * 0.5",
    "long tuple": "(n,) * 20",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_that_deletes_all_it_made_keeps_nothing(run: Run, kind: str) -> None:
    program = f"""
from notebook import *
book = Notebook()
cell = book.run("x = [{KINDS[kind]} for n in range(1000)]\\ndel x")
after = report(cell)['cell']
import gc; gc.collect()
say([after, report(cell)['cell']])
"""
    after, collected = run(program)
    assert after["allocated"] > 1000 * 24
    assert after["live_at_end"] == collected["live"] == 0
    assert after["freed"] == after["allocated"]
    # Nothing is left that a full collection would give back.
    assert after["live"] == collected["live"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cell_makes_is_its_own_though_others_left_such_objects(run: Run, kind: str) -> None:
    program = f"""
from notebook import *
import sys
book = Notebook()
book.run("x = [{KINDS[kind]} for n in range(1000)]\\ndel x")
left = [{KINDS[kind]} for n in range(1000)]
del left
cell = book.run("n = 7\\ny = {KINDS[kind]}")
say([report(cell)['cell']['live'], sys.getsizeof(book.names['y'])])
"""
    live, size = run(program)
    assert live == size


def test_what_is_made_after_a_cell_is_not_its(run: Run) -> None:
    program = """
from notebook import *
book = Notebook()
cell = book.run("x = [(n, n) for n in range(1000)]\\ndel x")
others = [(n, n) for n in range(1000)]
say(report(cell)['cell']['live'])
"""
    assert run(program) == 0


SPAN = """
from notebook import *
book = Notebook()
book.names["core"] = core
book.run('''
import gc
{before}
span = core.span_begin()
{within}
said = core.span_end(span)
''')
say(json.loads(book.names["said"]))
"""
# A name that is deleted and set anew may have its dict grow.
MAKE, LET_GO = "x = [(n, n) for n in range(1000)]", "x = 0"


def test_a_block_that_deletes_all_it_made_keeps_nothing(run: Run) -> None:
    span = run(SPAN.format(before=LET_GO, within=f"{MAKE}\n{LET_GO}"))
    assert span["blocks"] > 1000 + 700  # the tuples, and the numbers that Python does not share
    assert span["freed"] == span["allocated"]


def test_what_a_block_takes_from_a_free_list_it_asked_for(run: Run) -> None:
    made = run(SPAN.format(before=LET_GO, within=MAKE))
    taken = run(SPAN.format(before=f"{MAKE}\n{LET_GO}", within=MAKE))
    assert made["net"] > 1000 * sys.getsizeof((1, 1))
    assert taken["net"] == made["net"]
    assert abs(taken["blocks"] - made["blocks"]) < 10  # arguments, say, come from free lists too


def test_what_a_collection_takes_from_a_free_list_was_nobodys(run: Run) -> None:
    span = run(SPAN.format(before=f"{MAKE}\n{LET_GO}", within="gc.collect()"))
    assert span["allocated"] < 1000
    assert span["freed"] < 1000


@pytest.mark.parametrize("allocator", ["debug", "malloc", "malloc_debug"])
def test_each_object_goes_back_by_its_own_function(run: Run, allocator: str) -> None:
    """CPython's debug allocators end the process where a block is freed by another function than made it."""
    made = ", ".join(f"[{kind} for n in range(3000)]" for kind in KINDS.values())
    program = f"""
from notebook import *
book = Notebook()
say([report(book.run({f"x = [{made}]; del x"!r}))['cell']['live'] for _ in range(3)])
"""
    assert run(program, PYTHONMALLOC=allocator) == [0, 0, 0]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="they are others from 3.14 on")
def test_they_are_found(run: Run) -> None:
    """What a running cell has let go of is in no origin but told as kept, by type."""
    program = """
from notebook import *
book = Notebook()
book.names['look'] = live
book.run("x = [(n, n) for n in range(1000)]; y = [[n] for n in range(50)]; del x, y; found = look()")
say(book.names['found']['kept'])
"""
    kept = {row["name"]: row["blocks"] for row in run(program)}
    assert kept["tuple"] >= 1000
    assert kept["list"] >= 50
