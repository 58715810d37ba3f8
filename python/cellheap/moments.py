"""What the books and the process say at one moment, and what went between two. Deletes nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from cellheap import _core, recorder
from cellheap.cleared import Origin
from cellheap.results import Live
from cellheap.sentences import why_rss_stays


@dataclass(frozen=True)
class Moment:
    """What the books and the process say at one moment."""

    cells: dict[int, tuple[str, int, int]]
    machinery: int
    #: All live bytes that the books know, those of machinery and of cellheap too.
    known: int
    process: dict[str, Any]

    @property
    def live(self) -> int:
        return sum(live for _, live, _ in self.cells.values())

    @property
    def blocks(self) -> int:
        return sum(blocks for _, _, blocks in self.cells.values())

    @property
    def beneath(self) -> int:
        """malloc's use, less the arenas from before tracing that are gone."""
        return self.malloc - int(self.process["older_unmapped"])

    @property
    def malloc(self) -> int:
        return (self.process["malloc_used"] or 0) + (self.process["malloc_mapped"] or 0)


def now() -> Moment:
    try:
        overview = json.loads(_core.overview())
    except RuntimeError:
        overview = {"cells": [], "live_machinery": 0, "live": 0, "process": json.loads(_core.process())}
    cells = {cell["id"]: (cell["label"], cell["live"], cell["live_blocks"]) for cell in overview["cells"]}
    return Moment(cells, overview["live_machinery"], overview["live"], overview["process"])


def live(most: int | None = None) -> Live:
    """What is alive now; of the library functions under each line the `most` biggest, where that is given.
    RuntimeError where nothing can be recorded."""
    return Live.from_json(_core.live(most), recorder.known_sources())


def types_now() -> Counter[str]:
    """How many objects of each type the collector knows; none where objects cannot be read."""
    try:
        return Counter(json.loads(_core.graph_types()))
    except RuntimeError:
        return Counter()


def origins(before: Moment, after: Moment) -> tuple[Origin, ...]:
    gone = []
    for cell, (label, live, blocks) in before.cells.items():
        _, live_after, blocks_after = after.cells.get(cell, ("", 0, 0))
        if live > live_after:
            gone.append(Origin(label, live - live_after, blocks - blocks_after))
    if before.machinery > after.machinery:
        gone.append(Origin("notebook machinery", before.machinery - after.machinery, None))
    return tuple(sorted(gone, key=lambda origin: -origin.freed))


def pinned(before: Moment, after: Moment, trimmed: bool) -> list[str]:
    """Why RSS did not fall although much was freed."""
    freed = max(before.live - after.live, before.malloc - after.malloc)
    rss, rss_after = before.process["rss"], after.process["rss"]
    if freed < 1 << 20 or rss is None or rss_after is None or rss - rss_after > freed // 2:
        return []
    return [why_rss_stays(live(0), trimmed)]
