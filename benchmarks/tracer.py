"""What recording costs: the same cells plain, under cellheap, and under the tools that people use today.

Every measurement is a process of its own (`measure.py`). The recorders of a workload run one after the
other, in an order that turns with the rounds, so that what disturbs the machine disturbs all of them; a
ratio is taken within a round, and the median over the rounds is shown. Fails where a goal is missed.

    python benchmarks/tracer.py [--rounds N] [--peer-rounds N] [--only NAME]    writes out/tracer.json
"""

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from statistics import median
from typing import NamedTuple

from suite import PYPERFORMANCE, SUITE
from workloads import DEEP, LOOPS, NUMPY

HERE = Path(__file__).parent
OUT = HERE.parent / "out" / "tracer.json"
PEERS = {"tracemalloc": "tracemalloc", "memray": "memray", "fil": "filprofiler"}
HEADS = {"cellheap": "cellheap", "tracemalloc": "tracemalloc(1)", "memray": "memray", "fil": "Fil"}
# Calls after the warm-up: the best counts.
CALLS, PEER_CALLS = 3, 1

# seconds and bytes
Figures = dict[str, float]
# the rounds of each recorder, `None` where a recorder could not run it
Row = dict[str, list[Figures | None]]


class Part(NamedTuple):
    """Workloads that are judged together: geometric mean and worst, at most."""

    title: str
    names: Sequence[str]
    mean: float | None
    worst: float


SMALL, LARGE = NUMPY
PARTS = [
    Part(f"Set 1: pyperformance {PYPERFORMANCE}", list(SUITE), 1.12, 1.30),
    Part("Set 2: loops that do little but allocate", [*LOOPS, *DEEP], 1.25, 1.60),
    Part("Many small operations of numpy", [SMALL], None, 1.10),
    Part("Large arrays of numpy", [LARGE], None, 1.03),
]


def in_a_child(mode: str, name: str) -> Figures | None:
    """One measurement; `None` where the recorder does not get through."""
    calls = CALLS if mode in ("plain", "cellheap") else PEER_CALLS
    arguments = [str(HERE / "measure.py"), mode, name, str(calls)]
    with tempfile.TemporaryDirectory() as folder:
        fil = ["-m", "filprofiler", "--no-browser", "-o", folder, "run"] if mode == "fil" else []
        command = [sys.executable, "-W", "ignore", *fil, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"\n{name} under {mode}: exit {done.returncode}\n{done.stderr[-2000:]}", file=sys.stderr)
        if mode in ("plain", "cellheap"):
            raise SystemExit(1)
        return None
    figures: Figures = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return figures


def compare(names: Sequence[str], peers: Sequence[str], rounds: int, peer_rounds: int) -> dict[str, Row]:
    rows: dict[str, Row] = {name: {mode: [] for mode in ("plain", "cellheap", *peers)} for name in names}
    for number in range(rounds):
        modes = ["plain", "cellheap", *(peers if number < peer_rounds else ())]
        turn = number % len(modes)
        for at, name in enumerate(names):
            progress = f"\rround {number + 1} of {rounds}, {at + 1} of {len(names)}: {name:<40}"
            print(progress, end="", file=sys.stderr, flush=True)
            for mode in modes[turn:] + modes[:turn]:
                rows[name][mode].append(in_a_child(mode, name))
    print("\r" + " " * 78 + "\r", end="", file=sys.stderr)
    return rows


def ratio(row: Row, mode: str, figure: str = "seconds") -> float | None:
    """The median over the rounds."""
    pairs = zip(row.get(mode, []), row["plain"], strict=False)
    ratios = [theirs[figure] / plain[figure] for theirs, plain in pairs if theirs and plain]
    return median(ratios) if ratios else None


def mean(ratios: Iterable[float | None]) -> float | None:
    """Geometric, of what there is."""
    known = [ratio for ratio in ratios if ratio is not None]
    return prod(known) ** (1 / len(known)) if known else None


def times(ratio: float | None) -> str:
    return "-" if ratio is None else f"x{ratio:.2f}"


def table(rows: dict[str, Row], modes: Sequence[str]) -> str:
    heads = [HEADS[mode] for mode in modes]
    lines = [
        "| " + " | ".join(["workload", "plain", *heads, "RSS plain", *heads]) + " |",
        "|---" + "|---:" * (2 * len(modes) + 2) + "|",
    ]
    for name, row in rows.items():
        plain = {
            figure: median(round[figure] for round in row["plain"] if round) for figure in ("seconds", "rss")
        }
        cells = [name, f"{plain['seconds'] * 1000:.0f} ms", *(times(ratio(row, mode)) for mode in modes)]
        cells += [f"{plain['rss'] / (1 << 20):.0f} MiB", *(times(ratio(row, mode, "rss")) for mode in modes)]
        lines.append("| " + " | ".join(cells) + " |")
    if len(rows) > 1:
        means = [
            times(mean(ratio(row, mode, figure) for row in rows.values()))
            for figure in ("seconds", "rss")
            for mode in ("plain", *modes)
        ]
        lines.append(f"| geometric mean | {' | '.join(means)} |")
    return "\n".join(lines)


def judge(part: Part, rows: dict[str, Row]) -> tuple[str, bool]:
    """One line on a part, and whether it keeps its goals."""
    ratios = {name: ratio(row, "cellheap") or 0.0 for name, row in rows.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    kept = ratios[worst] <= part.worst
    text = f"worst {times(ratios[worst])} ({worst}; goal {times(part.worst)})"
    if part.mean is not None:
        middle = mean(ratios.values()) or 0.0
        kept &= middle <= part.mean
        text = f"geometric mean {times(middle)} (goal {times(part.mean)}), {text}"
    return f"{text}: {'kept' if kept else 'MISSED'}", kept


def main() -> int:
    options = argparse.ArgumentParser(description="What recording costs, beside today's tools.")
    options.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options.add_argument("--peer-rounds", type=int, default=1, help="of the others; default: %(default)s")
    options.add_argument("--only", metavar="NAME", help="one workload")
    given = options.parse_args()
    missing = [peer for peer, module in PEERS.items() if importlib.util.find_spec(module) is None]
    peers = [peer for peer in PEERS if peer not in missing]
    names = [name for part in PARTS for name in part.names if given.only in (None, name)]
    rows = compare(names, peers, given.rounds, given.peer_rounds)
    print(
        f"CPython {platform.python_version()} on {platform.machine()}: ratios to plain in processor"
        f" time, medians of {given.rounds} rounds, of {given.peer_rounds} for the others; then of peak RSS."
    )
    for peer in missing:
        print(f"{HEADS[peer]} does not install here and is left out.")
    kept = True
    for part in PARTS:
        if here := {name: rows[name] for name in part.names if name in rows}:
            line, good = judge(part, here)
            kept &= good
            print(f"\n## {part.title}\n\n{table(here, ['cellheap', *peers])}\n\n{line}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"python": platform.python_version(), "rows": rows}, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
