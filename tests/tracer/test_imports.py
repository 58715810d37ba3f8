"""Imports in imports: whose line each block is, against a plain walk of every frame."""

import random
from pathlib import Path

import pytest

from tests.tracer.conftest import Run
from tests.tracer.test_walk import compare

MODULES = 12

# Modules import those with higher numbers only, and some fail: what imports them goes on from an exception.
HEAD = """
import importlib, importlib.util, sys, threading
kept = [bytes({size}), {{}}]
def go(calls):
    kept.append([0] * len(calls) * 3)
    if calls: calls[0](calls[1:])
def again(name):
    sys.modules.pop(name, None)
    return importlib.import_module(name)
def lazily(name):
    spec = importlib.util.find_spec(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
def in_thread(f):
    def guarded():
        try: f()
        except Exception as error: kept.append(str(error) * 3)
    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
"""

# What imports a module at most once.
ONCE = (
    "import m{n}",
    "from m{n} import kept as theirs",
    "kept.append(importlib.util.find_spec('m{n}'))",
    "import nothing_of_this_name",
)
# What imports it anew.
ANEW = (
    "sys.modules.pop('m{n}', None); import m{n}",
    "again('m{n}')",
    "sys.modules.pop('m{n}', None); lazily('m{n}').kept.append([{size}] * 5)",
    "sys.modules.pop('m{n}', None); lazily('m{n}'); import m{n}; m{n}.kept",
    "in_thread(lambda: again('m{n}'))",
    "class C{n}:\n    made = list(range({size}))\n    again('m{n}')\n    more = [made]",
    "def f{n}(): return again('m{n}')\nkept.append(f{n}())",
)
OF_CELLS = (
    "importlib.reload(again('m{n}'))",
    "m{n}.go([lambda rest: again('m{n}')] * 2)",
    "for _ in range(2): again('m{n}')",
)

# A notebook's own finder: lines of the notebook over and under the same imports. It runs under a lock that a thread would
# wait for: what it imports starts none.
FINDER = """
class Finder:
    noted = []
    def find_spec(self, name, path, target=None):
        self.noted.append([name, *name])
        if name != "plain" and len(self.noted) % 2: again("plain")
sys.meta_path.insert(0, Finder())
"""


def guarded(part: str) -> str:
    body = part.replace("\n", "\n    ")
    return f"try:\n    {body}\nexcept Exception as error:\n    kept.append(str(error) * 3)\n"


def module(choose: random.Random, number: int) -> str:
    above = range(number + 1, MODULES)
    chosen = [choose.choice(ANEW), choose.choice(ONCE), choose.choice(ONCE)] if above else []
    parts = [
        guarded(part.format(n=choose.choice(above), size=choose.randrange(600)))
        for part in choose.sample(chosen, len(chosen))
    ]
    fails = ["raise ValueError([1] * 50)\n"] if choose.random() < 0.2 else []
    return HEAD.format(size=choose.randrange(5000)) + "".join(parts + fails)


def cell(choose: random.Random) -> str:
    chosen = [choose.choice(ONCE + ANEW + OF_CELLS) for _ in range(6)]
    return "".join(guarded(part.format(n=choose.randrange(MODULES), size=9)) for part in chosen)


@pytest.mark.parametrize("seed", range(12))
def test_blocks_of_imports_are_the_line_s_that_a_plain_walk_finds(
    run: Run, tmp_path: Path, seed: int
) -> None:
    choose = random.Random(seed)
    for number in range(MODULES):
        (tmp_path / f"m{number}.py").write_text(module(choose, number))
    (tmp_path / "plain.py").write_text("kept = [bytes(3000), {}]\n")
    begin = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n" + HEAD.format(size=100)
    cells = [begin, *(cell(choose) for _ in range(4)), FINDER, *(cell(choose) for _ in range(6))]
    by_place = compare(run, tuple(cells), ("asyncio", "threading", "importlib.util"), deepest=100_000)
    assert len(by_place) > 40
    assert sum(by_place.values()) > 500_000


# Functions whose frames end where those of two others do, one on the other: the import system's frames then stand at the same
# addresses, with another line under them, and nothing was asked for in between.
LIBRARIES = """
from importlib import import_module
from sys import modules
def again():
    del modules["plain"]
    import_module("plain")
def calls(f): f()
"""
LOCALS = range(60)


def test_frames_that_stand_where_an_earlier_import_s_stood_are_told_apart(run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("kept = [bytes(3000), {}]\nimport inner\n")
    (tmp_path / "inner.py").write_text("class C: made = [1] * 100\n")
    (tmp_path / "through.py").write_text(LIBRARIES)
    functions = [
        f"def alone{n}():\n    {''.join(f'a{i} = ' for i in range(n))}None\n    again()\n" for n in LOCALS
    ]
    begin = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport plain\nfrom through import again, calls\n"
    )
    pair = "def under():\n    over()\n    calls(over)\ndef over():\n    again()\n"
    cell = "".join(f"under()\nalone{n}()\nunder()\ncalls(alone{n})\n" for n in LOCALS)
    by_place = compare(run, (begin + "".join(functions) + pair, cell, cell), (), deepest=100_000)
    assert len(by_place) > 2 * len(LOCALS)
