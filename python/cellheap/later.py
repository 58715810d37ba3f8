"""Doors to modules that are imported when something of them is first used. Owns that moment, knows no module.

A start registers magics and begins to record; what reports, tables and questions are made of is most of our
code, and many kernels end without a question. For the type checker a door is the module itself:

    if TYPE_CHECKING:
        from cellheap import api
    else:
        api = Later("cellheap.api")
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cellheap import _core


class Later:
    """Stands for a module; has what it has."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        # It may be a cell that asks: the module is none of its doing.
        with _core.own():
            module = import_module(self._module)
        return getattr(module, name)
