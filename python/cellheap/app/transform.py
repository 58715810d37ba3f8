"""What is worked out of a cell's text is worked out once: ipykernel transforms a cell and compiles it to see
whether it awaits, our records ask for the name of its code, and IPython does all three again to run it.

Owns what is remembered between the two, for one thread and one cell. Knows nothing of transformers.
"""

import threading
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

_USED = (object(), None)


class Once:
    """Stands in the place of the shell's `transform_cell` and `should_run_async`, and of its compiler's
    `get_code_name`."""

    def __init__(self, shell: Any) -> None:
        self._transform: Callable[[str], str] = shell.transform_cell
        self._awaits: Callable[..., bool] = shell.should_run_async
        self._name: Callable[[str, str, int], str] = shell.compile.get_code_name
        self._asks_compiler = type(shell).should_run_async is InteractiveShell.should_run_async
        self._local = threading.local()
        shell.transform_cell = self
        shell.should_run_async = self.should_run_async
        shell.compile.get_code_name = self.code_name

    def __call__(self, raw_cell: str) -> str:
        transformed: str = self._once("transformed", self._transform, raw_cell)
        return transformed

    def should_run_async(self, raw_cell: str, **transformed: Any) -> bool:
        """As IPython's, of one transformed cell and its error. It compiles the cell; without one of these two
        words it need not.
        """
        text = transformed.get("transformed_cell")
        if self._asks_compiler and isinstance(text, str) and "await" not in text and "async" not in text:
            return False
        return bool(self._once("awaits", self._awaits, raw_cell, **transformed))

    def code_name(self, raw_code: str, code: str, number: int) -> str:
        """The name of the file that the cell's code is of."""
        name: str = self._once("name", self._name, raw_code, code, number)
        return name

    def _once(self, what: str, ask: Callable[..., Any], *args: object, **kwargs: object) -> Any:
        known: dict[str, Any] | None = getattr(self._local, "known", None)
        if known is None:
            return ask(*args, **kwargs)
        asked = args, kwargs
        first = known.get(what)
        if first is None:
            answer = ask(*args, **kwargs)
            known[what] = asked, answer
            return answer
        if first[0] == asked:
            # Once: a cell may run the same text again after it has changed what transforms it.
            known[what] = _USED
            return first[1]
        return ask(*args, **kwargs)

    def begin(self) -> None:
        """A cell is asked for: until its end what is asked the second time was answered the first time."""
        self._local.known = {}

    def end(self) -> None:
        self._local.known = None
