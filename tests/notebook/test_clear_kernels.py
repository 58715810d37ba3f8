"""`%gcclear` in kernels of their own: plain ipykernel and ours."""

import sys
from collections.abc import Iterator

import pytest

from tests.notebook.front import Front, start, stop
from tests.notebook.shells import Kernel, texts


@pytest.fixture
def plain() -> Iterator[Front]:
    """ipykernel as it comes."""
    front = start(kernel_name="python3").ready()
    yield front
    stop(front)


def test_the_garbage_of_a_start_is_nobodys(kernel: Kernel) -> None:
    """And that of a library's callback, so that there is some, whenever Python collected last."""
    kernel.run(
        "import gc; gc.disable()\n"
        "library = {}; exec(compile('def knot(_): ring = []; ring.append(ring)', '/a/library.py', 'exec'), library)\n"
        "get_ipython().events.register('pre_run_cell', library['knot'])"
    )
    _, outputs = kernel.run("x = [0] * 100_000\n%gcclear x")
    kernel.run("get_ipython().events.unregister('pre_run_cell', library['knot']); gc.enable()")
    head, rest = texts(outputs)[0].split("\n\n", 1)
    assert "reference cycles" not in head, head
    assert "none made by a cell." in " ".join(rest.split())
    _, outputs = kernel.run("ring = [0]; ring.append(ring); del ring\n%gcclear")
    assert "a reference cycle made in In[" in " ".join(texts(outputs)[0].split())


def test_what_is_older_than_tracing_is_told_of_malloc_and_of_arenas(plain: Front) -> None:
    plain.run("import os, sys\nsmall = [bytes(400) for _ in range(60_000)]\nlarge = bytearray(20_000_000)")
    plain.run("size = sum(map(sys.getsizeof, small)) + sys.getsizeof(small)")
    plain.run("%load_ext cellheap")
    size = int(plain.run("size").result)
    plain.run("cleared = %gcclear small")
    # Pools and arenas that others' blocks lie in stay.
    assert 0.9 * size < int(plain.run("cleared.steps[-1].native").result) < 1.1 * size
    fell = int(plain.run("cleared.rss_before - cleared.rss_after").result)
    assert 0.8 * size < fell
    plain.run("cleared = %gcclear large")
    assert 19_000_000 < int(plain.run("cleared.steps[-1].native").result) < 21_000_000


def test_what_is_older_than_a_new_start_is_told_so_too(kernel: Kernel) -> None:
    kernel.run("import sys\nsmall = [bytes(400) for _ in range(60_000)]")
    size = int(kernel.value("sum(map(sys.getsizeof, small)) + sys.getsizeof(small)"))
    kernel.run("%memtrace stop\n%memtrace start")
    kernel.run("cleared = %gcclear small")
    assert 0.9 * size < int(kernel.value("cleared.steps[-1].native")) < 1.1 * size


def test_the_first_use_of_a_magic_leaves_no_garbage(kernel: Kernel) -> None:
    kernel.run("import gc; gc.disable()")
    for line in ("%memtrace --help", "%%memtrace --top 2\nx = 1", "%gcclear --help", "%gcclear"):
        kernel.run("gc.collect()")
        _, outputs = kernel.run(line)
        assert outputs
        assert kernel.value("gc.collect()") == "0", line
    kernel.run("gc.enable()")


def test_the_last_exception_and_outputs_go_in_kernels_too(kernel: Kernel) -> None:
    ran, _ = kernel.run(
        "import weakref\nclass Thing: pass\nthing = Thing()\nwatched = weakref.ref(thing)\nthing"
    )
    shown = ran["execution_count"]
    reply, _ = kernel.run(
        "def f(local):\n    try:\n        1 / 0\n"
        "    except Exception as e:\n        raise KeyError from e\nf(thing)"
    )
    assert reply["ename"] == "KeyError"
    _, outputs = kernel.run("%gcclear thing")
    text = " ".join(texts(outputs)[0].split())
    # Before 3.13 the frame has a dict of its variables too.
    copy = ", frame of f in the last traceback, something in a frame['local']" * (sys.version_info < (3, 13))
    assert (
        f"thing is not freed: still held by Out[{shown}], _, _{shown} (cleared by --out)"
        f" and frame of f in the last traceback, variable local{copy} (cleared by --traceback)."
    ) in text, text
    kernel.run("%gcclear --out")
    assert kernel.value("watched() is None") == "False"
    kernel.run("%gcclear --traceback")
    assert kernel.value("watched() is None") == "True"
    assert kernel.value("_") == "True"


def test_an_awaiting_cells_exception_goes_too(kernel: Kernel) -> None:
    kernel.run("import asyncio, weakref\nclass Thing: pass")
    kernel.run(
        "async def f():\n    global watched\n    local = Thing()\n    watched = weakref.ref(local)\n"
        "    await asyncio.sleep(0)\n    1 / 0\nawait f()"
    )
    assert kernel.value("watched() is None") == "False"
    kernel.run("%gcclear --traceback")
    assert kernel.value("watched() is None") == "True"


def test_what_a_value_freed_is_exact_while_other_threads_work(kernel: Kernel) -> None:
    """They fill Python's free lists and take addresses that have become free."""
    kernel.run(
        "import sys, threading\n"
        "stop = threading.Event()\n"
        "def churn():\n"
        "    while not stop.is_set():\n"
        "        kept = [[{}, (1, str(n))] for n in range(100)]\n"
        "threads = [threading.Thread(target=churn) for _ in range(2)]\n"
        "for thread in threads: thread.start()"
    )
    for _ in range(5):
        kernel.run("x = [0] * 1_000_000\nsize = sys.getsizeof(x)")
        kernel.run("result = %gcclear x")
        step = kernel.value("[(s.freed, s.held_by) for s in result.steps if s.what == 'x'] + [size]")
        assert step == "[(8000056, ()), 8000056]"
    kernel.run("stop.set()\nfor thread in threads: thread.join()")
