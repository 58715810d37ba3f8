"""What the hooks execute for one block, counted by callgrind: the same on every run of a machine.

A steady loop runs with N and with 2N turns, traced and plain. *Ours* is what a turn costs in our own
functions, *in all* the difference of the differences: how glibc lays out what both ask for is in it too.
Start-up and the interpreter's own work fall out. A loop that keeps its blocks tells making from giving back.

    python benchmarks/instructions.py    writes out/instructions.json
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

OUT = Path(__file__).parent.parent / "out" / "instructions.json"
FILE, LIBRARY = "/notebook/benchmark.py", "/library/benchmark.py"
TURNS = 20_000
# Frozen. Each source defines work(turns); that of `LIBRARIES` is a library's code under the notebook's line.
KEPT = """
from itertools import repeat
def work(turns):
    global kept
    kept = [object() for _ in repeat(None, turns)]
"""
LOOP = """
from itertools import repeat
def work(turns):
    for _ in repeat(None, turns):
"""
PAIRS = {
    "small block": LOOP + "        object()",
    "block of 4 KiB": LOOP + "        bytes(4096)",
    "numpy array of 8 KB": "import numpy" + LOOP + "        numpy.empty(1000)",
}
LIBRARIES = {
    "small block, 40 library frames deep": """
from itertools import repeat
def work(turns, depth=40):
    if depth:
        return work(turns, depth - 1)
    for _ in repeat(None, turns):
        object()
""",
}
KEEP = "small block, kept"
ROWS = {KEEP: KEPT} | PAIRS | LIBRARIES


class Count(NamedTuple):
    """Instructions of a whole process, and of our functions by name."""

    total: int
    ours: Counter[str]


def run(row: str, turns: int, traced: bool) -> None:
    """The process that is counted. It leaves without cleaning up: what is kept is not given back."""
    names: dict[str, object] = {}
    if traced:
        from cellheap import _core

        _core.trace_start()
        _core.set_notebook_files([FILE])
        _core.cell_begin(1)
    exec(compile(ROWS[row], LIBRARY if row in LIBRARIES else FILE, "exec"), names)
    exec(compile(f"work({turns})", FILE, "exec"), names)
    os._exit(0)


def count(row: str, turns: int, traced: bool) -> Count:
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
        # The sampling thread's own work depends on the clock.
        plain_text = ["--compress-strings=no", "--compress-pos=no", "--separate-threads=yes"]
        work = [sys.executable, __file__, "--run", row, str(turns), str(int(traced))]
        settings = os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [*valgrind, *plain_text, *work], env=settings, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{row}: callgrind ended with {done.returncode}\n{done.stderr[-3000:]}")
        return read(Path(f"{profile}-01").read_text())


def read(profile: str) -> Count:
    """Sums a profile: a line of numbers is a function's own cost, unless `calls=` stands before it."""
    total, ours = 0, Counter[str]()
    library = function = ""
    called = False
    for line in profile.splitlines():
        if line.startswith("ob="):
            library = line[3:]
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            called = True
        elif line[:1].isdigit():
            if called:
                called = False
                continue
            cost = int(line.split()[-1])
            total += cost
            if "cellheap/_core." in library:
                ours[function] += cost
    return Count(total, ours)


def measure(row: str) -> tuple[float, dict[str, float]]:
    """Instructions that tracing adds to one turn, and our functions' own part."""
    traced, plain = ([count(row, turns, on) for turns in (TURNS, 2 * TURNS)] for on in (True, False))
    added = ((traced[1].total - traced[0].total) - (plain[1].total - plain[0].total)) / TURNS
    own = {name: (cost - traced[0].ours[name]) / TURNS for name, cost in traced[1].ours.items()}
    return added, {name: each for name, each in own.items() if each >= 0.5}


def main() -> int:
    options = argparse.ArgumentParser(description="Instructions that tracing adds to a block.")
    options.add_argument("--run", nargs=3, metavar=("ROW", "TURNS", "TRACED"), help=argparse.SUPPRESS)
    options.add_argument("--only", metavar="ROW", help="one row")
    given = options.parse_args()
    if given.run:
        row, turns, traced = given.run
        run(row, int(turns), traced == "1")
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: instruction counts are left out.")
        return 0
    rows = [row for row in ROWS if given.only in (None, row)]
    if importlib.util.find_spec("numpy") is None:
        rows = [row for row in rows if not row.startswith("numpy")]
    print("\nInstructions that tracing adds, by callgrind (a pair: a block made and given back)\n")
    print(f"{'':64}{'ours':>8}{'in all':>8}")
    figures = {}
    for row in rows:
        added, own = figures[row] = measure(row)
        print(
            f"{row + ('' if row == KEEP else ', a pair'):64}{sum(own.values()):8.0f}{added:8.0f}", flush=True
        )
        for name, each in sorted(own.items(), key=lambda item: -item[1]):
            print(f"    {short(name):60}{each:8.0f}")
    OUT.parent.mkdir(exist_ok=True)
    content = {row: {"added": added, "own": own} for row, (added, own) in figures.items()}
    OUT.write_text(json.dumps(content, indent=1))
    return 0


def short(name: str) -> str:
    """A function's name without its hash."""
    return name.split("::h", 1)[0] if name.rpartition("::h")[2].isalnum() else name


if __name__ == "__main__":
    sys.exit(main())
