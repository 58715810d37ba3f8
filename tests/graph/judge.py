"""Runs in a process of its own: makes variables, asks what deleting them would free, deletes them, and compares with
what the books then say was freed. Reads a line `[source, [name, ...]]`, writes one `[predicted, freed]`, and so on.
With no names the source is a library: what it makes stays."""

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

from cellheap import graph  # noqa: E402  made while everything counts

SPACE: dict[str, Any] = vars(sys.modules["__main__"])
SEEN = array("Q", [0, 0])
# Python's cache of attributes keeps the names that were looked up last, and code that runs as things die looks some up.
forget_names = getattr(sys, "_clear_internal_caches", sys._clear_type_cache)


def judge(source: str, names: list[str]) -> tuple[int, int]:
    known = set(SPACE)
    exec(compile(source, "<objects>", "exec"), SPACE)
    if not names:
        return 0, 0
    gc.collect()
    forget_names()
    predicted = graph.predict(names, progress=False)
    assert predicted.each[0][1].bytes == 0, predicted
    # CPython 3.12 ends a suspended generator by an exception, and for its traceback gives who lets go of it a frame
    # object, which stays while that one runs. Here it is made beforehand.
    sys._getframe()
    gc.collect()
    forget_names()
    SEEN[0] = _live.value
    for name in names:
        del SPACE[name]
    gc.collect()
    forget_names()
    SEEN[1] = _live.value
    freed = SEEN[0] - SEEN[1]
    for name in set(SPACE) - known:
        del SPACE[name]
    gc.collect()
    return predicted.freed.bytes, freed


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(judge(*json.loads(line))), flush=True)
