"""What a long life may cost: many cells, and code made without end. `make endurance` runs all of it."""

import os

from tests.tracer.conftest import Run

ENDURANCE = "CELLHEAP_ENDURANCE" in os.environ

START = """
import gc
from notebook import *
"""

# What a site with live bytes may take, and what the cells below leave alive: a list of ten and its place.
SITE, LIVE = 256, 144


def test_a_notebook_of_many_cells_stays_within_its_budget(run: Run) -> None:
    """512 bytes a finished cell and its sites with live bytes: by the books' own number and by the system's."""
    cells = 100_000 if ENDURANCE else 10_000
    grown, resident = run(
        START
        + f"""
cells = {cells}
"""
        + """
notebook = Notebook()
for _ in range(500): notebook.run("pass")
kept = notebook.names["kept"] = []
code = [compile(f"x = [n for n in range({n})]; kept.append([0] * 10)", notebook.file(n), "exec") for n in range(50)]
gc.collect()
def reading(): return [json.loads(core.process())["books"], resident()]
before = reading()
for number in range(cells):
    cell = core.cell_begin(number)
    exec(code[number % 50], notebook.names)
    core.cell_end(cell)
gc.collect()
after = reading()
say([b - a for a, b in zip(before, after)])
"""
    )
    print(f"{cells} cells: books {grown / cells:.0f} bytes a cell, RSS {resident / cells:.0f} bytes a cell")
    assert grown <= cells * (512 + SITE)
    assert resident <= cells * (512 + SITE + LIVE) + (8 << 20)


def test_code_that_is_made_again_and_again_stays_within_the_budget(run: Run) -> None:
    pieces = 1_000_000 if ENDURANCE else 30_000
    books, resident, live = run(
        START
        + f"""
pieces = {pieces}
"""
        + """
notebook = Notebook()
source = '''
for n in range(PIECES):
    exec(f"def f(a, b={n}): return [a, b, {n}]\\\\nx = f({n})", {})
'''
notebook.run(source.replace("PIECES", "2000"))
gc.collect()
before = [json.loads(core.process())["books"], resident()]
cell = notebook.run(source.replace("PIECES", str(pieces)))
gc.collect()
say([json.loads(core.process())["books"] - before[0], resident() - before[1], report(cell)["cell"]["live"]])
"""
    )
    print(f"{pieces} pieces of code: books grew by {books} bytes, RSS by {resident}; live {live}")
    assert live < 100_000
    assert books < 32 << 20
    assert resident < 48 << 20
