"""What libraries say of allocators of their own. Asks those only that are imported already."""

from __future__ import annotations

import sys

from cellheap.records import Pool


def pools() -> tuple[Pool, ...]:
    """The pools of this process as they are now."""
    default = getattr(sys.modules.get("pyarrow"), "default_memory_pool", None)
    if default is None:
        return ()
    pool = default()
    return (Pool(f"pyarrow's pool ({pool.backend_name})", pool.bytes_allocated(), pool.max_memory()),)
