"""A workload under one recorder, in this process. `tracer.py` starts these, and has them take turns.

The source is run once to warm up. Then each line of input is a call, which is answered by its seconds:
processor time of the whole process, so that our sampling thread counts and a busy neighbour does not. At the
end of the input the process's high-water mark of RSS in bytes is told, the books included.

    python benchmarks/measure.py MODE NAME
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


def measure(mode: str, name: str) -> None:
    with recorded(mode, name):
        work = load(name)
        work()
        print("ready", flush=True)
        for _ in sys.stdin:
            start = time.process_time()
            work()
            print(time.process_time() - start, flush=True)
        status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    print(int(peak.split()[1]) * 1024, flush=True)


if __name__ == "__main__":
    mode, name = sys.argv[1:]  # which some workloads change
    measure(mode, name)
    if mode == "fil":
        os._exit(0)  # its report takes longer than the work
