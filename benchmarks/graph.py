"""The object graph beside a collection and beside other tools, on one heap of 1.5 million objects; exits 1
where a goal is missed. Times are of this process's processor, so that what else runs does not count.

    python benchmarks/graph.py [--times N]     N times the heap
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cellheap import _core, graph

LINKED, TABLE = 200_000, 200_000
#: Seconds, times one collection, and bytes an object.
MOST_SECONDS, MOST_COLLECTIONS, MOST_BYTES = 0.5, 5.0, 100.0
ROUNDS = 5


class Node:
    def __init__(self, name: str, after: Node | None) -> None:
        self.name = name
        self.after = after


def heap(times: int) -> tuple[Node | None, dict[int, tuple[str, list[int]]]]:
    head: Node | None = None
    for i in range(LINKED * times):
        head = Node(f"node number {i}", head)
    return head, {i: (f"name {i}", [i, i + 1, i * 1000]) for i in range(TABLE * times)}


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def transient(work: Callable[[], object]) -> tuple[int, int]:
    """What was resident at most while it worked, and what is left after it."""
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    work()
    return status("VmHWM") - before, status("VmRSS") - before


def others(head: Node | None, table: dict[int, Any]) -> dict[str, Callable[[], object]]:
    """Other tools that are installed, by what each does that is nearest."""
    found: dict[str, Callable[[], object]] = {}

    def add(name: str, module: str, make: Callable[[Any], Callable[[], object]]) -> None:
        try:
            found[name] = make(importlib.import_module(module))
        except ImportError:
            print(f"{name:34} not installed here")

    add("guppy3 heap()", "guppy", lambda guppy: guppy.hpy().heap)
    # Of the table alone: it goes no deeper than 100 references, and would see little of a linked list.
    add("Pympler asizeof of the table", "pympler.asizeof", lambda pympler: lambda: pympler.asizeof(table))
    add("Pympler muppy", "pympler.muppy", lambda muppy: muppy.get_objects)
    add("objgraph chain of one", "objgraph", lambda objgraph: lambda: chain_of(objgraph, head))
    return found


def chain_of(objgraph: Any, thing: object) -> object:
    return objgraph.find_backref_chain(thing, objgraph.is_proper_module)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    times = parser.parse_args().times
    _core.trace_start()
    main_module = sys.modules["__main__"]
    head, table = heap(times)
    vars(main_module).update(head=head, table=table)
    gc.collect()
    collection = seconds(gc.collect)
    objects = graph.variables(progress=False).objects
    whole = seconds(lambda: graph.variables(progress=False))
    why = seconds(lambda: graph.holders(table[LINKED // 2][1], progress=False))
    peak, left = transient(lambda: graph.variables(progress=False))
    print(f"{objects:,} objects")
    print(f"{'one collection':34} {collection:8.3f} s")
    print(f"{'graph, dominators, variables':34} {whole:8.3f} s   {whole / collection:.1f} collections")
    print(f"{'why one object':34} {why:8.3f} s")
    print(f"{'memory meanwhile':34} {peak / objects:8.1f} B an object, {left:,} B left")
    for name, work in others(head, table).items():
        print(f"{name:34} {seconds(work, 1):8.3f} s")
    limit = MOST_SECONDS if times == 1 else 3.0
    missed = [
        words
        for words, kept in (
            (f"{limit} s", whole <= limit),
            (f"{MOST_COLLECTIONS} collections", whole <= MOST_COLLECTIONS * collection),
            ("why in half a second", times > 1 or why <= MOST_SECONDS),
            (f"{MOST_BYTES} B an object", peak <= MOST_BYTES * objects),
        )
        if not kept
    ]
    print("goals missed: " + ", ".join(missed) if missed else "every goal is met")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
