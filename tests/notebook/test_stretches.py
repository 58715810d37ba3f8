"""What goes between cells, as the table and the chart of all cells tell it."""

import re
from typing import Any

from tests.notebook.test_display import MIB, cell, overview


def stretch(number: int, **fields: Any) -> dict[str, Any]:
    return {**cell(number, **fields), "number": None, "label": f"(after {number})"}


def test_what_little_goes_between_cells_is_one_row_and_no_bar() -> None:
    large = cell(1, allocated=MIB, freed=0, net=MIB, peak=MIB, live=MIB - 1500 - 100)
    little = [stretch(number, freed=500, net=-500) for number in (1, 2, 3)]
    others = [
        stretch(4, freed=MIB // 1000 + 1, net=-MIB // 1000 - 1),
        stretch(5, allocated=100, freed=100, peak=100),
        stretch(6, allocated=100, net=100, peak=100, live=100),
    ]
    between = r"^\(between cells\) +0 B +1\.46 KiB +-1\.46 KiB +0 B +0 B +-"
    shown = overview([large, *little, *others])
    assert re.search(between, str(shown), re.MULTILINE)
    assert re.findall(r"^\(after \d\)", str(shown), re.MULTILINE) == ["(after 4)", "(after 5)", "(after 6)"]
    assert len(shown.cells) == 7
    # A notebook of few bytes: what went between its cells is something there.
    assert "(between cells)" not in str(overview([cell(1, allocated=1000, live=1000), *little]))
    drawn, whole = (overview(cells).pictures()[0] for cells in ([large], [large, *little]))
    assert drawn == whole
