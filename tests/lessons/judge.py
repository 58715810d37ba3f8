"""What objects cost by tracemalloc: another count than ours."""

import tracemalloc
from collections.abc import Callable


def each(make: Callable[[int], object], many: int = 20_000) -> float:
    """Bytes of one of many objects; `make` gets a large number, another one each time."""
    make(1_000)
    kept: list[object] = [None] * many
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for n in range(many):
            kept[n] = make(1_000 + n)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / many
