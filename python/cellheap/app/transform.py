"""A cell is transformed once, and compiled once to see whether it awaits: ipykernel does both to choose how
to run it, and IPython again to run it.

Owns what is remembered between the two, for one thread and one cell. Knows nothing of transformers.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Once:
    """Stands in the place of the shell's `transform_cell` and `should_run_async`."""

    def __init__(self, shell: Any) -> None:
        self._transform: Callable[[str], str] = shell.transform_cell
        self._awaits: Callable[..., bool] = shell.should_run_async
        self._local = threading.local()
        shell.transform_cell = self
        shell.should_run_async = self.should_run_async

    def __call__(self, raw_cell: str) -> str:
        remembered = getattr(self._local, "remembered", None)
        if remembered is None:
            return self._transform(raw_cell)
        if raw_cell in remembered:
            # Once: a cell may run the same text again after it has changed what transforms it.
            self._local.remembered = None
            return str(remembered[raw_cell])
        transformed = self._transform(raw_cell)
        if not remembered:
            remembered[raw_cell] = transformed
        return transformed

    def should_run_async(self, raw_cell: str, **transformed: Any) -> bool:
        """As IPython's, of one transformed cell and its error."""
        asked = (raw_cell, transformed)
        known: tuple[object, bool] | None = getattr(self._local, "awaits", None)
        if known is not None and known[0] == asked:
            self._local.awaits = None
            return known[1]
        awaits = self._awaits(raw_cell, **transformed)
        if getattr(self._local, "remembered", None) is not None:
            self._local.awaits = (asked, awaits)
        return awaits

    @contextmanager
    def running(self) -> Iterator[None]:
        """While a cell is asked for: its second transformation gives what the first one gave."""
        self._local.remembered = {}
        try:
            yield
        finally:
            self._local.remembered = self._local.awaits = None
