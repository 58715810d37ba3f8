"""One measurement: a workload under one recorder, in this process. Prints JSON. `tracer.py` starts these.

The source is run once to warm up, then the best of a few calls counts, in processor time of the whole
process: our sampling thread counts, a busy neighbour does not. Memory is the process's high-water mark of
RSS, the books included.

    python benchmarks/measure.py MODE NAME CALLS
"""

import json
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import suite
from workloads import DEEP, LOOPS, NUMPY

FILE = "/notebook/benchmark.py"
CELLS = LOOPS | DEEP | NUMPY


def load(name: str) -> Callable[[], object]:
    """The work of one call, its set-up done."""
    if name in suite.SUITE:
        return suite.load(name)
    names: dict[str, object] = {}
    exec(compile(CELLS[name], FILE, "exec"), names)
    call = compile("work()", FILE, "exec")
    return lambda: exec(call, names)


def is_notebook(name: str) -> str:
    """The file whose code is the notebook's."""
    return str(suite.path(name)) if name in suite.SUITE else FILE


@contextmanager
def recorded(mode: str, name: str) -> Iterator[None]:
    """Under Fil the whole process runs already; plain is plain."""
    if mode == "cellheap":
        from cellheap import _core

        _core.trace_start()
        _core.set_notebook_files([is_notebook(name)])
        cell = _core.cell_begin(1)
        yield
        _core.cell_end(cell)
        figures = json.loads(_core.cell_report(cell))["cell"]
        assert figures["traced"], "the cell was not recorded"
        assert figures["allocated"] > 100_000, "the cell was not recorded"
    elif mode == "memray":
        import memray

        with (
            tempfile.TemporaryDirectory() as folder,
            memray.Tracker(Path(folder) / "memray.bin", trace_python_allocators=True),
        ):
            yield
    else:
        if mode == "tracemalloc":
            tracemalloc.start(1)
        yield


def measure(mode: str, name: str, calls: int) -> dict[str, float]:
    times = []
    with recorded(mode, name):
        work = load(name)
        for _ in range(calls + 1):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"seconds": min(times[1:]), "rss": int(peak.split()[1]) * 1024}


if __name__ == "__main__":
    mode, name, calls = sys.argv[1:]
    print(json.dumps(measure(mode, name, int(calls))), flush=True)
    if mode == "fil":
        os._exit(0)  # its report takes longer than the work
