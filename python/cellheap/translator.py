"""Shows a MemoryError that a refusal led to as the `CellMemoryLimit` that it is. What it says: `stopping`."""

from __future__ import annotations

import sys
import threading
import traceback
from contextlib import suppress
from inspect import CO_OPTIMIZED
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cellheap import _core
from cellheap.later import Later

if TYPE_CHECKING:
    from cellheap import stopping
else:
    stopping = Later("cellheap.stopping")


def _translated(error: BaseException | None, trace: TracebackType | None) -> stopping.CellMemoryLimit | None:
    """Where no limit was ever set nobody was stopped: a MemoryError is no moment to import in."""
    if "cellheap.stopping" not in sys.modules:
        return None
    return stopping.translated(error, trace)


def _is_limit(error: BaseException | None) -> bool:
    return "cellheap.stopping" in sys.modules and isinstance(error, stopping.CellMemoryLimit)


def _let_go(error: BaseException | None) -> None:
    """Frees what the functions that the error came through had in hand: tracebacks are kept, and memory is
    wanted back."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_flags & CO_OPTIMIZED:  # The notebook's own variables stay.
                with suppress(RuntimeError):  # It runs.
                    frame.clear()
        error = error.__cause__ or error.__context__


class Translator:
    """Shows a MemoryError that a refusal led to as the CellMemoryLimit that it is, in one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def attach(self) -> None:
        self._original = self._shell.showtraceback
        self._shell.showtraceback = self._show
        self._thread_ended = threading.excepthook
        threading.excepthook = self._show_thread
        self._shell.events.register("pre_run_cell", self._before)
        self._shell.events.register("post_run_cell", self._after)

    def detach(self) -> None:
        """Somebody may have put another function over ours: that one goes on calling it."""
        if self._shell.__dict__.get("showtraceback") == self._show:
            del self._shell.showtraceback
        if threading.excepthook == self._show_thread:
            threading.excepthook = self._thread_ended
        self._shell.events.unregister("pre_run_cell", self._before)
        self._shell.events.unregister("post_run_cell", self._after)

    def _show(self, exc_tuple: Any = None, *args: Any, **options: Any) -> Any:
        with _core.own():
            _, error, trace = exc_tuple or sys.exc_info()
            limit = _translated(error, trace)
        if limit is not None:
            exc_tuple = (type(limit), limit, trace)
        shown = self._original(exc_tuple, *args, **options)
        if limit is not None or _is_limit(error):
            _let_go(error)
        return shown

    def _show_thread(self, args: threading.ExceptHookArgs) -> None:
        """A thread ends with an error."""
        with _core.own():
            limit = _translated(args.exc_value, args.exc_traceback)
        if limit is not None:
            args = threading.ExceptHookArgs((type(limit), limit, args.exc_traceback, args.thread))
        self._thread_ended(args)

    def _before(self, info: Any) -> None:
        _core.limit_forget()

    def _after(self, result: Any) -> None:
        """The reply tells of the error that the cell's result has."""
        with _core.own():
            error = result.error_in_exec if result is not None else None
            limit = _translated(error, error.__traceback__) if error is not None else None
            if limit is not None:
                result.error_in_exec = limit
