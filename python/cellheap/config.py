"""What a configuration file (`c.CellHeap.summary = True`) and `%config CellHeap` can set. Does nothing."""

from __future__ import annotations

from traitlets import Bool
from traitlets.config import Configurable


class CellHeap(Configurable):
    """Settings of cellheap."""

    summary = Bool(False, help="Show a one-line summary after every cell, as `%memtrace on` does.").tag(
        config=True
    )
    reset_hwm = Bool(
        True,
        help="Measure each cell's highest RSS by resetting the process's high-water mark as the cell begins."
        " That also resets what `resource.getrusage` tells as `ru_maxrss`: False leaves it alone.",
    ).tag(config=True)
