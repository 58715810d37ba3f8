"""`CellMemoryLimit`: what a stop at the limit says, in whatever way the code was stopped. Sets no limit."""

from __future__ import annotations

import gc
import json
import linecache
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from threading import get_ident
from types import TracebackType
from typing import Any

from IPython.core.getipython import get_ipython

from cellheap import _core, hidden, recorder
from cellheap.kinds import is_of
from cellheap.records import Frame, read
from cellheap.report import Report
from cellheap.results import NoSources, file_names
from cellheap.sentences import where
from cellheap.units import bytes_text

ADVICE = (
    "`del` what you can spare and run `%gcclear`; `%memtrace live` shows what is\n"
    "alive; `%memtrace limit off` lifts the limit."
)
#: Variables whose own size is known without running anybody's code.
_PLAIN = (list, tuple, dict, set, frozenset, str, bytes, bytearray)
#: Variables that are named, and the part of the limit that one must have.
_VARIABLES, _PART = 3, 20


class CellMemoryLimit(MemoryError):  # noqa: N818 - named by what it says
    """Memory went past a limit that the user set, or was about to. The code that asked was stopped."""

    #: What a limited call did, if it was one's limit.
    report: Report | None
    #: The numbers of the stop; None where the call had ended already.
    stop: Stop | None

    def __init__(
        self, message: str | None = None, report: Report | None = None, stop: Stop | None = None
    ) -> None:
        if message is None:
            # Raised in another thread, by its class alone.
            message, stop = _waiting.pop(get_ident(), ("Memory went past the limit.", None))
        super().__init__(message)
        self.report, self.stop = report, stop


CellMemoryLimit.__module__ = "cellheap"  # Where it is found.


@dataclass(frozen=True, slots=True)
class Held:
    """A line's live bytes; `origin` is the cell that they were allocated in."""

    origin: str = ""
    file: str = ""
    line: int = 0
    function: str = ""
    live: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop at a limit, in exact bytes. `asked` is the request that was refused; None where blocks were
    given and the code was stopped after."""

    asked: int | None = None
    live: int = 0
    limit: int = 0
    call: int | None = None
    file: str = ""
    line: int = 0
    function: str = ""
    top: tuple[Held, ...] = ()


#: What errors on their way to other threads will say, by the threads.
_waiting: dict[int, tuple[str, Stop | None]] = {}
#: Limited calls that run: how each is called, and its limit.
calls: dict[int, tuple[str, int]] = {}


def watch() -> None:
    """Limits are watched from here on. RuntimeError says why they cannot be."""
    _core.limit_prepare(_make)
    if _core.limit_collecting not in gc.callbacks:
        gc.callbacks.insert(0, _core.limit_collecting)


def unwatch() -> None:
    """No limit is set any more."""
    if not calls and _core.limit_state()[0] is None and _core.limit_collecting in gc.callbacks:
        gc.callbacks.remove(_core.limit_collecting)
        _core.limit_collecting("stop")


def _make(text: str, thread: int | None) -> object:
    stop = read(Stop, json.loads(text))
    error = CellMemoryLimit(words(stop), stop=stop)
    if thread is None:
        return error
    _waiting[thread] = (str(error), stop)
    return CellMemoryLimit


def refusal(error: BaseException | None, trace: TracebackType | None) -> Stop | None:
    """The refusal that a MemoryError came of; None if it came of none. The line that was refused is on the
    error's way, or is where that has come to."""
    if not isinstance(error, MemoryError) or isinstance(error, CellMemoryLimit):
        return None
    frames = chain(traceback.walk_tb(trace), traceback.walk_stack(sys._getframe()))
    lines = {(frame.f_code.co_filename, line) for frame, line in frames}
    refused = (read(Stop, one) for one in json.loads(_core.limit_refusals()))
    return next((stop for stop in refused if (stop.file, stop.line) in lines), None)


def translated(error: BaseException | None, trace: TracebackType | None) -> CellMemoryLimit | None:
    """A MemoryError as the CellMemoryLimit that it came of; None if it came of none."""
    stop = refusal(error, trace)
    if stop is None:
        return None
    return CellMemoryLimit(words(stop), stop=stop).with_traceback(trace)


def words(stop: Stop) -> str:
    """What happened where, what holds the most, and what to do."""
    names = file_names(
        {stop.file, *(held.file for held in stop.top)}, recorder.known_sources() or NoSources()
    )
    place = where(Frame(stop.file, stop.line, stop.function), names)
    subject, most = calls.get(stop.call or 0, ("", stop.limit))
    live, limit = bytes_text(stop.live), bytes_text(stop.limit)
    if subject:
        did = f"asked for {bytes_text(stop.asked)}" if stop.asked is not None else "took it there"
        said = [f"{subject} was stopped at its limit of {bytes_text(most)}: {place} {did}"]
    elif stop.asked is not None:
        said = [f"{place} asked for {bytes_text(stop.asked)} where {live} are live: the limit is {limit}."]
    else:
        to = "" if live == limit else f" to {live},"
        said = [f"{place} took live memory{to} past the limit of {limit}."]
    said += ["What holds the most:", *(_line(held, names) for held in stop.top)] if stop.top else []
    if big := ", ".join(_variables(stop.limit)):
        said.append(f"Big variables: {big}.")
    return "\n".join([*said, ADVICE] if not subject else said)


def _line(held: Held, names: Any) -> str:
    sources = recorder.known_sources()
    lines = (sources and sources.lines(held.file)) or linecache.getlines(held.file)
    code = lines[held.line - 1].strip() if 0 < held.line <= len(lines) else ""
    place = where(Frame(held.file, held.line, held.function), names)
    origin = "" if not held.origin or place.startswith(held.origin + ",") else f" (run by {held.origin})"
    return f"{bytes_text(held.live):>10}  {place}{origin}{code and ': '}{code}"


def _variables(limit: int) -> Iterator[str]:
    """The notebook's variables that are big by themselves, biggest first."""
    shell: Any = get_ipython()
    if shell is None:
        return
    sizes = [(_size(shell.user_ns.get(name)), name) for name in hidden.variables(shell)]
    for size, name in sorted(sizes, reverse=True)[:_VARIABLES]:
        if size and size * _PART >= limit:
            yield f"{name} ({type(shell.user_ns.get(name)).__name__}, {bytes_text(size)})"


def _size(value: Any) -> int:
    """The bytes of an object's own blocks, where that is known without running anybody's code."""
    if is_of(value, *_PLAIN):
        return sys.getsizeof(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(value) is numpy.ndarray and value.flags.owndata:
        return int(value.nbytes)
    return 0
