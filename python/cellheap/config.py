"""What a configuration file (`c.CellHeap.summary = True`) and `%config CellHeap` can set. Does nothing."""

from __future__ import annotations

import os

from traitlets import Bool, Unicode, default
from traitlets.config import Configurable

#: Outputs hold their charts as PNG too while this is not empty: `CellHeap.png` fills it.
WITH_PNG: list[bool] = []


class CellHeap(Configurable):
    """Settings of cellheap."""

    summary = Bool(False, help="Show a one-line summary after every cell, as `%memtrace on` does.").tag(
        config=True
    )
    limit = Unicode(
        help="Stop a cell that takes live memory past this: a size such as '2G', a percentage such as '80%'"
        " of what the container or the machine has, or 'off'. As `%memtrace limit` does. By default what"
        " CELLHEAP_LIMIT in the environment says, else 'off'.",
    ).tag(config=True)
    collect = Bool(False, help="Collect garbage after every cell, silently, as `%gcclear auto on` does.").tag(
        config=True
    )
    png = Bool(
        False,
        help="Put charts into outputs as PNG too, for places that show neither HTML nor SVG, such as a PDF by"
        " nbconvert. It makes notebooks larger.",
    ).tag(config=True)
    reset_hwm = Bool(
        True,
        help="Measure each cell's highest RSS by resetting the process's high-water mark as the cell begins."
        " That also resets what `resource.getrusage` tells as `ru_maxrss`: False leaves it alone.",
    ).tag(config=True)

    @default("limit")
    def _environments_limit(self) -> str:
        return os.environ.get("CELLHEAP_LIMIT", "").strip() or "off"
