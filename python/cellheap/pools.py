"""What libraries say of allocators of their own. Asks those only that are imported already."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from cellheap.records import Pool
from cellheap.units import bytes_text, count_text

#: Variables that are told by name.
NAMED = 4


def pools() -> tuple[Pool, ...]:
    """The pools of this process as they are now."""
    default = getattr(sys.modules.get("pyarrow"), "default_memory_pool", None)
    if default is None:
        return ()
    pool = default()
    return (Pool(f"pyarrow's pool ({pool.backend_name})", pool.bytes_allocated(), pool.max_memory()),)


def reached(value: object) -> int:
    """Bytes of pyarrow's buffers that a value reaches, as pyarrow says; 0 for what is none of its."""
    kind = type(value)
    if kind.__module__ != "pyarrow.lib":
        return 0
    if hasattr(kind, "get_total_buffer_size"):
        return int(value.get_total_buffer_size())  # type: ignore[attr-defined]
    return int(value.size) if kind.__name__ == "Buffer" else 0  # type: ignore[attr-defined]


def beside(sizes: Mapping[str, int]) -> Iterator[str]:
    """Says what variables reach of pyarrow's buffers, the most first; nothing where that is nothing."""
    most = sorted(((size, name) for name, size in sizes.items() if size), reverse=True)
    if most:
        names = [f"{name} {bytes_text(size)}" for size, name in most[:NAMED]]
        if left := most[NAMED:]:
            names.append(count_text(len(left), "other"))
        whom = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        yield (
            f"Besides these, pyarrow's buffers are reached by {whom}, as pyarrow says: they are in a pool of"
            " its own, which the books see as a whole, or the data of arrays that pyarrow holds; those that"
            " others reach too stay."
        )


def fell(before: Sequence[Pool]) -> Iterator[str]:
    """Says of each pool how much less is in use of it."""
    now = {pool.name: pool for pool in pools()}
    for pool in before:
        less = pool.used - now[pool.name].used if pool.name in now else 0
        if less > 0:
            yield f"{pool.name[0].upper()}{pool.name[1:]} gave back {bytes_text(less)}, as it says itself."
