"""How long each chart takes to draw: of 1,000 cells or as many rows, and of 10,000. Fails above the goal.

python benchmarks/charts.py    writes out/charts.json
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from cellheap import _core

OUT = Path(__file__).parent.parent / "out" / "charts.json"
#: Milliseconds that a drawing of 1,000 cells or rows may take, and bytes of SVG that it may have.
GOAL, LARGEST = 50.0, 36_000
KIB, MIB = 1 << 10, 1 << 20


def cells(count: int) -> str:
    made = [
        {
            "id": at,
            "number": at,
            "label": f"In[{at}]",
            "allocated": at % 97 * MIB,
            "freed": at % 89 * MIB,
            "peak": at % 101 * MIB,
            "live": at % 13 * MIB,
            "live_at_end": at % 17 * MIB,
            "rss_start": (100 + at % 50) * MIB,
            "rss_peak": (130 + at % 60) * MIB,
            "rss_end": (100 + (at + 1) % 50) * MIB,
            "traced": at % 200 > 2,
        }
        for at in range(1, count + 1)
    ]
    return json.dumps({"cells": made})


def history(count: int) -> str:
    moments = [
        {"label": f"In[{at}]", "number": at, "ends": count // 64 + 1, "live": at % 31 * 8 * MIB}
        for at in range(1, 65)
    ]
    layers = [
        {"label": f"In[{layer}]", "live": [(at * layer) % 31 * MIB for at in range(64)]}
        for layer in range(1, 8)
    ]
    return json.dumps({"moments": moments, "layers": layers})


def cell(count: int) -> str:
    """Its timeline has as many points as are ever kept."""
    lines = [
        {"file": "a", "line": at, "function": "<module>", "allocated": at * KIB, "peak": at * KIB, "live": at}
        for at in range(1, count + 1)
    ]
    timeline = [{"at": at / 240, "live": at % 71 * MIB, "rss": 100 * MIB} for at in range(240)]
    return json.dumps(
        {"cell": {"label": "In[1]", "peak": 80 * MIB, "seconds": 1.0}, "lines": lines, "timeline": timeline}
    )


def source(count: int) -> str:
    return json.dumps({"file": "a", "lines": [f"x{at} = load({at})" for at in range(count)], "names": {}})


def stacks(count: int) -> str:
    frames = [{"file": f"f{at % 40}.py", "line": at, "function": f"f{at}"} for at in range(count)]
    made = [
        {"frames": [at % 7, at % 90, at], "origin": "In[1]", "allocator": "malloc", "peak": at * KIB}
        for at in range(1, count)
    ]
    return json.dumps({"label": "In[1]", "frames": frames, "stacks": made})


def heap_map(count: int) -> str:
    boxes = [at * 7 % 5 * 4 * KIB for at in range(min(count, 1024))]
    return json.dumps({"arenas": count, "bytes": count * MIB, "unit": 16 * KIB, "boxes": boxes})


def drawings(count: int) -> dict[str, Callable[[], str]]:
    """Each with its data ready as JSON: reading that is a part of what a person waits for."""
    whole, past, one, code = cells(count), history(count), cell(count), source(count)
    tree, arenas = stacks(count), heap_map(count)
    return {
        "memory of each cell": lambda: _core.chart_cells(whole),
        "live memory by origin": lambda: _core.chart_history(past),
        "a cell's timeline": lambda: _core.chart_timeline(one),
        "a cell's source": lambda: _core.chart_lines(one, code),
        "a flame graph": lambda: _core.chart_flame(tree, "{}", "peak", "In[1]", 400),
        "the heap map": lambda: _core.chart_map(arenas),
    }


def measured(draw: Callable[[], str], times: int = 9) -> tuple[float, int]:
    """The median in ms of processor time, and the bytes of the drawing."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        svg = draw()
        taken.append((time.process_time() - start) * 1000)
    return median(taken), len(svg)


def main() -> int:
    figures = {
        count: {name: measured(draw) for name, draw in drawings(count).items()} for count in (1_000, 10_000)
    }
    print(f"\nDrawing, in milliseconds (goal for 1,000: {GOAL:.0f}), and the size of the SVG\n")
    print(f"{'':26}{'1,000':>10}{'KiB':>8}{'10,000':>10}{'KiB':>8}")
    missed = []
    for name, (taken, size) in figures[1_000].items():
        more, larger = figures[10_000][name]
        is_missed = taken > GOAL or max(size, larger) > LARGEST
        missed += [name] if is_missed else []
        print(
            f"{name:26}{taken:10.2f}{size / KIB:8.1f}{more:10.2f}{larger / KIB:8.1f}"
            f"{'  MISSED' if is_missed else ''}"
        )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
