"""Follows IPython's cells: tells the tracer when each begins and ends. Knows nothing of output."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cellheap import _core
from cellheap.config import CellHeap
from cellheap.sources import Sources, prefixes
from cellheap.statements import Statements

#: The recorder that is attached to a shell, if one is.
_attached: list[Recorder] = []


def active() -> Recorder | None:
    """The recorder that follows a shell now."""
    return _attached[-1] if _attached else None


def known_sources() -> Sources | None:
    """What is known of the files of cells, if a recorder follows a shell now."""
    recorder = active()
    return recorder.sources if recorder else None


class Running:
    """A cell that runs in one thread; `depth` counts the runs nested in it."""

    def __init__(self, cell: int, number: int | None, wanted: Any | None) -> None:
        self.cell = cell
        self.number = number
        self.wanted = wanted
        self.depth = 1


class Recorder:
    """Begins and ends cells. `wanted(raw)` says what a cell asks to be shown about it; `begun(cell, label,
    file, wanted)` is called when it has begun, `after(cell, wanted)` when it has ended."""

    def __init__(
        self,
        shell: Any,
        settings: CellHeap,
        wanted: Callable[[str], Any | None],
        begun: Callable[[int, str, str, Any | None], None],
        after: Callable[[int, Any | None], None],
    ) -> None:
        from IPython import version_info  # Not at the top: a script that measures itself has no need of it.

        self.sources = Sources.of(shell)
        # From 9.8 on IPython has counted a cell when it begins, before that when it has ended.
        self._counts_ahead = version_info >= (9, 8)
        self._shell = shell
        self._settings = settings
        self._wanted = wanted
        self._begun = begun
        self._after = after
        self._statements = Statements(shell)
        self._thread = threading.local()

    def attach(self) -> None:
        """Starts to follow. A cell that runs now is followed from here on."""
        self._shell.events.register("pre_run_cell", self.before_cell)
        self._shell.events.register("post_run_cell", self.after_cell)
        _attached.append(self)
        self._statements.follow()
        self.catch_up()

    def detach(self) -> None:
        """Stops to follow; a cell that runs now ends here."""
        self._shell.events.unregister("pre_run_cell", self.before_cell)
        self._shell.events.unregister("post_run_cell", self.after_cell)
        _attached.remove(self)
        self._statements.leave()
        running = self._running
        self._running = None
        if running is not None:
            _core.cell_end(running.cell)
            _core.lookout_end(running.cell)

    def catch_up(self) -> None:
        """Takes up the cell that runs now if it was not seen to begin. Nothing, if there is no tracer yet."""
        try:
            _core.set_notebook_files(prefixes(self._shell))
        except RuntimeError:
            return
        result = self._shell.displayhook.exec_result
        if result is not None and self._running is None:
            self._begin(result.info, result.execution_count, whole=False)

    @property
    def _running(self) -> Running | None:
        return getattr(self._thread, "running", None)

    @_running.setter
    def _running(self, running: Running | None) -> None:
        self._thread.running = running

    def before_cell(self, info: Any) -> None:
        """IPython's `pre_run_cell`."""
        run = self._shell.execution_count - (self._counts_ahead and bool(info.store_history))
        running = self._running
        wanted = self._wanted(info.raw_cell)
        if running is not None:
            running.depth += 1
            running.wanted = running.wanted or wanted
            self.sources.note(info, running.number, running.cell, run)
        elif info.store_history or wanted is not None:
            self._begin(info, run, wanted)

    def _begin(self, info: Any, run: int, wanted: Any | None = None, whole: bool = True) -> None:
        number = run if info.store_history else None
        try:
            # What part of a run took is not to be compared with other runs of that code.
            code = _core.code_number(info.raw_cell, getattr(info, "cell_id", None)) if whole else 0
            cell = _core.cell_begin(number, self._settings.reset_hwm, code)
        except RuntimeError:
            return
        self._running = Running(cell, number, wanted)
        self.sources.note(info, number, cell, run)
        label = f"cell {cell}" if number is None else f"In[{number}]"
        self._begun(cell, label, self.sources.file(cell) or "", wanted)

    def after_cell(self, result: Any) -> None:
        """IPython's `post_run_cell`. `result` is None where the run was cancelled."""
        running = self._running
        if running is None or _never_began(result):
            return
        running.depth -= 1
        if running.depth == 0:
            self._running = None
            _core.cell_end(running.cell, result is None or not result.success)
            self._after(running.cell, running.wanted)


def _never_began(result: Any) -> bool:
    """A blank cell has an end in IPython, but no beginning."""
    return result is not None and result.execution_count is None and not result.info.raw_cell.strip()
