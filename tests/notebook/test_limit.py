"""Real cells run into a limit: each ends with CellMemoryLimit at its line, and the notebook goes on."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.shells import Kernel, kernel_of

MIB = 1 << 20
#: How far live memory may grow in these tests, and what a library may keep of a run.
ROOM, LEFT = 24 * MIB, MIB

#: What a cell runs, and the line that goes past the limit.
PROGRAMS = {
    "list growth": (2, "while True:\n    rows.append([1])"),
    "list of small things in C": (1, "rows.extend(range(10**9, 2 * 10**9))"),
    "list comprehension": (1, "rows = [[i] for i in range(10**8)]"),
    "dict growth": (1, "for i in range(10**8): table[i] = str(i)"),
    "set growth": (1, "found = {str(i) for i in range(10**8)}"),
    "bytes": (2, "n = 100 << 20\nb = bytes(n)"),
    "bytes * n": (1, "b = b'ab' * (50 << 20)"),
    "bytearray": (3, "b = bytearray()\nwhile True:\n    b += b'x' * 10_000"),
    "numpy zeros": (1, "z = np.zeros(10**8)"),
    "numpy ones": (1, "z = np.ones(10**8)"),
    "numpy concatenate": (1, "z = np.concatenate([big] * 20)"),
    "numpy arithmetic": (2, "z = [big]\nwhile True: z.append(z[-1] + 1)"),
    "pandas concat": (1, "z = pd.concat([frame] * 20)"),
    "pandas read_csv": (2, "import io\nz = pd.read_csv(csv)"),
    "string building": (3, "s = ''\nwhile True:\n    s += 'x' * 100_000"),
    "string join": (1, "s = ''.join(str(i) for i in range(10**8))"),
    "recursion": (2, "def deep(n):\n    here = [0] * 100_000\n    return deep(n + 1)\ndeep(0)"),
    "a thread of a pool": (
        4,
        "def work():\n    mine = []\n    while True:\n        mine.append([1])\n"
        "with ThreadPoolExecutor(2) as pool:\n    pool.submit(work).result()",
    ),
    "asyncio": (
        4,
        "async def grow():\n    mine = []\n    while True:\n        mine.extend([1] for _ in range(1000)); await asyncio.sleep(0)\nawait grow()",
    ),
    "a generator": (3, "def give():\n    while True:\n        yield object()\nz = list(give())"),
    "a large request in a library": (
        2,
        "import copy\nz = copy.deepcopy([big] + [big + i for i in range(20)])",
    ),
    # The line of the notebook's that runs is the magic's.
    "under %%time": (1, "%%time\nwhile True:\n    rows.append([1])"),
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    csv = tmp_path_factory.mktemp("data") / "big.csv"
    row = ",".join("0.123456" for _ in range(8)) + "\n"
    csv.write_text("abcdefgh".replace("", ",")[1:-1] + "\n" + row * 600_000)
    with kernel_of("cellheap") as running:
        prepare(running)
        prepare_pandas(running, csv)
        yield running


def prepare(kernel: Kernel) -> None:
    setup = """
        import asyncio, gc, sys, threading
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np
        from cellheap import _core
        keep, big = {"a": [1, 2, 3]}, np.ones(1 << 18)
        sys.setrecursionlimit(10**6)
        rows, table = [], {}
        live = lambda: _core.limit_state()[1]
    """
    reply, _ = kernel.run(textwrap.dedent(setup))
    assert reply["status"] == "ok", reply


def prepare_pandas(kernel: Kernel, csv: Path) -> None:
    reply, _ = kernel.run(
        f"import pandas as pd\nframe, csv = pd.DataFrame({{'a': big}}), {str(csv)!r}\n"
        "pd.read_csv(csv, nrows=10); pd.concat([frame, frame]); copies = [frame]"
    )
    assert reply["status"] == "ok", reply


def limited(kernel: Kernel, room: int = ROOM) -> int:
    """Sets a limit so much above what is live, which is told."""
    live = int(kernel.value("gc.collect(); live()"))
    reply, _ = kernel.run(f"%memtrace limit {live + room}")
    assert reply["status"] == "ok", reply
    return live


def stopped_at(reply: dict[str, object]) -> int:
    """The line of this cell that the reply's CellMemoryLimit names."""
    assert (reply["status"], reply["ename"]) == ("error", "CellMemoryLimit"), reply
    first = str(reply["evalue"]).splitlines()[0]
    found = re.match(rf"In\[{reply['execution_count']}\], line (\d+)", first)
    assert found, first
    return int(found[1])


@pytest.mark.parametrize(("line", "source"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_cell_that_goes_past_the_limit_is_stopped_at_its_line(
    kernel: Kernel, line: int, source: str
) -> None:
    before = limited(kernel)
    reply, _ = kernel.run(source)
    assert stopped_at(reply) == line
    left = "rows.clear(); table.clear(); z = s = b = found = None; gc.collect(); live()"
    assert int(kernel.value(left)) < before + LEFT
    whole = "(keep, float(big.sum()), len(frame), len(copies)) == ({'a': [1, 2, 3]}, 2.0**18, 2**18, 1)"
    assert kernel.value(whole) == "True"


def test_what_is_asked_for_up_to_the_limit_is_given(kernel: Kernel) -> None:
    limited(kernel)
    reply, _ = kernel.run(f"b = bytes({ROOM - 2 * MIB})")
    assert reply["status"] == "ok", reply
    reply, _ = kernel.run(f"c = bytes({3 * MIB})")
    assert stopped_at(reply) == 1
    reply, _ = kernel.run(f"del b\nc = bytes({3 * MIB})\ndel c")
    assert reply["status"] == "ok", reply


def test_the_words_say_what_was_asked_where_and_what_holds_the_most(kernel: Kernel) -> None:
    limited(kernel)
    reply, _ = kernel.run("held = bytearray(20 << 20)")
    holds = reply["execution_count"]
    reply, outputs = kernel.run("more = 1\nmore = bytes(10 << 20)")
    words = reply["evalue"].splitlines()
    assert f"In[{reply['execution_count']}], line 2 asked for 10.0 MiB where " in words[0]
    assert words[1] == "What holds the most:"
    assert f"20.0 MiB  In[{holds}], line 1: held = bytearray(20 << 20)" in reply["evalue"]
    assert "held (bytearray, 20.0 MiB)" in reply["evalue"]
    assert "%memtrace limit off" in words[-1]
    (shown,) = (one["content"] for one in outputs if one["type"] == "error")
    assert shown["ename"] == "CellMemoryLimit"
    assert "CellMemoryLimit" in shown["traceback"][-1]
    assert not any("_ArrayMemoryError" in part for part in shown["traceback"])
    assert kernel.value("held = None; more") == "1"


@pytest.mark.parametrize(
    "work",
    ["while True:\n        mine = [mine, 1]", "mine = bytes(100 << 20)"],
    ids=["small blocks", "large"],
)
def test_a_thread_of_its_own_is_stopped_and_the_cell_goes_on(kernel: Kernel, work: str) -> None:
    before = limited(kernel)
    reply, outputs = kernel.run(
        f"def work():\n    mine = None\n    {work}\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\nprint('on')"
    )
    assert reply["status"] == "ok", reply
    said = "".join(one["content"]["text"] for one in outputs if one["type"] == "stream")
    assert "CellMemoryLimit" in said
    assert said.rstrip().endswith("on") or "on\n" in said
    assert f"In[{reply['execution_count']}], line {work.count(chr(10)) + 3}" in said
    assert int(kernel.value("gc.collect(); live()")) < before + LEFT


def test_without_a_limit_nothing_is_stopped(kernel: Kernel) -> None:
    kernel.run("%memtrace limit off")
    assert kernel.value("len([[i] for i in range(10**6)]), np.ones(10**7).sum()").startswith("(1000000")
