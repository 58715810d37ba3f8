"""The Rust half. Private: `cellheap`'s modules are the public face."""

from types import TracebackType
from typing import final

__version__: str

# ---- charts ----------------------------------------------------------------------------------------

def chart_cells(overview_json: str, width: int = 760) -> str:
    """Memory of each cell as SVG, from the JSON of `overview`. Raises ValueError for other JSON."""

def chart_timeline(cell_report_json: str, width: int = 760) -> str:
    """A cell's timeline as SVG, from the JSON of `cell_report`. Raises ValueError for other JSON."""

def chart_lines(cell_report_json: str, source_json: str, width: int = 760) -> str:
    """A cell's source with bars as SVG.

    `source_json` is `{"file": str, "lines": [str], "names": {file: "In[2]"}}`.
    """

def bytes_text(n: int) -> str:
    """Binary units with three significant digits: `0 B`, `1023 B`, `1.00 KiB`, `53.4 MiB`."""

# ---- the tracer ------------------------------------------------------------------------------------

def trace_start() -> None:
    """Hook Python's allocators. Raises RuntimeError with one line where this build cannot be traced."""

def trace_stop() -> None:
    """Unhook. The live table ends."""

def tracing() -> bool:
    """Whether allocations are being recorded."""

def trace_note() -> str | None:
    """What to know of the numbers, in one line."""

def set_notebook_files(prefixes: list[str]) -> None:
    """Code whose `co_filename` starts with one of these is the notebook's."""

def cell_begin(number: int | None, reset_hwm: bool = True) -> int:
    """A cell begins: what this context allocates from here on is its. Returns our id of the cell.

    Without `reset_hwm` the process's high-water mark of RSS is left alone, and `rss_peak` is unknown.
    """

def cell_end(id: int, failed: bool = False) -> None:
    """The cell ended. An unknown id is ignored."""

def current_cell() -> int:
    """The cell that runs in this context, by our id; 0 before the first."""

def cell_id(number: int) -> int | None:
    """Our id of the latest run of execution count `number`."""

def reset() -> None:
    """Forget the cells recorded so far; what is live stays live."""

def overview() -> str:
    """JSON of `heap::report::Overview`."""

def cell_report(id: int) -> str:
    """JSON of `heap::report::CellReport`. Raises KeyError for an unknown id."""

def live() -> str:
    """JSON of `heap::report::Live`."""

def process() -> str:
    """JSON of `heap::report::Process`."""

def totals_address() -> int:
    """For judges of totals: the address of two u64, live bytes and the most there was.

    Raises RuntimeError while tracing.
    """

@final
class own:
    """Blocks made inside are cellheap's, whatever code makes them."""

    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
