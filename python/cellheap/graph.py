"""The object graph as data: what a variable keeps alive, who holds an object, what a collection would find.

Every result holds strings and numbers only. No code of the user's runs, and nothing is changed: objects are
read where they lie, with Python's lock held for the length of a call.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from IPython.core.getipython import get_ipython

from cellheap import _core, graphplaces
from cellheap import hidden as hidden_holders
from cellheap.graphtypes import (
    Amount,
    Chain,
    Cycles,
    Holders,
    Prediction,
    Retained,
    Survivors,
    Suspected,
    Variables,
    grown,
)
from cellheap.kinds import is_of, library_of

__all__ = [
    "Amount",
    "Chain",
    "Cycles",
    "Holders",
    "Prediction",
    "Retained",
    "Survivors",
    "Suspected",
    "Variables",
    "cycles",
    "holders",
    "holders_of",
    "newer",
    "predict",
    "retained",
    "survivors",
    "suspected",
    "variables",
]

#: Libraries whose shapes are numbers, and cost nothing to ask for.
_SHAPED = ("numpy", "pandas", "pyarrow", "torch", "polars")


def variables(names: Sequence[str] | None = None, *, progress: bool = True) -> Variables:
    """The notebook's variables by what `del` of each would give back. With `names` only these rows; what they
    share is told of all."""
    shell = get_ipython()
    with _core.own():
        known = None if shell is None else set(hidden_holders.variables(shell))
        asked = None if known is None else known.union(names or ())
        data = json.loads(_core.graph_variables(graphplaces.places(shell), asked, progress))
        unknown = [] if names is None else [name for name in names if name not in (known or ())]
        wanted = known if names is None else set(names)
        rows = [row for row in data["variables"] if wanted is None or row["name"] in wanted]
        return _measured(shell, {**data, "variables": rows}, unknown)


def _measured(shell: Any, data: dict[str, Any], unknown: Sequence[str] = ()) -> Variables:
    """Variables with what they say of their own size."""
    shapes = {row["name"]: _shape(shell, row["name"]) for row in data["variables"]}
    return Variables.from_json(data, shapes, unknown)


def retained(thing: object, /, *, progress: bool = True) -> Retained:
    """What would be freed if this object went away, whoever holds it now."""
    with _core.own():
        return Retained.from_json(
            json.loads(_core.graph_retained(thing, graphplaces.places(get_ipython()), progress))
        )


def holders(thing: object, /, most: int = 5, *, progress: bool = True) -> Holders:
    """What keeps an object alive: the shortest chains of holders from a place that has a name."""
    with _core.own():
        text = _core.graph_holders(thing, graphplaces.places(get_ipython()), most, progress)
        return Holders.from_json(json.loads(text))


def holders_of(name: str, most: int = 5, *, progress: bool = True) -> Holders:
    """The same, of a variable of the notebook by its name. Raises KeyError where there is none."""
    shell: Any = get_ipython()
    namespace = {} if shell is None else shell.user_ns
    if name not in namespace:
        raise KeyError(name)
    return holders(namespace[name], most, progress=progress)


def cycles(most: int = 10, *, progress: bool = True) -> Cycles:
    """What the next full collection would free: objects that only hold each other, and what hangs on them.
    Nothing is collected."""
    with _core.own():
        return Cycles.from_json(
            json.loads(_core.graph_cycles(graphplaces.places(get_ipython()), most, progress))
        )


def predict(
    names: Sequence[str] = (),
    *,
    out: bool = False,
    traceback: bool = False,
    cached: Sequence[str] | None = None,
    figures: bool = False,
    progress: bool = True,
) -> Prediction:
    """What `%gcclear NAMES --out --traceback --caches --figures` would give back. `cached` names functions
    whose `functools.lru_cache` is emptied besides the caches of libraries; None leaves all caches. Nothing is
    changed."""
    shell = get_ipython()
    with _core.own():
        steps = graphplaces.steps(shell, names, out, traceback, cached, figures)
        return Prediction.from_json(
            json.loads(_core.graph_predict(steps, graphplaces.places(shell), progress))
        )


def suspected(least: int, *, progress: bool = True) -> Suspected:
    """Who keeps so many bytes alive at least, of all who may: of one picture, as each takes its time."""
    shell = get_ipython()
    with _core.own():
        names = set() if shell is None else set(hidden_holders.variables(shell))
        steps = graphplaces.steps(shell, (), out=True, traceback=True, cached=())
        text = _core.graph_suspects(names, steps, least, graphplaces.places(shell), progress)
        data = json.loads(text)
        return Suspected.from_json(data, _measured(shell, data["variables"]))


def survivors(cell: int | None = None, *, most: int = 10, progress: bool = True) -> Survivors:
    """Types of what is alive, by the cell that allocated it: of one cell by our id, or of all."""
    with _core.own():
        text = _core.graph_survivors(cell, graphplaces.places(get_ipython()), most, progress)
        return Survivors.from_json(json.loads(text))


def newer(since: int, until: int, *, progress: bool = True) -> tuple[Chain, Amount] | None:
    """Who holds most of what the cells with ids after `since` up to `until` left behind."""
    with _core.own():
        found = json.loads(_core.graph_newer(since, until, graphplaces.places(get_ipython()), progress))
        return grown(found)


def _value(shell: Any, name: str) -> Any:
    namespace = vars(sys.modules["__main__"]) if shell is None else shell.user_ns
    return namespace.get(name)


def _shape(shell: Any, name: str) -> str:
    """How large a variable is, in its own measure. Asks only types whose answer runs no user's code."""
    value = _value(shell, name)
    if library_of(value) in _SHAPED and hasattr(type(value), "shape"):
        return str(tuple(value.shape)) if value.shape else ""
    if is_of(value, list, tuple, dict, set, frozenset):
        return f"{len(value):,} item{'' if len(value) == 1 else 's'}"
    if is_of(value, str, bytes, bytearray):
        return f"{len(value):,} {'characters' if type(value) is str else 'bytes'}"
    return ""
