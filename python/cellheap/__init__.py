"""cellheap: a Jupyter kernel for Python that knows where every byte went."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellheap._core import __version__
    from cellheap.api import cells, clear, live, overview
    from cellheap.extension import load_ipython_extension, unload_ipython_extension

__all__ = [
    "__version__",
    "cells",
    "clear",
    "live",
    "load_ipython_extension",
    "overview",
    "unload_ipython_extension",
]

#: Where each name lives. Looked up on first use, so that `python -m cellheap` can start without IPython.
_HOMES = {
    "__version__": "_core",
    "cells": "api",
    "clear": "api",
    "live": "api",
    "load_ipython_extension": "extension",
    "overview": "api",
    "unload_ipython_extension": "extension",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
