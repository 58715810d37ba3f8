"""`assert_peak` and `limit`: a peak that goes too far is an error, with the lines that it was made of."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, SupportsIndex, TypeVar

from cellheap import _core
from cellheap.measuring import entering, trace
from cellheap.report import Report
from cellheap.sentences import where
from cellheap.stopping import CellMemoryLimit as CellMemoryLimit
from cellheap.stopping import calls, refusal, unwatch, watch, words
from cellheap.units import bytes_text, parse_bytes
from cellheap.wrapped import wrap

P = ParamSpec("P")
T = TypeVar("T")

#: Lines that an error names.
_TOP = 3


class _Judge:
    """Measures blocks; where one's peak is above `most`, `fail` makes the error. A block's own error goes
    first."""

    def __init__(self, most: int, file: str, subject: str, fail: Callable[[str, Report], Exception]) -> None:
        self._most, self._file, self._subject, self._fail = most, file, subject, fail
        self._trace = trace.of(file)

    @entering
    def __enter__(self) -> trace:
        return self._trace.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._trace.__exit__(kind, error, traceback)
        report = self._trace.report
        if kind is None and report.peak > self._most:
            with _core.own():
                failure = self._fail(_words(self._subject, report, self._most), report)
            raise failure


class assert_peak(_Judge):  # noqa: N801 - used like a function: `with cellheap.assert_peak("10 MiB"):`
    """Fails with AssertionError where the code inside peaks above a size; the message names the biggest
    lines.

    For a block, whose trace it gives, or for each call of a function::

        with cellheap.assert_peak("10 MiB") as t:
            rows = load()

        @cellheap.assert_peak("10 MiB")
        def test_load(): ...

    Sizes are text such as `"10 MiB"` or `"2G"`, or a number of bytes. What counts, and whose lines are named,
    is as in `cellheap.trace`.
    """

    def __init__(self, most: str | SupportsIndex) -> None:
        file = sys._getframe(1).f_code.co_filename
        super().__init__(parse_bytes(most), file, "the block", _assertion)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        most, file, name = self._most, self._file, _name(function)
        return wrap(function, lambda: _Judge(most, file, name, _assertion))


class _Limit(_Judge):
    """A judge that stops the call at its limit where it can."""

    _call: int

    @entering
    def __enter__(self) -> trace:
        entered = self._trace.__enter__()
        with _core.own():
            try:
                watch()
                self._call = _core.limit_call_begin(self._most)
            except BaseException:
                self._trace.__exit__(None, None, None)
                raise
            calls[self._call] = self._subject, self._most
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _core.limit_call_end(self._call)
        try:
            super().__exit__(kind, error, traceback)
            if isinstance(error, MemoryError):
                with _core.own():
                    failure = self._stopped(error, traceback)
                if failure is not None:
                    raise failure.with_traceback(traceback) from None
        finally:
            with _core.own():
                calls.pop(self._call, None)
                unwatch()

    def _stopped(self, error: MemoryError, traceback: TracebackType | None) -> CellMemoryLimit | None:
        """The error of a call that was stopped, in the place of a refusal's; a CellMemoryLimit goes on as it
        is. With the numbers of the call."""
        report = self._trace.report
        if isinstance(error, CellMemoryLimit):
            if error.stop is not None and error.stop.call == self._call:
                error.report = report
            return None
        stop = refusal(error, traceback)
        if stop is None or stop.call != self._call:
            return None
        return CellMemoryLimit(words(stop), report, stop)


def limit(most: str | SupportsIndex) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: a call of the function that takes live memory more than a size above where it began is
    stopped with CellMemoryLimit, a MemoryError::

        @cellheap.limit("10 MiB")
        def load(): ...

    As with `%memtrace limit`, a large request is refused, and what asks for small blocks is stopped at its
    next instruction. Where neither can be (C code that makes small blocks, code that handles an exception)
    the call runs to its end and is judged then; what it returned is lost with the error. Sizes, and what
    counts, are as in `cellheap.assert_peak`.
    """
    size, file = parse_bytes(most), sys._getframe(1).f_code.co_filename

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        name = _name(function)
        return wrap(function, lambda: _Limit(size, file, name, CellMemoryLimit))

    return decorate


def _assertion(message: str, report: Report) -> AssertionError:
    return AssertionError(message)


def _name(function: object) -> str:
    return f"{getattr(function, '__qualname__', repr(function))}()"


def _words(subject: str, report: Report, most: int) -> str:
    """`load() peaked at 38.1 MiB, above its limit of 10.0 MiB`, and its biggest lines."""
    peak, allowed = bytes_text(report.peak), bytes_text(most)
    if peak == allowed:
        peak, allowed = f"{report.peak:,} B", f"{most:,} B"
    said = [f"{subject} peaked at {peak}, above its limit of {allowed}"]
    for line in sorted(report.lines, key=lambda line: line.peak, reverse=True)[:_TOP]:
        if line.peak > 0:
            code = linecache.getline(line.file, line.line).strip()
            said.append(f"  {bytes_text(line.peak):>8}  {where(line, report.names)}{code and ': '}{code}")
    return "\n".join(said)
