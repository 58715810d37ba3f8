"""What ipykernel works out anew for each cell, remembered or made quicker. The answers are ipykernel's."""

from typing import Any
from weakref import WeakKeyDictionary

from ipykernel import compiler, ipkernel, kernelbase

from cellheap import _core

_ask_parameters = kernelbase._accepts_parameters
_parameters: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def accepts_parameters(method: Any, names: list[str]) -> dict[str, Any]:
    """Which of these IPython's function takes, read from its signature once."""
    function = getattr(method, "__func__", method)
    known = _parameters.get(function)
    if known is None:
        known = _parameters[function] = {}
    if any(name not in known for name in names):
        known.update(_ask_parameters(method, names))
    return known


def adopt() -> None:
    """Have ipykernel ask here."""
    vars(ipkernel)["_accepts_parameters"] = accepts_parameters
    # The name of a cell's file is a hash of its source, which it makes in Python, byte by byte.
    vars(compiler)["murmur2_x86"] = _core.murmur2
