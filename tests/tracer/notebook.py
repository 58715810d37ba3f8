"""What traced programs import: a notebook without IPython, and the judge's functions."""

import ctypes
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

from cellheap import _core as core

# The notebook's files begin so; each cell has one of its own.
PREFIX = "/notebook/"


class Notebook:
    """Runs sources as cells, each under a file name of its own, in one namespace."""

    def __init__(self, start: bool = True) -> None:
        self.names: dict[str, Any] = {}
        self.count = 0
        if start:
            core.trace_start()
            core.set_notebook_files([PREFIX])

    def run(self, source: str) -> int:
        """Runs a cell; our id of it."""
        self.count += 1
        code = compile(source, self.file(self.count), "exec")
        cell = core.cell_begin(self.count)
        core.statement_begin()
        exec(code, self.names)
        core.statement_end()
        core.cell_end(cell)
        return cell

    def file(self, number: int) -> str:
        return f"{PREFIX}{number}.py"


def report(cell: int) -> Any:
    return json.loads(core.cell_report(cell))


def overview() -> Any:
    return json.loads(core.overview())


def live() -> Any:
    return json.loads(core.live())


def lines(cell: int, number: int) -> dict[int, Any]:
    """The lines of a cell that lie in the file of cell `number`."""
    file = f"{PREFIX}{number}.py"
    return {line["line"]: line for line in report(cell)["lines"] if line["file"] == file}


def python_layer(line: Any) -> Any:
    """Of a line's numbers, what Python's own allocators gave."""
    shares = [share for share in line["shares"] or [line] if share.get("allocator", "pymalloc") == "pymalloc"]
    return {
        name: sum(share[name] for share in shares) for name in ("allocated", "live", "blocks", "live_blocks")
    }


def say(value: Any) -> None:
    print(json.dumps(value))


class Judge:
    """tests/judge, called with the interpreter's lock held."""

    def __init__(self) -> None:
        self.library = ctypes.PyDLL(os.environ["JUDGE"])
        self.library.judge_begin.argtypes = [ctypes.py_object] * 2
        self.library.judge_begin.restype = None
        self.library.judge_totals.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
        self.library.judge_totals.restype = None
        self.library.judge_reference_start.argtypes = [ctypes.c_char_p]
        self.library.judge_reference_report.restype = ctypes.c_char_p

    def begin_totals(self) -> None:
        """From one moment on, the tracer and tracemalloc above it count the same blocks."""
        core.trace_start()
        core.trace_stop()
        self.ours = core.totals_address()
        core.trace_start()
        self.library.judge_keep_raw()
        tracemalloc.start()
        self.library.judge_spare_raw()
        core.trace_stop()
        self.read = (ctypes.c_uint64 * 4)()
        self.place = ctypes.addressof(self.read)
        self.library.judge_begin(core.trace_start, tracemalloc.clear_traces)

    def totals(self) -> tuple[int, int, int, int]:
        """Our live and peak, then tracemalloc's, of one moment."""
        self.library.judge_totals(self.ours, tracemalloc.get_traced_memory, self.place)
        return (self.read[0], self.read[1], self.read[2], self.read[3])

    def start_reference(self) -> None:
        self.library.judge_reference_start(PREFIX.encode())

    def mark(self) -> None:
        self.library.judge_reference_mark()

    @staticmethod
    def rows(report: bytes) -> dict[tuple[str, int], dict[str, int]]:
        """What `judge_reference_report` said, by file and line."""
        names = ("allocated", "returned", "blocks", "blocks_returned", "peak")
        rows = (row.split("\t") for row in report.decode().splitlines())
        return {(row[0], int(row[1])): dict(zip(names, map(int, row[2:]), strict=True)) for row in rows}


def resident() -> int:
    """RSS in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
