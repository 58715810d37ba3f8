"""What recording costs: the same cells plain, under cellheap, and under tracemalloc with one frame.

Every measurement is a process of its own, which runs a cell's source once to warm up and then takes the
best of a few calls, in processor time of the whole process: our sampling thread counts, a busy neighbour
does not. The three modes of a workload run one after the other, in an order that turns with the rounds,
so that what disturbs the machine disturbs all three; a figure is the best of all rounds. Memory is the
process's high-water mark of RSS, the books included.

    python benchmarks/tracer.py [--rounds N] [--only NAME]    prints a table, writes out/tracer.json
"""

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import time
import tracemalloc
from math import prod
from pathlib import Path

from workloads import DEEP, LOOPS

OUT = Path(__file__).parent.parent / "out" / "tracer.json"
MODES = ("plain", "cellheap", "tracemalloc")
FILE = "/notebook/benchmark.py"

# seconds and bytes, by mode
Row = dict[str, dict[str, float]]


def measure(mode: str, name: str, calls: int = 4) -> dict[str, float]:
    """One measurement, in this process."""
    names: dict[str, object] = {}
    code = compile((LOOPS | DEEP)[name], FILE, "exec")
    call = compile("work()", FILE, "exec")
    if mode == "cellheap":
        from cellheap import _core

        _core.trace_start()
        _core.set_notebook_files([FILE])
        cell = _core.cell_begin(1)
    elif mode == "tracemalloc":
        tracemalloc.start(1)
    exec(code, names)
    times = []
    for _ in range(calls):
        start = time.process_time()
        exec(call, names)
        times.append(time.process_time() - start)
    if mode == "cellheap":
        _core.cell_end(cell)
        allocated = json.loads(_core.cell_report(cell))["cell"]["allocated"]
        assert allocated > 10_000_000, "the cell was not recorded"
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"seconds": min(times[1:]), "rss": int(peak.split()[1]) * 1024}


def in_a_child(mode: str, name: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", mode, name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compare(names: list[str], rounds: int) -> dict[str, Row]:
    rows: dict[str, Row] = {name: {mode: {} for mode in MODES} for name in names}
    for number in range(rounds):
        for name in names:
            print(f"\rround {number + 1} of {rounds}: {name:<20}", end="", file=sys.stderr, flush=True)
            turn = number % len(MODES)
            for mode in MODES[turn:] + MODES[:turn]:
                best = rows[name][mode]
                for figure, value in in_a_child(mode, name).items():
                    best[figure] = min(value, best.get(figure, value))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    return rows


def ratio(row: Row, mode: str, figure: str = "seconds") -> float:
    return row[mode][figure] / row["plain"][figure]


def mean(rows: list[Row], mode: str, figure: str = "seconds") -> float:
    """Geometric."""
    return float(prod(ratio(row, mode, figure) for row in rows) ** (1 / len(rows)))


def table(rows: dict[str, Row]) -> str:
    lines = [
        "| workload | plain | cellheap | tracemalloc(1) | RSS plain | cellheap | tracemalloc(1) |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        times = " | ".join(f"x{ratio(row, mode):.2f}" for mode in MODES[1:])
        plain = f"{row['plain']['seconds'] * 1000:.0f} ms | {times}"
        memory = f"{row['plain']['rss'] / (1 << 20):.0f} MiB"
        factors = (f"x{ratio(row, mode, 'rss'):.2f}" for mode in MODES[1:])
        lines.append(f"| {name} | {plain} | {memory} | {' | '.join(factors)} |")
    return "\n".join(lines)


def summary(rows: dict[str, Row]) -> dict[str, float]:
    loops = [row for name, row in rows.items() if name in LOOPS]
    return {
        "geometric_mean": mean(loops, "cellheap"),
        "worst": max(ratio(row, "cellheap") for row in loops),
        "tracemalloc_geometric_mean": mean(loops, "tracemalloc"),
        "memory_geometric_mean": mean(loops, "cellheap", "rss"),
    }


def main() -> None:
    options = argparse.ArgumentParser(description="What recording costs, beside tracemalloc.")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", metavar="NAME", help="one workload")
    options.add_argument("--measure", nargs=2, metavar=("MODE", "NAME"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        print(json.dumps(measure(*given.measure)))
        return
    names = [name for name in LOOPS | DEEP if given.only in (None, name)]
    if "small numpy" in names and importlib.util.find_spec("numpy") is None:
        print("numpy is not installed: its row is left out", file=sys.stderr)
        names.remove("small numpy")
    rows = compare(names, given.rounds)
    print(f"CPython {platform.python_version()} on {platform.machine()}, best of {given.rounds} rounds\n")
    print(table(rows))
    report: dict[str, object] = {"python": platform.python_version(), "rounds": given.rounds, "rows": rows}
    if loops := {name: row for name, row in rows.items() if name in LOOPS}:
        report["summary"] = figures = summary(loops)
        print(
            f"\nAllocation-bound loops: geometric mean x{figures['geometric_mean']:.2f}, "
            f"worst x{figures['worst']:.2f} (tracemalloc(1) x{figures['tracemalloc_geometric_mean']:.2f})"
        )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
