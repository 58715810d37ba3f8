"""Where a cell's own code begins and ends: IPython runs a cell statement by statement, and compiles between
them. Owns these moments; what is done in them is the tracer's.
"""

from __future__ import annotations

from typing import Any

from cellheap import _core


class Statements:
    """Those of one shell's cells. While they are followed, each has Python's free lists for itself: what
    IPython left in them it would take as if it had asked for nothing, and IPython would live in what it
    leaves."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._follows = False

    def follow(self) -> None:
        self._others = vars(self._shell).get("run_code")
        self._run = self._shell.run_code
        self._shell.run_code = self._run_code
        self._follows = True
        # ipykernel's debugger steps over what it knows as the kernel's.
        modules = getattr(getattr(self._shell, "kernel", None), "_kernel_modules", None)
        if isinstance(modules, list) and __file__ not in modules:
            modules.append(__file__)

    def leave(self) -> None:
        """Where others have put theirs over ours, ours stays and only passes on."""
        self._follows = False
        if vars(self._shell).get("run_code") == self._run_code:
            del self._shell.run_code
            if self._others is not None:
                self._shell.run_code = self._others

    async def _run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> Any:
        """As IPython's. No `*code`: its tuple would go to a free list, and to the statement."""
        if not self._follows:
            return await self._run(code_obj, result, async_=async_)
        _core.statement_begin()
        try:
            return await self._run(code_obj, result, async_=async_)
        finally:
            _core.statement_end()
