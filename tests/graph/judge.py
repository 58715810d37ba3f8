"""Runs in a process of its own: makes variables, asks what deleting them would free, deletes them, and compares with
what the books then say was freed. Reads JSON `[[source, [name, ...]], ...]`, writes `[[predicted, freed], ...]`."""

import ctypes
import gc
import json
import sys
from array import array
from typing import Any

from cellheap import _core

_core.trace_start()
_core.trace_stop()
_live = ctypes.c_uint64.from_address(_core.totals_address())
_core.trace_start()

import cellheap.graph as graph  # noqa: E402  made while everything counts

SPACE: dict[str, Any] = vars(sys.modules["__main__"])
SEEN = array("Q", [0, 0])


def judge(source: str, names: list[str]) -> tuple[int, int]:
    known = set(SPACE)
    exec(compile(source, "<objects>", "exec"), SPACE)
    gc.collect()
    predicted = graph.predict(names, progress=False)
    rows = {row.name: row.retained.bytes for row in graph.variables(names, progress=False).variables}
    assert predicted.each[0][1].bytes == 0, predicted
    if len(names) == 1:
        assert rows[names[0]] == predicted.freed.bytes, (rows, predicted.freed)
    gc.collect()
    SEEN[0] = _live.value
    for name in names:
        del SPACE[name]
    gc.collect()
    SEEN[1] = _live.value
    freed = SEEN[0] - SEEN[1]
    for name in set(SPACE) - known:
        del SPACE[name]
    gc.collect()
    return predicted.freed.bytes, freed


if __name__ == "__main__":
    json.dump([judge(source, names) for source, names in json.load(sys.stdin)], sys.stdout)
