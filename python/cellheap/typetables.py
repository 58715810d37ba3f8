"""Tables of objects by type. Knows no markup."""

from __future__ import annotations

from collections.abc import Sequence

from cellheap.display import LIVE, Column, Size, Table
from cellheap.graphtypes import TypeRow
from cellheap.units import count_text


def types_table(types: Sequence[TypeRow], caption: str, most: int = 8) -> Table:
    """Objects by type; the small ones as one row."""
    rows: list[list[str | Size]] = [[row.type, Size(row.bytes), f"{row.objects:,}"] for row in types[:most]]
    if types[most:]:
        rest = types[most:]
        size, objects = sum(row.bytes for row in rest), sum(row.objects for row in rest)
        rows.append([count_text(len(rest), "other type"), Size(size), f"{objects:,}"])
    return Table(caption, [Column("Type"), Column("Bytes", LIVE, strip=True), Column("Objects")], rows)
