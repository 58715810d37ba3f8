"""What ipykernel works out anew for each cell, remembered. Owns that alone: the answers are ipykernel's."""

from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from ipykernel import compiler, ipkernel, kernelbase

_ask_parameters = kernelbase._accepts_parameters
_parameters: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def accepts_parameters(method: Any, names: list[str]) -> dict[str, Any]:
    """Which of these IPython's function takes, read from its signature once."""
    function = getattr(method, "__func__", method)
    known = _parameters.setdefault(function, {})
    if not known.keys() >= set(names):
        known.update(_ask_parameters(method, names))
    return known


# The name of a cell's file is a hash of its source, made in Python, character by character. Our records ask
# for it, and then IPython.
murmur2_x86 = lru_cache(maxsize=2)(compiler.murmur2_x86)


def adopt() -> None:
    """Have ipykernel ask here."""
    vars(ipkernel)["_accepts_parameters"] = accepts_parameters
    vars(compiler)["murmur2_x86"] = murmur2_x86
