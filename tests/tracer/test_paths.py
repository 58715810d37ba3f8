"""The library frames under a line, against a walk of Python's own at the moment of the first block."""

import pytest

from tests.tracer.conftest import Run

# `leaf<k>` asks for memory once a call; who called it is noted the first time that a line does. Every function has two places
# that it calls the next from, and code is made, used and dropped on the way, so that its addresses are used again.
PROGRAM = """
import itertools, random, sys
from notebook import *
notebook = Notebook()
LEAVES, CELLS, LINES = 30, 6, 40
choose = random.Random({seed})
seen = {{}}

def note(k):
    frame, path = sys._getframe(1), []
    while not frame.f_code.co_filename.startswith(PREFIX):
        path.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    file, line, function = path[0]
    path[0] = file, line + 1, function  # the line after this call
    seen.setdefault((notebook.count, frame.f_lineno, file, line + 1), path[::-1])

up = '''
def up{{0}}(calls):
    if calls:
        name, left, rest = calls[0], calls[1], calls[2:]
        if left: names[name](rest)
        else:
            names[name](rest)
            return
'''
leaf = '''
def leaf{{0}}(calls):
    note({{0}})
    made = bytearray(1000)
'''
library = {{"note": note}}
library["names"] = library
for n in range(6):
    exec(compile(up.format(n), f"/library/up{{n}}.py", "exec"), library)
for n in range(LEAVES):
    exec(compile("\\n" * n + leaf.format(n), "/library/leaf.py", "exec"), library)

number = itertools.count()
def made(calls):
    names = dict(library)
    exec(compile(up.format("") + leaf.format(0), f"/library/made{{next(number)}}.py", "exec"), names)
    names["up"](calls) if choose.random() < 0.5 else names["leaf0"](())
library["made"] = made

# Ways through the same functions from one line: what differs is where each of them stands, and the leaf.
def routes():
    ups = [f"up{{choose.randrange(6)}}" for _ in range(choose.choice((0, 1, 2, 5, 20, 45)))]
    ways, flags = [], [choose.random() < 0.5 for _ in ups]
    for _ in range(8):
        if ups:
            flags[choose.randrange(len(ups))] ^= True
        calls = [part for pair in zip(ups, flags) for part in pair]
        if choose.random() < 0.1:
            calls += ["made", choose.random() < 0.5]
        ways.append(calls + [f"leaf{{choose.randrange(LEAVES)}}", True])
    return ways

notebook.names.update(go=library["up0"])
cells = []
for _ in range(CELLS):
    notebook.names["ways"] = [routes() for _ in range(LINES)]
    cells.append(notebook.run("\\n".join(f"for way in ways[{{n}}]: go(way)" for n in range(LINES))))
told = []
for cell in cells:
    told_of_cell = report(cell)
    frames = [(f["file"], f["line"], f["function"]) for f in told_of_cell["frames"]]
    for line in told_of_cell["lines"]:
        for row in line["library"]:
            path = [frames[number] for number in row["path"]]
            told.append([int(line["file"][len(PREFIX):-3]) if line["file"] else 0, line["line"], row["file"], row["line"], path])
say([[list(key) + [path] for key, path in seen.items()], told])
"""


@pytest.mark.parametrize("seed", range(8))
def test_they_are_the_frames_that_stood_there_when_the_line_asked_first(run: Run, seed: int) -> None:
    seen, told = run(PROGRAM.format(seed=seed))
    paths = {tuple(row[:4]): row[4] for row in told}
    asked = {tuple(row[:4]): row[4] for row in seen}
    assert len(asked) > 500
    assert {key: paths.get(key) for key in asked} == asked
