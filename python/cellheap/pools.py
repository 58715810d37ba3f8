"""What libraries say of allocators of their own. Asks those only that are imported already."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from cellheap import _core
from cellheap.records import Pool
from cellheap.units import bytes_text


def pools() -> tuple[Pool, ...]:
    """The pools of this process as they are now."""
    default = getattr(sys.modules.get("pyarrow"), "default_memory_pool", None)
    if default is None:
        return ()
    pool = default()
    return (Pool(f"pyarrow's pool ({pool.backend_name})", pool.bytes_allocated(), pool.max_memory()),)


def unread(types: Iterable[str]) -> Iterator[str]:
    """Says so where what objects of these types have, or pyarrow's, cannot be read."""
    if any(kind.startswith("polars.") for kind in types):
        yield "What polars' frames keep is not told: polars does not say where it is."
    if not _core.graph_reads_pyarrow():
        yield "What pyarrow's objects keep is not told: they do not lie as those of a pyarrow that is known."


def fell(before: Sequence[Pool]) -> Iterator[str]:
    """Says of each pool how much less is in use of it."""
    now = {pool.name: pool for pool in pools()}
    for pool in before:
        less = pool.used - now[pool.name].used if pool.name in now else 0
        if less > 0:
            yield f"{pool.name[0].upper()}{pool.name[1:]} gave back {bytes_text(less)}, as it says itself."
