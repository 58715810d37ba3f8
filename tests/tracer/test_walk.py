"""Where bytes came from: the line, however the code that asked was reached; and the walk's caches against a plain walk."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.tracer.conftest import Run
from tests.tracer.programs import LIBRARY, Program, programs

AGAINST_PLAIN_WALK = """
import gc; gc.disable()
import contextlib
from notebook import *
for module in {modules!r}: __import__(module)  # imports nest deeper than the walk goes
library = {{}}
exec(compile({library!r}, "/library/walk.py", "exec"), library)
judge, notebook = Judge(), Notebook()
notebook.names.update(library)
judge.start_reference()
judge.library.judge_reference_deepest({deepest})
ids, expected, before = [], [], {{}}
for source in {cells!r}:
    notebook.names["__file__"] = notebook.file(notebook.count + 1)
    ids.append(notebook.run(source))
    rows = judge.rows(judge.library.judge_reference_report())
    now = {{place: (row["allocated"], row["blocks"]) for place, row in rows.items()}}
    expected.append(sorted((place, [a - b for a, b in zip(numbers, before.get(place, (0, 0)))]) for place, numbers in now.items()))
    before = now
texts = None
while texts != (texts := [core.cell_report(cell) for cell in ids]):  # nothing was freed between the two readings
    rows = judge.rows(judge.library.judge_reference_report())
judge.library.judge_reference_stop()
live = sorted((place, row["allocated"] - row["returned"]) for place, row in rows.items())
got = [[line | python_layer(line) for line in json.loads(text)["lines"]] for text in texts]
got = [[line for line in lines if line["function"] != "(a thread without notebook code)"] for lines in got]
say([expected, got, live])
"""

# Python frames of a library over a notebook's: up to here its line is known, and a long way above it is not.
DEEPEST = 64


def place_of(line: Any) -> tuple[str, int]:
    return ("", -1) if line["function"] == "(deep library recursion)" else (line["file"], line["line"])


def compare(
    run: Run,
    cells: tuple[str, ...],
    modules: tuple[str, ...] = ("asyncio", "threading"),
    deepest: int = DEEPEST,
    **environment: str,
) -> dict[tuple[str, int], int]:
    """The same blocks at the same lines in the same cells as by a walk without memory. Allocated bytes by place."""
    expected, got, live = run(
        AGAINST_PLAIN_WALK.format(library=LIBRARY, cells=cells, deepest=deepest, modules=modules),
        **{"CELLHEAP_NATIVE": "off"} | environment,
    )
    total: dict[tuple[str, int], int] = {}
    remaining: dict[tuple[str, int], int] = {}
    for number, (judged, lines) in enumerate(zip(expected, got, strict=True), 1):
        ours = {place_of(line): [line["allocated"], line["blocks"]] for line in lines if line["blocks"]}
        theirs = {tuple(place): numbers for place, numbers in judged if numbers[1]}
        differing = {
            place: (ours.get(place), theirs.get(place))
            for place in ours | theirs
            if ours.get(place) != theirs.get(place)
        }
        assert not differing, f"cell {number}: ours and theirs"
        for line in lines:
            place = place_of(line)
            total[place] = total.get(place, 0) + line["allocated"]
            remaining[place] = remaining.get(place, 0) + line["live"]
    assert {place: n for place, n in remaining.items() if n} == {tuple(p): n for p, n in live if n}
    return total


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
    derandomize=True,
)
@given(program=programs())
def test_no_cache_gives_another_lines_bytes(run: Run, program: Program) -> None:
    compare(run, program.cells)


CASES = {
    "recursion": ("def f(n):\n    held = [0] * 100\n    return f(n - 1) + held if n else held\nx = f(200)",),
    "a generator resumed from other lines and cells": (
        "def count():\n    n = 0\n    while True:\n        made = [n] * 50\n        n += 1\n        yield made\n        kept.append(bytes(n))\ng = count()",
        "a = next(g)\nb = next(g)\ndeep(20, lambda: kept.append(next(g)))\nresume(g)",
        "c = next(g)\n[x for x, _ in zip(g, range(40))]\nlist(map(lambda _: next(g), range(3)))",
    ),
    "an async generator and its cells": (
        "async def stream(n):\n    for i in range(n):\n        made = [i] * 90\n        await asyncio.sleep(0)\n        yield made\nasync def all_of(s):\n    return [x async for x in s]\nimport asyncio",
        "x = asyncio.run(all_of(stream(30)))",
        "async def first(s):\n    async for x in s:\n        return [x, [1] * 70]\n    await s.aclose()\ny = asyncio.run(first(stream(3)))",
    ),
    "tasks that take turns": (
        "import asyncio\nasync def one(n):\n    for _ in range(10):\n        a = [0] * n\n        await asyncio.sleep(0)\n        kept.append(a)\nasync def two(n):\n    b = [1] * n\n    await asyncio.sleep(0)\n    return [b, {}]\nasync def main():\n    return await asyncio.gather(*[(one, two)[n % 2](n) for n in range(20)])\nx = asyncio.run(main())",
    ),
    "threads that take turns": (
        "import sys, threading\nsys.setswitchinterval(1e-6)\nready = threading.Barrier(4)\ndef f(n):\n    ready.wait()\n    for i in range(300):\n        made = [n] * 30\n        deep(n, leaf)\n        other = {i: [n]}\nstarted = [threading.Thread(target=f, args=(n,)) for n in (1, 20, 110, 40)]\nfor t in started: t.start()\nfor t in started: t.join()",
    ),
    "exec and eval": (
        "source = 'x = [0] * 100\\ndef inner():\\n    return [1] * 100\\ny = inner()'\nnames = {}\nexec(source, names)\nz = eval('[[i] for i in range(50)]')\nw = names['inner']()",
        "w = names['inner']()\nexec(compile(source, __file__, 'exec'), names)\nw = names['inner']()",
    ),
    "functions of one cell called in another": (
        "def make(n):\n    return [\n        0] * n\nclass Made:\n    def __init__(self): self.x = [1] * 60\n    def __getattr__(self, name):\n        return [name] * 30",
        "a = make(100)\nb = Made()\nc = b.other\nkept.append(list(map(make, range(20))))",
        "d = sorted(range(30), key=lambda n: make(n))\ncall(Made)\neach(lambda: b.more)",
    ),
    "exceptions on their way": (
        "def fails(n):\n    try:\n        failing(n)\n    finally:\n        kept.append([0] * 40)\nclass Managed:\n    def __enter__(self): return [0] * 20\n    def __exit__(self, *error):\n        kept.append([repr(error)])\n        return True",
        "for n in range(5):\n    with Managed() as m:\n        fails(n)\n        made = [0] * 1000\ncaught(30)",
    ),
    "callbacks from C": (
        "import functools, re\nclass Key:\n    def __init__(self, n): self.n = n\n    def __lt__(self, other):\n        kept.append([0] * 10)\n        return self.n < other.n\nx = sorted(map(Key, range(50, 0, -1)))\ny = re.sub('a', lambda m: m[0] * 200, 'bab' * 20)\nz = functools.reduce(lambda a, b: a + [b], range(50), [])\nclass Late:\n    def __del__(self):\n        kept.append([0] * 25)\nfor _ in range(9): Late()",
    ),
    "code that is made and dies": (
        "for n in range(200):\n    again('\\n' * (n % 7) + 'kept.append([0] * 9)', __file__)\n    again('\\n' * (n % 5) + 'def f(): return [0] * 8\\nkept.append(f())', '<made>')",
    ),
}


@pytest.mark.parametrize("cells", CASES.values(), ids=CASES.keys())
def test_the_line_is_that_of_a_walk_at_every_event(run: Run, cells: tuple[str, ...]) -> None:
    assert sum(compare(run, cells).values()) > 1000


def test_a_frame_where_another_stood_is_not_taken_for_it(run: Run) -> None:
    """Library frames stand again at the same addresses and instructions, with a notebook frame under them this time."""
    pads = [
        f"def near{n}(m, {', '.join(f'p{i}=0' for i in range(n))}):\n    deep(m, leaf)" for n in range(1, 14)
    ]
    cells = (
        "\n".join(pads)
        + "\nfor far in range(110, 140): deep(far, leaf)"
        + "\nfor under in range(80, 110):"
        + "\n    for m in range(17, 40, 3):"
        + "".join(f"\n        deep(under, lambda: near{n}(m))" for n in range(1, 14)),
    )
    total = compare(run, cells)
    for n in range(1, 14):
        assert total["/notebook/1.py", 2 * n] > 30 * 8 * 40


def test_a_librarys_instructions_are_the_lines_or_our_own_in_turn(run: Run) -> None:
    line, beside, own = run(
        """
from notebook import *
notebook = Notebook()
exec(compile("def make(): return bytes(300), bytes(300), bytes(300)", "library.py", "exec"), notebook.names)
notebook.names["own"] = core.own
before = overview()["live_cellheap"]
cell = notebook.run('''
kept, ours = [None] * 500, [None] * 500
for n in range(500):
    kept[n] = make()
    with own(): ours[n] = make()
''')
found = lines(cell, 1)
say([found[4]["live"], found.get(5, {"live": 0})["live"], overview()["live_cellheap"] - before])
"""
    )
    # Tuples may be kept ones.
    least = 500 * 3 * 333
    assert least <= line < least * 1.2
    assert least <= own < least * 1.2
    assert beside < least / 100


@pytest.mark.parametrize(("nested", "known"), [(30, True), (50, True), (70, False)])
def test_frames_of_the_import_system_are_not_counted(
    run: Run, tmp_path: Path, nested: int, known: bool
) -> None:
    """Six of them stand under each module that another imports: thirty modules are some two hundred frames."""
    for n in range(nested):
        (tmp_path / f"nested{n}.py").write_text(f"import nested{n + 1}\n")
    (tmp_path / f"nested{nested}.py").write_text("made = bytes(100_000)\n")
    rows = run(
        f"""
from notebook import *
import sys
sys.path.insert(0, {str(tmp_path)!r})
notebook = Notebook()
cell = notebook.run("x = 1\\nimport nested0")
say([[line["line"], line["function"], line["live"]] for line in report(cell)["lines"]])
"""
    )
    place = max(rows, key=lambda row: row[2])[:2]
    assert place == ([2, "<module>"] if known else [0, "(deep library recursion)"])
    assert {function for _, function, _ in rows} == {"<module>", place[1]}
