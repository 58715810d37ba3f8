"""The Rust half. Private: `cellheap`'s modules are the public face."""

from collections.abc import Callable, Iterable, Sequence, Set
from contextvars import ContextVar
from os import PathLike
from types import TracebackType
from typing import Any, TypeAlias, final

from typing_extensions import Buffer

__version__: str

# ---- charts ----------------------------------------------------------------------------------------

def chart_cells(overview_json: str, width: int = 760) -> str:
    """Memory of each cell as SVG, from the JSON of `overview`. Raises ValueError for other JSON."""

def chart_history(history_json: str, width: int = 760) -> str:
    """Live memory by origin over the cells as SVG, from the JSON of `heap::report::History`."""

def chart_timeline(cell_report_json: str, width: int = 760) -> str:
    """A cell's timeline as SVG, from the JSON of `cell_report`. Raises ValueError for other JSON."""

def chart_spark(cell_report_json: str) -> str:
    """A cell's timeline as small as a few words, as SVG text."""

def chart_lines(cell_report_json: str, source_json: str, width: int = 760) -> str:
    """A cell's source with bars as SVG.

    `source_json` is `{"file": str, "lines": [str], "names": {file: "In[2]"}}`.
    """

def chart_last(last_json: str, width: int = 760) -> str | None:
    """The last minute of a process as SVG, from the JSON of `last_words`; None where it left too little."""

def chart_flame(
    stacks_json: str,
    names_json: str,
    measure: str,
    title: str,
    most: int,
    page: bool = False,
    width: int = 760,
) -> str:
    """A flame graph as SVG, from the JSON of `stacks`, with at most about `most` frames.

    `names_json` is `{file: "In[2]"}`; `measure` is "peak", "live" or "allocated". With `page` the SVG has a
    script of its own.
    """

def flame_text(stacks_json: str, names_json: str, measure: str, most: int) -> str:
    """The JSON of `stacks` as text for a terminal of 80 columns, at most about `most` rows."""

def folded_stacks(stacks_json: str, names_json: str, measure: str) -> str:
    """The JSON of `stacks` as collapsed stacks: `frame;frame;frame bytes`, one line each."""

def chart_chains(chains_json: str, width: int = 760) -> str:
    """Chains of holders as SVG.

    `chains_json` is `{"title": str, "target": str, "chains": [{"root": str, "note": str, "steps": [{"words":
    str, "name": str, "number": int}]}]}`; the last step leads to the target.
    """

def chart_ring(ring_json: str, width: int = 760) -> str:
    """A reference cycle as SVG: each member holds the next by its words, the last the first.

    `ring_json` is `{"title": str, "members": [{"name": str, "note": str, "words": str}]}`.
    """

def chart_variables(variables_json: str, width: int = 760) -> str:
    """Variables as bars, as SVG.

    `variables_json` is `{"title": str, "variables": [{"name": str, "note": str, "retained": int, "shallow":
    int, "shared": int}]}`.
    """

def chart_map(map_json: str, width: int = 760) -> str:
    """How full pymalloc's arenas are as SVG, from the JSON of `heap_map`."""

def chart_column(charts: Sequence[str]) -> str:
    """Several charts as one, under each other. Raises RuntimeError for what is no chart."""

def chart_png(svg: str, scale: float = 2.0) -> bytes:
    """A chart as PNG, `scale` pixels for each of its own. Raises RuntimeError for what is no chart."""

def bytes_text(n: int) -> str:
    """Binary units with three significant digits: `0 B`, `1023 B`, `1.00 KiB`, `53.4 MiB`."""

# ---- the tracer ------------------------------------------------------------------------------------

def trace_start() -> None:
    """Hook Python's allocators. Raises RuntimeError with one line where this build cannot be traced."""

def trace_stop() -> None:
    """Unhook. The live table ends."""

def tracing() -> bool:
    """Whether allocations are being recorded."""

def code_number(text: str, cell_id: object) -> int:
    """The same for the same text, but for blanks around it, in the same cell where the front end says which.
    48 bits, never zero.
    """

def murmur2(data: str, seed: int) -> int:
    """As `ipykernel.compiler.murmur2_x86`: an unsigned number of 32 bits. A lone surrogate raises
    UnicodeEncodeError.
    """

def trace_note() -> str | None:
    """What to know of the numbers, or why there are none, in one line."""

def set_notebook_files(prefixes: list[str]) -> None:
    """Code whose `co_filename` starts with one of these is the notebook's."""

def cell_begin(number: int | None, reset_hwm: bool = True, code: int = 0) -> int:
    """A cell begins: what this context allocates from here on is its. Returns our id of the cell.

    Runs of the same code have the same `code`, 0 is unknown. Without `reset_hwm` the process's high-water
    mark of RSS is left alone, and `rss_peak` is unknown.
    """

def cell_end(id: int, failed: bool = False) -> None:
    """The cell ended. An unknown id is ignored."""

def statement_begin() -> None:
    """A statement of a cell begins, or a cell that is one piece: Python's free lists are its own."""

def statement_end() -> None:
    """The statement ended: what it left in free lists is given back."""

def current_cell() -> int:
    """The cell that runs in this context, by our id; 0 before the first."""

def cell_id(number: int) -> int | None:
    """Our id of the latest run of execution count `number`."""

def reset() -> None:
    """Forget the cells recorded so far; what is live stays live."""

def overview(history: bool = False) -> str:
    """JSON of `heap::report::Overview`; its history only where it is asked for."""

def cell_report(id: int, most: int | None = None) -> str:
    """JSON of `heap::report::CellReport`; of the library functions under each line the `most` biggest, where
    that is given. Raises KeyError for an unknown id."""

def diff(from_cell: int, to_cell: int) -> str:
    """JSON of `heap::report::Diff`, between the ends of two cells by our ids.

    Raises ValueError where it cannot be told: its argument is "from" or "to" (that cell's end is not known),
    "backwards" or "cut" (recording stopped between).
    """

def own_live() -> int:
    """Bytes live now that our own API made."""

def forget_attributes() -> None:
    """Empties the interpreter's cache of types' attributes, which keeps names that were looked up."""

def weigh(
    acts: Sequence[tuple[Callable[[], object], Set[int]]], generation: int, most: float
) -> list[tuple[int, int, int, int, list[object]]]:
    """Collect all, then do each act and collect `generation`: the bytes and blocks that went by it by the
    books, what malloc's use and arenas from before tracing fell by, how many objects the collection found,
    and the objects that the collector knows then at the addresses beside the act.

    The list ends early where all acts take longer than `most` seconds; one is done in any case. Acts of C's
    alone keep other threads out meanwhile. Raises what an act raises.
    """

def let_go_unheld(values: list[Any]) -> None:
    """Put None in the place of each value that nothing but the list holds, and of what is held by none but
    those: all that are left then are held by others."""

def live(most: int | None = None) -> str:
    """JSON of `heap::report::Live`; `most` as in `cell_report`."""

def heap_map() -> str:
    """JSON of `heap::report::HeapMap`."""

def stacks(id: int | None = None) -> str:
    """JSON of `heap::report::Stacks`, of a cell or of the whole notebook. Raises KeyError for an unknown
    id."""

def span_begin() -> int:
    """What happens from here on is measured on its own. Returns our id of the span."""

def span_end(id: int) -> str:
    """JSON of `heap::report::Span`. Raises KeyError for an unknown id."""

def process() -> str:
    """JSON of `heap::report::Process`."""

def trim() -> bool:
    """Hands malloc's free memory back to the system. False where this C library cannot."""

def totals_address() -> int:
    """For judges of totals: the address of two u64, live bytes and the most there was.

    Raises RuntimeError while tracing.
    """

def limit_prepare(make: Callable[[str, int | None], object]) -> None:
    """Watch limits: `make(json, None)` gives the exception to raise of a `heap::stops::Stop`, `make(json,
    ident)` the class of one for that thread. Raises RuntimeError with one line where that cannot be."""

def limit_set(most: int | None) -> None:
    """Live bytes may go up to so many; None: to any number. After `limit_prepare`."""

def limit_state() -> tuple[int | None, int]:
    """The notebook's limit, and the live bytes that count."""

def limit_call_begin(growth: int) -> int:
    """Until `limit_call_end` live bytes may grow by so many. Returns our id of the call."""

def limit_call_end(id: int) -> None:
    """The call ended. An unknown id is ignored."""

def limit_refusals() -> str:
    """JSON of the latest requests that were refused, a list of `heap::stops::Stop`, the latest first."""

def limit_forget() -> None:
    """Forget the requests that were refused."""

def limit_collecting(phase: str, _info: object = None) -> None:
    """For `gc.callbacks`: nobody is stopped during a collection."""

def container() -> tuple[int, str] | None:
    """What there is to share, in bytes, and what says so: a container's limit or the machine's memory."""

@final
class spare:
    """Where memory or descriptors are short, what was kept for us is free inside."""

    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class own:
    """Blocks made inside are cellheap's, whatever code makes them."""

    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

# ---- the object graph ------------------------------------------------------------------------------

# A place: a container, how what it holds is called, what kind of root it is, and its keys that are outputs.
_Places: TypeAlias = list[tuple[object, str, str, list[str]]]
# A step of a clearing: its label, names by their kind, and references of a holder to an object.
_Steps: TypeAlias = list[tuple[str, list[tuple[str, str]], list[tuple[object, object]]]]

# With `progress` a line goes to descriptor 2 each second once a call takes longer than one.

def graph_variables(places: _Places, names: set[str] | None = None, progress: bool = True) -> str:
    """JSON of the variables' table."""

def graph_retained(thing: object, places: _Places, progress: bool = True) -> str:
    """JSON of what would go if an object went."""

def graph_holders(thing: object, places: _Places, most: int = 5, progress: bool = True) -> str:
    """JSON of who holds an object."""

def graph_cycles(places: _Places, most: int = 10, progress: bool = True) -> str:
    """JSON of the cycles that the next full collection would find."""

def graph_predict(steps: _Steps, places: _Places, progress: bool = True) -> str:
    """JSON of what goes when steps are taken, one after the other."""

def graph_suspects(names: set[str], steps: _Steps, least: int, places: _Places, progress: bool = True) -> str:
    """JSON of all that a report of the notebook asks, of one picture."""

def graph_survivors(cell: int | None, places: _Places, most: int = 10, progress: bool = True) -> str:
    """JSON of the types of what is alive, by cell."""

def graph_newer(since: int, until: int, places: _Places, progress: bool = True) -> str:
    """JSON of who holds most of what the cells after one up to another left behind; null for nothing."""

def graph_reads_pyarrow() -> bool:
    """Whether what pyarrow's C++ has is read, as the last question found; true where it is not loaded."""

def graph_types() -> str:
    """JSON of how many objects of each type the collector knows."""

def graph_check(minor: int) -> None:
    """Whether objects here lie as those of this minor do. Raises RuntimeError with what does not."""

# ---- the lookout and the black box -------------------------------------------------------------------

def box_begin(connection_file: str | PathLike[str]) -> None:
    """Begin the black box beside a connection file. Raises OSError with one line where there can be none."""

def box_end() -> None:
    """The process ends well: leave nothing behind."""

def box_open() -> bool:
    """Whether the black box is written."""

def last_words() -> str | None:
    """JSON of `heap::last::Last`; None where the process before this one ended well."""

def last_words_untold() -> bool:
    """Whether nobody was told the last words yet."""

def last_words_told() -> None:
    """They were told: no later process tells them by itself."""

def lookout_begin(cell: int, label: str, file: str, charted: bool) -> None:
    """A cell runs in this thread, by our id; with `charted` its chart is drawn while it runs."""

def lookout_end(cell: int) -> str | None:
    """The cell has ended. The id of the display that its chart is, if one was drawn."""

def lookout_uncharted(cell: int) -> None:
    """The cell's chart is not to be drawn any more."""

def lookout_by_wire(kernel: Kernel) -> None:
    """Show what the lookout finds over our own wire."""

def lookout_by_waiting() -> None:
    """Give what the lookout finds to whoever waits in `next_sight`."""

def next_sight(seconds: float) -> str | None:
    """JSON of what is to be shown next; None when nothing came in so many seconds."""

# ---- the wire --------------------------------------------------------------------------------------

class ConnectionError(Exception):
    """The kernel cannot listen where its connection file says. One line."""

def json_dump(value: object, packer: Callable[[Any], bytes]) -> bytes:
    """JSON of `value`; `packer` is asked where it is more than plain JSON."""

def json_load(text: bytes, unpacker: Callable[[bytes], Any]) -> Any:
    """Python objects of one JSON text; `unpacker` is asked where it is more than plain JSON."""

@final
class Kernel:
    """The wire of this process: from here on heartbeat and kernel_info are answered.

    Raises ConnectionError.
    """

    def __new__(
        cls, connection_file: str | PathLike[str], info: bytes, session: str, username: str, ident: str
    ) -> Kernel: ...
    @property
    def connection_file(self) -> str: ...
    def fileno(self, lane: str) -> int:
        """Readable while a request waits on the lane: "shell", "control" or the name of a subshell."""

    def inform(self, info: bytes) -> None:
        """Replace the content of kernel_info_reply, as JSON."""

    def attach(self) -> None:
        """The shell is up: what is queued comes now."""

    def fail(self, ename: str, evalue: str) -> None:
        """The shell cannot come up: every request gets an error reply."""

    def take(
        self, lane: str, unpacker: Callable[[bytes], Any]
    ) -> tuple[int, list[bytes], dict[str, Any]] | None:
        """The next request of the lane, if none is open: number, identities, message."""

    def take_comm(
        self, lane: str, unpacker: Callable[[bytes], Any]
    ) -> tuple[list[bytes], dict[str, Any]] | None:
        """The next comm message while a request of the lane is open."""

    def finish(self, lane: str, number: int) -> None:
        """The request is done. In a forked child this ends the process."""

    def open_subshell(self, name: str) -> None:
        """A further queue of requests, for those whose header has this `subshell_id`."""

    def close_subshell(self, name: str) -> None:
        """Nothing more is for the subshell: what waits there and what comes later is refused."""

    def end_subshell(self, name: str) -> None:
        """The subshell runs nothing any more."""

    def comm_went(self, lane: str, comm: str, question: str | None = None) -> None:
        """A comm message goes out from this lane: what the front end answers belongs there."""

    def comm_closed(self, comm: str) -> None: ...
    def send(
        self,
        channel: str,
        ids: Sequence[bytes],
        header: object,
        parent_header: object,
        metadata: object,
        content: object,
        buffers: Iterable[Buffer],
        packer: Callable[[Any], bytes] | None,
    ) -> None:
        """Send on a channel, or on "iopub", whose topic is the first of `ids`. Bytes are sent as they are."""

    def flush(self) -> None:
        """Send stream text on its way now."""

    def abort_queue(self, lane: str) -> None:
        """Abort every execute_request of the lane that has come by now; what comes later runs."""

    def purge_answers(self) -> None:
        """Forget answers that came before they were asked for."""

    def answer(self, unpacker: Callable[[bytes], Any]) -> dict[str, Any]:
        """Wait for an input_reply. An interrupt ends the wait."""

    def capture(self) -> list[int]:
        """Redirect descriptors 1 and 2 into the kernel. Returns duplicates of the original ones."""

    def is_child(self) -> bool:
        """Whether this is a forked child of the kernel."""

    def close(self, seconds: float) -> None:
        """Send everything queued, for at most `seconds`, and end the threads."""

@final
class Writer:
    """One of a kernel's two streams: "stdout" or "stderr"."""

    # The parent header where the context has none.
    fallback: dict[str, Any]
    # Whether `write` is all that writing takes: no hook wants to see messages, and no echo.
    plain: bool
    def __new__(
        cls,
        wire: Kernel,
        stream: str,
        session: Any,
        parent: ContextVar[dict[str, Any]],
        fallback: dict[str, Any],
    ) -> Writer: ...
    def write(self, text: str) -> int:
        """Write for the request whose parent header is the thread's."""

@final
class Tee:
    """A cell's `write`: what it writes is in IPython's history of outputs as well."""

    # Whether its cell has ended.
    over: bool
    def __new__(
        cls,
        writer: Writer,
        slowly: Callable[[str], object],
        outputs: dict[int, Any],
        count: int,
        note: Callable[[str], tuple[object, list[str]]],
    ) -> Tee: ...
    def write(self, text: str, /) -> int: ...
