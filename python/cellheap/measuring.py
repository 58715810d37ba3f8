"""`cellheap.trace()`: what a block of code does to memory, measured on its own, in a notebook, a script or a
test.

Keeps numbers and text: no object of the user's, no frame.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import MethodType, TracebackType
from typing import Generic, Self, TypeVar

from cellheap import _core, recorder
from cellheap.report import Report
from cellheap.sources import prefixes

S = TypeVar("S")
T = TypeVar("T")

#: Files whose code counts as the notebook's where there is no notebook.
_followed: list[str] = []


class entering(Generic[S, T]):  # noqa: N801 - a decorator
    """For `__enter__`: the bound method that `with` asks for is made here, and so is cellheap's. Else its
    block would count as given back by the code that is measured."""

    def __init__(self, function: Callable[[S], T]) -> None:
        self._function = function

    def __get__(self, owner: S, kind: object = None) -> Callable[[], T]:
        return MethodType(self._function, owner)


class trace:  # noqa: N801 - used like a function: `with cellheap.trace() as t:`
    """Measures the memory of the code inside it, in exact bytes::

        with cellheap.trace() as t:
            rows = load()
        t.report.peak, t.report.net, t.report.lines

    Counted is all that the notebook's code does meanwhile, in whatever thread. So blocks may be nested and
    may run in several threads at once: each says what happened while it was open. The numbers of the cell
    around it stay as they are.

    In a notebook the lines are the notebook's, as in every report. In a script or a test, where no kernel or
    `%load_ext cellheap` records, recording begins with the first `trace()` and goes on; the lines are those
    of the files that call `trace()`, and all other code is a library that they call.

    Raises RuntimeError where nothing can be recorded.
    """

    def __init__(self) -> None:
        self._file = sys._getframe(1).f_code.co_filename
        self._span: int | None = None
        self._report: Report | None = None

    @classmethod
    def of(cls, file: str) -> Self:
        """A trace whose lines are those of `file`, where there is no notebook."""
        made = cls()
        made._file = file
        return made

    @entering
    def __enter__(self) -> trace:
        if self._span is not None:
            raise RuntimeError("this trace is open already: each block needs a cellheap.trace() of its own")
        with _core.own():
            _record(self._file)
        self._report = None
        self._span = _core.span_begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        span, self._span = self._span, None
        if span is not None:
            text = _core.span_end(span)
            with _core.own():
                self._report = Report.from_json(text, recorder.known_sources())

    @property
    def report(self) -> Report:
        """What was measured. RuntimeError until the block has ended."""
        if self._report is None:
            state = "is still open" if self._span is not None else "was never entered"
            raise RuntimeError(f"there is no report yet: the block of this trace {state}")
        return self._report

    def __repr__(self) -> str:
        if self._report is not None:
            return f"<cellheap.trace: {self._report!r}>"
        return f"<cellheap.trace, {'open' if self._span is not None else 'not entered'}>"


def _record(file: str) -> None:
    """Sees to it that allocations are recorded, and that the code of `file` counts where no notebook is."""
    if recorder.active() is None:
        if os.environ.get("CELLHEAP_TRACE") == "off":
            raise RuntimeError("nothing is recorded: CELLHEAP_TRACE is off in the environment")
        try:
            _core.trace_start()
        except RuntimeError as error:
            raise RuntimeError(f"allocations cannot be recorded: {error}") from None
        _follow(file)
    elif not _core.tracing():
        raise RuntimeError("nothing is recorded now: `%memtrace start` begins to record")


def _follow(file: str) -> None:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    new = {file, *(prefixes(shell) if shell else ())}.difference(_followed)
    if new:
        _followed.extend(new)
        _core.set_notebook_files(_followed)
