"""`make programs`: runs the programs of `examples/` in a kernel and draws their memory into docs/programs.

Knows how each is called; what they do is tested in tests/examples.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook, writes

from scripts.lessonrun import run

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/programs"

#: A file of 22 MiB: more than the budget of 4 MiB that the second program gets.
SETUP = """
import random, sys
sys.path.insert(0, {examples!r})
import bigfile, hotspots, weakcache
import cellheap

dice = random.Random(1)
payments = {file!r}
with open(payments, "w") as file:
    for n in range(300_000):
        row = n, f"customer{{dice.randrange(50_000)}}", dice.randrange(10_000) / 100, "x" * 50
        print(*row, sep=",", file=file)
"""

CELLS = {
    "hotspots": """
def work():
    rows = [f"row {n}" for n in range(50_000)]
    hotspots.mark("rows are made")
    table = {row: n for n, row in enumerate(rows)}
    hotspots.mark("the table is full")
    return table

told = hotspots.report(hotspots.profile(work), 3)
""",
    "bigfile": """
with open(payments, "rb") as file:
    lines = bigfile.lines_of(file, bigfile.MIB)
    ordered = bigfile.sort_lines(lines, 4 * bigfile.MIB, bigfile.field(2, b","))
    count = sum(1 for line in ordered)
""",
    "weakcache": """
cache = weakcache.WeakCache(weakcache._Page, keep=8)
for number in range(5_000):
    page = cache[number]
del page
""",
}


def main() -> None:
    """Each program is a cell; its chart is exported when all have run."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        names = {"file": f"{folder}/payments.csv", "examples": str(ROOT / "examples")}
        cells = [new_code_cell(SETUP.format(**names), id="setup")]
        for name, source in CELLS.items():
            cells.append(new_code_cell(source.strip(), id=name))
        path = Path(folder) / "programs.ipynb"
        kernel = {"kernelspec": {"name": "cellheap", "display_name": "cellheap", "language": "python"}}
        path.write_text(writes(new_notebook(cells=cells, metadata=kernel)), encoding="utf-8")
        with run(path) as ran:
            for name in CELLS:
                file = PICTURES / f"{name}.svg"
                number, size = ran.number(name), Path(names["file"]).stat().st_size
                ran.value(f"str(cellheap.export({str(file)!r}, cellheap.cells[{number}], force=True))")
                print(f"{name}: peak {ran.totals(name)['peak']:,} B; the file has {size:,} B")


if __name__ == "__main__":
    main()
