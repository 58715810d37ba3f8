"""Outputs at the limits of what they show: all forms together stay below one size, and the picture stays in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import cellheap
import pytest
from cellheap.display import CUT, JSON_TYPE
from cellheap.fitting import OUTPUT_LIMIT, fitted, sent, thinned
from cellheap.flames import Flame
from cellheap.records import Point
from cellheap.results import CellReport, Live, NoSources, Overview, Result

from tests.notebook.shells import Terminal

MIB = 1 << 20
#: As deep and as many as are ever told.
DEEP, MANY = 64, 3000


def library(at: int) -> dict[str, Any]:
    path = f"/usr/lib/python3.13/site-packages/some_package_of_a_long_name/module_{at}.py"
    return {"file": path, "line": at, "function": f"Class{at}.a_method_of_a_long_name_{at}"}


def cell(at: int) -> dict[str, Any]:
    sizes = dict.fromkeys(("allocated", "freed", "net", "peak", "live"), at * 7919 % 997 * MIB + at)
    sizes |= dict.fromkeys(("rss_start", "rss_end", "rss_peak"), (at * 31 % 89 + 100) * MIB)
    return {"id": at, "number": at, "label": f"In[{at}]", "traced": at % 200 > 2, **sizes}


def line(at: int, origin: int) -> dict[str, Any]:
    sizes = {"allocated": at * MIB, "peak": at * MIB, "live": at, "blocks": at, "live_blocks": at}
    share = {"allocator": "malloc", "object": f"lib_of_a_long_name_{at}.so", **sizes}
    under = [{**library(at * 30 + n), **sizes, "path": [library(n)], "shares": [share]} for n in range(12)]
    return {
        "file": f"cell-{origin}",
        "line": at,
        "function": f"function_{at}",
        "library": under,
        "shares": [share] * 4,
        **sizes,
    }


def overview(cells: int) -> Result:
    moments = [
        {"cell": at, "label": f"In[{at}]", "number": at, "ends": cells // 64 + 1, "live": at % 31 * 8 * MIB}
        for at in range(1, 65)
    ]
    live = [[(at * layer * 7919) % 311 * MIB for at in range(64)] for layer in range(1, 8)]
    layers = [{"label": f"In[{at}]", "live": row} for at, row in enumerate(live, 1)]
    told = {"cells": [cell(at) for at in range(1, cells + 1)], "live": 99 * MIB}
    return Overview.from_json(json.dumps({**told, "history": {"moments": moments, "layers": layers}}))


def report() -> Result:
    timeline = [
        {"at": at / 7, "live": (at * 7919) % 311 * MIB, "rss": at * 7919 % 977 * MIB} for at in range(240)
    ]
    told = {"cell": cell(1), "lines": [line(at, 1) for at in range(1, 200)], "timeline": timeline}
    return CellReport.from_json(json.dumps(told), LongCell(), "cell-1")


class LongCell(NoSources):
    def lines(self, file: str) -> list[str]:
        return [f"a_name_{at} = a_function_of_a_long_name(argument={at})  # <&>" for at in range(300)]


def live() -> Result:
    origins = [{"cell": cell(at), "lines": [line(n, at) for n in range(1, 30)]} for at in range(1, 100)]
    return Live.from_json(json.dumps({"live": 99 * MIB, "blocks": 99, "origins": origins}))


def flame() -> Result:
    frames = [library(at) for at in range(MANY)]
    stacks = [
        {
            "frames": [(at * 17 + n) % MANY for n in range(DEEP)],
            "origin": f"In[{at % 9}]",
            "allocator": "malloc",
            "object": "lib_of_a_long_name.so",
            "allocated": at * MIB,
            "peak": at * MIB,
            "live": at * MIB,
            "blocks": at,
        }
        for at in range(1, 300)
    ]
    told = {"label": "In[1]", "frames": frames, "stacks": stacks, "notes": []}
    return Flame.from_json(json.dumps(told), "peak")


MADE: dict[str, Callable[[], Result]] = {
    "1,000 cells": lambda: overview(1_000),
    "10,000 cells": lambda: overview(10_000),
    "a cell of many lines": report,
    "live memory of many cells": live,
    "a flame as deep as can be": flame,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_the_largest_output_of_a_kind_is_small(make: Callable[[], Result]) -> None:
    result = make()
    bundle: dict[str, Any] = result._repr_mimebundle_()
    assert sent(bundle) <= OUTPUT_LIMIT
    assert bundle["text/html"].count("<img") == len(result.pictures())
    assert set(bundle[JSON_TYPE]) >= {"kind"}


def test_many_variables_and_who_holds_them_stay_small(notebook: Terminal) -> None:
    notebook.run(
        "class Node:\n    pass\n"
        "for at in range(200):\n"
        "    globals()[f'variable_of_a_long_name_{at}'] = [bytes(1000 * at), Node()]\n"
        "    globals()[f'variable_of_a_long_name_{at}'].append(globals().get(f'variable_of_a_long_name_{at - 1}'))\n"
        "held = bytearray(1000)\nholders = {at: [held] for at in range(500)}\n"
        "for at in range(90):\n    ring = [Node() for _ in range(7)]\n"
        "    for one, other in zip(ring, ring[1:] + ring[:1]):\n        one.next_of_the_ring = other\n"
        "del ring, one, other"
    )
    asked = (
        "vars",
        "why held",
        "live",
        "live --map",
        "report",
        str(notebook.number),
        f"1 {notebook.number}",
        "compare [1] ; (1,) ; {1}",
    )
    names = " ".join(f"variable_of_a_long_name_{at}" for at in range(0, 200, 5))
    lines = [*(f"%memtrace {what}" for what in asked), f"%gcclear --dry-run {names}", "%gcclear --cycles 50"]
    for typed in lines:
        notebook.run(typed)
        (bundle,) = notebook.shown
        assert sent(bundle) <= OUTPUT_LIMIT, typed
    assert sent(dict(cellheap.variables()._repr_mimebundle_())) <= OUTPUT_LIMIT


def test_what_is_cut_is_said() -> None:
    rows = [{"file": f"/a/{at}.py", "bytes": at} for at in range(1000)]
    names = {f"/a/{at}.py": f"{at}.py" for at in range(5000)}
    cut = fitted({"kind": "x", "rows": rows, "names": names}, 2000)
    assert sent(cut) <= 2000
    assert cut["rows"] == rows[: len(cut["rows"])]
    assert cut["cut"] == {"rows": 1000 - len(cut["rows"])}
    assert list(cut["names"]) == [row["file"] for row in cut["rows"]]
    assert CUT in live()._repr_mimebundle_()["text/html"]


def test_a_thinner_timeline_keeps_its_highest_point_and_its_end() -> None:
    points = [Point(at=at, live=at * 7919 % 1009, rss=at) for at in range(1000)]
    thin = thinned(points, 60, lambda point: point.live)
    assert 30 <= len(thin) <= 60
    assert max(thin, key=lambda point: point.live) == max(points, key=lambda point: point.live)
    assert thin[-1] == points[-1]
    assert thinned(points[:9], 60, lambda point: point.live) == tuple(points[:9])
