"""cellheap: a Jupyter kernel for Python that knows where every byte went."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellheap._core import __version__
    from cellheap.api import (
        CompareError,
        NoSuchCellError,
        RefusedError,
        cells,
        clear,
        compare,
        cycles,
        diff,
        export,
        flame,
        foresee,
        heap_map,
        holders,
        last,
        live,
        notebook_report,
        overview,
        retained,
        variables,
    )
    from cellheap.exports import ExportError
    from cellheap.extension import load_ipython_extension, unload_ipython_extension
    from cellheap.flames import Flame
    from cellheap.lastwords import Last
    from cellheap.limits import CellMemoryLimit, assert_peak, limit
    from cellheap.measuring import trace
    from cellheap.notebookreport import NotebookReport
    from cellheap.report import Report
    from cellheap.results import CellReport, Live, Overview

__all__ = [
    "CellMemoryLimit",
    "CellReport",
    "CompareError",
    "ExportError",
    "Flame",
    "Last",
    "Live",
    "NoSuchCellError",
    "NotebookReport",
    "Overview",
    "RefusedError",
    "Report",
    "__version__",
    "assert_peak",
    "cells",
    "clear",
    "compare",
    "cycles",
    "diff",
    "export",
    "flame",
    "foresee",
    "heap_map",
    "holders",
    "last",
    "limit",
    "live",
    "load_ipython_extension",
    "notebook_report",
    "overview",
    "retained",
    "trace",
    "unload_ipython_extension",
    "variables",
]

#: Where each name lives. Looked up on first use, so that `python -m cellheap` can start without IPython.
_HOMES = {
    "CellMemoryLimit": "limits",
    "CellReport": "results",
    "CompareError": "api",
    "ExportError": "exports",
    "Flame": "flames",
    "Last": "lastwords",
    "Live": "results",
    "NoSuchCellError": "api",
    "NotebookReport": "notebookreport",
    "Overview": "results",
    "RefusedError": "api",
    "Report": "report",
    "__version__": "_core",
    "assert_peak": "limits",
    "cells": "api",
    "clear": "api",
    "compare": "api",
    "cycles": "api",
    "diff": "api",
    "export": "api",
    "flame": "api",
    "foresee": "api",
    "heap_map": "api",
    "holders": "api",
    "last": "api",
    "limit": "limits",
    "live": "api",
    "load_ipython_extension": "extension",
    "notebook_report": "api",
    "overview": "api",
    "retained": "api",
    "trace": "measuring",
    "unload_ipython_extension": "extension",
    "variables": "api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """What a person may use: Tab offers neither the modules nor what they import."""
    return sorted(__all__)
