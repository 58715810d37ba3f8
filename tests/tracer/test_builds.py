"""Interpreters of other builds: what can be counted is counted right, and of the rest one line says why not."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.front import Front, start, stop
from tests.tracer.conftest import HERE, Run
from tests.tracer.test_walk import compare

ALLOCATORS = {
    "malloc": "C library",
    "malloc_debug": "debug",
    "pymalloc": None,
    "pymalloc_debug": "debug",
    "debug": "debug",
}
TELLS_OFFSETS = pytest.mark.skipif(sys.version_info < (3, 13), reason="told from 3.13 on")
STRANGE = [
    ("version(99)", "CPython 3.99 is not known"),
    ("offsets()", "the interpreter does not tell its offsets"),
    pytest.param("free_threaded()", "this is a free-threaded build of CPython", marks=TELLS_OFFSETS),
    pytest.param("moved()", "the interpreter tells other offsets than expected", marks=TELLS_OFFSETS),
]


@pytest.mark.parametrize("kind", ALLOCATORS)
def test_each_allocator_is_counted_as_the_reference_tracer_counts(run: Run, kind: str) -> None:
    cells = (
        "def f(n): return [bytes(n), bytearray(2 * n), [n] * n]\nx = [f(n) for n in range(300)]",
        "y = {str(n): f(n) for n in range(300, 700)}\ndel x[::2]\ndeep(30, leaf)\nx.extend(map(f, range(600)))",
        "del x, y\nz = ''.join(str(n) for n in range(3000))",
    )
    assert sum(compare(run, cells, PYTHONMALLOC=kind).values()) > 1_000_000


@pytest.mark.parametrize(("kind", "word"), ALLOCATORS.items())
def test_another_allocator_is_said_in_one_line(run: Run, kind: str, word: str | None) -> None:
    note = run("from notebook import *; Notebook(); say(core.trace_note())", PYTHONMALLOC=kind)
    assert (note is None) if word is None else (word in note and "\n" not in note)


@pytest.mark.parametrize("kind", ALLOCATORS)
def test_without_pymalloc_no_arena_is_older(run: Run, kind: str) -> None:
    older = run("from notebook import *; Notebook(); say(live()['arenas']['older'])", PYTHONMALLOC=kind)
    assert (older == 0) if kind.startswith("malloc") else (older > 0)


@pytest.mark.parametrize(("strange", "why"), STRANGE)
def test_an_unknown_build_is_left_alone_and_named(run: Run, strange: str, why: str) -> None:
    said, tracing, process = run(
        f"""
import strange
strange.{strange}
from notebook import *
try: core.trace_start()
except RuntimeError as error: said = str(error)
say([said, core.tracing(), json.loads(core.process())])
"""
    )
    assert said == f"{why}: only process-level numbers are shown"
    assert not tracing
    assert process["rss"] > 1 << 20


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Front]:
    """A kernel whose CPython is not known."""
    (tmp_path / "sitecustomize.py").write_text("import strange; strange.version(99)")
    path = os.pathsep.join([str(tmp_path), str(HERE)])
    front = start(tmp_path / "log", env=os.environ | {"PYTHONPATH": path}).ready()
    yield front
    stop(front)


def test_a_kernel_of_an_unknown_build_works_and_shows_the_processs_numbers(
    stranger: Front, tmp_path: Path
) -> None:
    assert stranger.run("import sys; 1 + 1").result == "2"
    why = "Memory is not recorded: CPython 3.99 is not known: only process-level numbers are shown."
    text = stranger.run("%memtrace").of("display_data")[0]["data"]["text/plain"]
    assert why in " ".join(text.split())
    assert re.search(r"^RSS +[0-9.]+ MiB$", text, re.MULTILINE)
    (error,) = stranger.run("%memtrace live").of("stream")
    assert error["text"] == f"UsageError: {why}\n"
    log = (tmp_path / "log").read_text().splitlines()
    assert [line for line in log if "RuntimeWarning" not in line] == [f"cellheap: {why}"]  # Cython's
