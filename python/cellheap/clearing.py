"""`%gcclear`: collects, deletes variables, empties IPython's hidden holders; measures what each step freed.

Exact bytes are the books'; what blocks from before tracing gave back besides is told by malloc, about.
"""

from __future__ import annotations

import ctypes
import fnmatch
import gc
import json
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from IPython.core.getipython import get_ipython

from cellheap import _core, holders, recorder
from cellheap.cleared import SHARED, Cleared, Hidden, Origin, Step
from cellheap.results import Live
from cellheap.sentences import why_rss_stays
from cellheap.units import count_text

SOMETHING = "something else"
#: Native memory below this is malloc's own coming and going.
NATIVE_FROM = 1 << 16


class RefusedError(ValueError):
    """Nothing was done; the message says why and what would be right."""


def clear(
    *names: str,
    out: bool = False,
    traceback: bool = False,
    generation: int = 2,
    trim: bool = True,
    force: bool = False,
    announce: Callable[[str], object] | None = None,
) -> Cleared:
    """Collects garbage, deletes the variables `names` (`data*` stands for all that fit), and with `out` and
    `traceback` empties IPython's output history and lets go of the last exception. `announce` is told what
    will be deleted before anything is. Raises `RefusedError` for a bare `*` without `force`."""
    if generation not in (0, 1, 2):
        raise RefusedError(f"there is no generation {generation!r}: it is 0, 1 or 2")
    shell = get_ipython()
    if shell is None:
        raise RefusedError("there is no IPython here whose variables could be cleared")
    with _core.own():
        chosen, remarks = _choose(shell, names, force)
        if announce is not None and chosen:
            announce("Deleting " + ", ".join(chosen))
        return _Work(shell, generation).run(chosen, remarks, out, traceback, trim)


def clearable(shell: Any) -> list[str]:
    """What a pattern can match: the variables that `%who` lists, less modules and functions."""
    kinds = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    return [name for name in holders.variables(shell) if not issubclass(type(shell.user_ns[name]), kinds)]


def _choose(shell: Any, names: Sequence[str], force: bool) -> tuple[list[str], list[str]]:
    """The variables to delete, and a line for each name that is none."""
    chosen: list[str] = []
    remarks: list[str] = []
    everything = clearable(shell)
    names = [name for typed in names for name in typed.split(",") if name]
    if not force and everything and any(set(name) == {"*"} for name in names):
        raise RefusedError(f"* would delete every variable ({', '.join(everything)}); say so with --force")
    for name in names:
        if any(mark in name for mark in "*?["):
            fitting = fnmatch.filter(everything, name)
            chosen += fitting
            if not fitting:
                remarks.append(f"No variable fits {name}.")
        else:
            why_not = _why_not(shell, name)
            if why_not:
                remarks.append(why_not)
            else:
                chosen.append(name)
    return list(dict.fromkeys(chosen)), remarks


def _why_not(shell: Any, name: str) -> str | None:
    """Why this name cannot be deleted."""
    if not name.isidentifier():
        return f"{name} is not the name of a variable: only whole variables can be deleted."
    if name not in shell.user_ns:
        return f"There is no variable {name}."
    if name in ("Out", "_oh", *holders.output_names(shell)):
        return f"{name} is IPython's own; --out empties the output history."
    nothing = object()
    if shell.user_ns_hidden.get(name, nothing) is shell.user_ns[name]:
        return f"{name} is IPython's own."
    return None


@dataclass(frozen=True)
class _Moment:
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
    def malloc(self) -> int:
        return (self.process["malloc_used"] or 0) + (self.process["malloc_mapped"] or 0)


def _now() -> _Moment:
    try:
        overview = json.loads(_core.overview())
    except RuntimeError:
        overview = {"cells": [], "live_machinery": 0, "live": 0, "process": json.loads(_core.process())}
    cells = {cell["id"]: (cell["label"], cell["live"], cell["live_blocks"]) for cell in overview["cells"]}
    return _Moment(cells, overview["live_machinery"], overview["live"], overview["process"])


@dataclass
class _Doomed:
    """A variable whose name was deleted. Its value is let go of in turn, but while it is doubtful that
    anything besides the other values holds it."""

    name: str
    value: object
    held_by: tuple[str, ...] = ()
    is_doubtful: bool = False

    @property
    def has_others(self) -> bool:
        """Whether anything but this refers to the value."""
        return sys.getrefcount(self.value) > 2


class _Work:
    """One `%gcclear`: its steps one after the other, each measured."""

    def __init__(self, shell: Any, generation: int) -> None:
        self._shell = shell
        self._generation = generation
        self._steps: list[Step] = []
        self._found = 0
        self._last = _now()

    def run(self, chosen: list[str], remarks: list[str], out: bool, traceback: bool, trim: bool) -> Cleared:
        types_before = _types()
        before = self._last
        self._step("garbage in cycles", lambda: None)
        if out:
            self._step("the output history", lambda: holders.clear_out(self._shell))
        if traceback:
            self._step("the last exception", lambda: holders.clear_traceback(self._shell))
            remarks = [*remarks, "%debug and %tb have nothing to show until the next exception."]
        self._delete(chosen)
        trimmed = trim and _trim()
        types_gone = types_before - _types()
        after = _now()
        return Cleared(
            steps=tuple(self._steps),
            found=self._found,
            freed=max(0, before.live - after.live),
            blocks=max(0, before.blocks - after.blocks),
            traced=_core.tracing(),
            origins=_origins(before, after),
            types=tuple(types_gone.most_common()),
            remarks=(*remarks, *_pinned(before, after, trimmed)),
            hidden=tuple(_hidden(self._shell)),
            trimmed=trimmed,
            rss_before=before.process["rss"],
            rss_after=after.process["rss"],
            malloc_before=before.malloc,
            malloc_after=after.malloc,
        )

    def _step(self, what: str, act: Callable[[], object]) -> None:
        act()
        self._found += gc.collect(self._generation)
        self._measure(what)

    def _measure(self, what: str) -> None:
        last, self._last = self._last, _now()
        freed = max(0, last.live - self._last.live)
        native = last.malloc - self._last.malloc - max(0, last.known - self._last.known)
        blocks = max(0, last.blocks - self._last.blocks)
        self._steps.append(Step(what, freed, blocks, native if native >= NATIVE_FROM else 0))

    def _delete(self, names: list[str]) -> None:
        """Deletes variables; says who still holds the values that did not go."""
        doomed = [_Doomed(name, self._shell.user_ns.pop(name)) for name in names]
        for variable in doomed:
            if variable.has_others:
                is_shared = _is_shared(variable.value)
                variable.held_by = (SHARED,) if is_shared else holders.named(self._shell, variable.value)
        first = len(self._steps)
        for variable in doomed:
            self._drop(variable)
        self._settle([variable for variable in doomed if variable.is_doubtful])
        for at, variable in enumerate(doomed, first):
            self._steps[at] = replace(self._steps[at], held_by=variable.held_by)

    def _drop(self, variable: _Doomed) -> None:
        """Lets go of a value and measures what that frees."""
        if gc.is_tracked(variable.value):
            address, variable.value = id(variable.value), None
            self._found += gc.collect(self._generation)
            variable.value = None if variable.held_by else _at(address)
            variable.is_doubtful = variable.value is not None
        elif variable.has_others and not variable.held_by:
            variable.is_doubtful = True
        else:
            variable.value = None
        self._measure(variable.name)

    def _settle(self, doubtful: list[_Doomed]) -> None:
        """Finds which of these are held by something else than each other."""
        if not doubtful:
            return
        places = {id(variable.value): variable for variable in doubtful if gc.is_tracked(variable.value)}
        for variable in places.values():
            variable.value = None
        self._found += gc.collect(self._generation)
        for address in map(id, gc.get_objects()):
            if address in places:
                places[address].held_by = (SOMETHING,)
        for variable in doubtful:
            if variable.value is not None and variable.has_others:
                variable.held_by = (SOMETHING,)
            variable.value = None
        self._measure("what these held of each other")
        if not self._steps[-1].freed and not self._steps[-1].native:
            del self._steps[-1]


def _is_shared(value: object) -> bool:
    """Whether Python may share such a value between all that use it."""
    if type(value) in (str, bytes):
        return sys.getsizeof(value) < 1024
    return value is None or type(value) in (int, float, complex, bool)


def _at(address: int) -> object | None:
    """The tracked object at an address. The list of all objects is not in itself, even where it took the
    place of one that went."""
    return next((thing for thing in gc.get_objects() if id(thing) == address), None)


def _types() -> Counter[str]:
    """How many objects of each type the collector knows. A type is told by its address: its class may have
    a hash of the user's."""
    kinds = [type(thing) for thing in gc.get_objects()]
    named = {id(kind): _QUALNAME(kind) for kind in kinds}
    counts: Counter[str] = Counter()
    for address, count in Counter(map(id, kinds)).items():
        counts[named[address]] += count
    return counts


_QUALNAME: Callable[[type], str] = vars(type)["__qualname__"].__get__


def _origins(before: _Moment, after: _Moment) -> tuple[Origin, ...]:
    gone = []
    for cell, (label, live, blocks) in before.cells.items():
        _, live_after, blocks_after = after.cells.get(cell, ("", 0, 0))
        if live > live_after:
            gone.append(Origin(label, live - live_after, blocks - blocks_after))
    if before.machinery > after.machinery:
        gone.append(Origin("notebook machinery", before.machinery - after.machinery, None))
    return tuple(sorted(gone, key=lambda origin: -origin.freed))


def _hidden(shell: Any) -> Iterable[Hidden]:
    """What IPython still keeps, and what would come back at least."""
    outputs, frames = holders.out_slots(shell), holders.frames(shell)
    if outputs:
        objects = count_text(len({id(slot.value) for slot in outputs}), "object")
        yield Hidden(f"Out, _ and copies ({objects})", holders.OUT, *holders.at_least(outputs))
    texts = holders.output_text_bytes(shell)
    if texts:
        yield Hidden("texts of earlier outputs", holders.OUT, texts, False)
    if frames:
        what = f"the last exception ({count_text(len(frames), 'frame')})"
        yield Hidden(what, holders.TRACEBACK, *holders.at_least(holders.traceback_slots(shell)))


def _pinned(before: _Moment, after: _Moment, trimmed: bool) -> list[str]:
    """Why RSS did not fall although much was freed."""
    freed = max(before.live - after.live, before.malloc - after.malloc)
    rss, rss_after = before.process["rss"], after.process["rss"]
    if freed < 1 << 20 or rss is None or rss_after is None or rss - rss_after > freed // 2:
        return []
    return [why_rss_stays(Live.from_json(_core.live(), recorder.known_sources()), trimmed)]


def _trim() -> bool:
    """Hands malloc's free memory back to the system, where this C library can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return False
    return True
