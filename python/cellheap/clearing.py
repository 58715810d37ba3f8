"""`%gcclear`: collects, deletes variables, empties hidden holders; measures what each step freed, and says
who still holds what stayed.

Exact bytes are the books'; what blocks from before tracing gave back besides is told by malloc and
by arenas that went, about.
"""

from __future__ import annotations

import gc
import operator
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from IPython.core.getipython import get_ipython

from cellheap import _core, graph, graphplaces, hidden, moments, pools
from cellheap import caches as caching
from cellheap.choosing import RefusedError, choose
from cellheap.cleared import SHARED, Cleared, Hidden, Step
from cellheap.collector import by_hand
from cellheap.foreseen import Foreseen
from cellheap.graphtypes import Amount, Cycles, Prediction
from cellheap.held import texts
from cellheap.kinds import is_of
from cellheap.knotted import Knotted, finalizers_of, is_others
from cellheap.units import count_text

T = TypeVar("T")

SOMETHING = "something else"
#: The step that lets go of values together.
EACH_OTHER = "what these held of each other"
#: Native memory below this is malloc's own coming and going.
NATIVE_FROM = 1 << 16
#: Cycles that are looked at: most may be those of libraries.
CYCLES = 100
#: Where the object graph cannot be had.
NOTHING = Prediction(Amount(0, 0), Amount(0, 0), (), (), (), ())
CLOSING = "Closing figures runs code of matplotlib's, so what --figures frees is foreseen about."


@dataclass(frozen=True)
class Wishes:
    """What a `%gcclear` is to do besides deleting variables and collecting."""

    out: bool = False
    traceback: bool = False
    caches: bool = False
    figures: bool = False
    generation: int = 2
    trim: bool = True
    #: How many cycles are to be drawn.
    cycles: int = 1


def clear(
    *names: str,
    out: bool = False,
    traceback: bool = False,
    caches: bool = False,
    figures: bool = False,
    generation: int = 2,
    trim: bool = True,
    force: bool = False,
    cycles: int = 1,
    announce: Callable[[str], object] | None = None,
) -> Cleared:
    """Collects garbage and deletes the variables `names` (`data*` stands for all that fit).

    `out` empties IPython's output history, `traceback` lets go of the last exception, `caches` empties the
    caches of `re`, of `linecache` and of those of `names` that have a `functools.lru_cache`, `figures` closes
    pyplot's figures. `announce` is told what will be deleted before anything is. Raises `RefusedError` for a
    bare `*` without `force`, TypeError for a value in the place of a name."""
    if generation not in (0, 1, 2):
        raise RefusedError(f"there is no generation {generation!r}: it is 0, 1 or 2")
    wishes = Wishes(out, traceback, caches, figures, generation, trim, cycles)
    with _core.own():
        shell = _shell()
        chosen, remarks = choose(shell, names, force)
        if announce is not None and chosen:
            announce("Deleting " + ", ".join(chosen) if not caches else "Clearing " + ", ".join(chosen))
        return _Work(shell, wishes).run(chosen, remarks)


def foresee(
    *names: str,
    out: bool = False,
    traceback: bool = False,
    caches: bool = False,
    figures: bool = False,
    force: bool = False,
) -> Foreseen:
    """What `clear` would give back; changes nothing."""
    with _core.own():
        shell = _shell()
        chosen, remarks = choose(shell, names, force)
        cached, doomed = _apart(shell, chosen, caches)
        found = graph.predict(
            doomed, out=out, traceback=traceback, cached=cached if caches else None, figures=figures
        )
        if figures and caching.figures():
            remarks.append(CLOSING)
        remarks += pools.unread(row.type for row in found.types)
        return Foreseen.of(found, tuple(remarks))


def _shell() -> Any:
    shell = get_ipython()
    if shell is None:
        raise RefusedError("there is no IPython here whose variables could be cleared")
    return shell


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


@dataclass
class _Work:
    """One `%gcclear`: its steps one after the other, each measured."""

    shell: Any
    wishes: Wishes
    steps: list[Step] = field(default_factory=list)
    found: int = 0

    # What we make between a look and a reading would bring a collection on: what it freed would be told of,
    # and not counted.
    @by_hand()
    def run(self, chosen: list[str], remarks: list[str]) -> Cleared:
        wishes, rss_before = self.wishes, moments.now().process["rss"]
        knots = Knotted.of(
            _looked(graph.cycles, Cycles((), 0, Amount(0, 0), (), ()), max(wishes.cycles, CYCLES))
        )
        cached, doomed = _apart(self.shell, chosen, wishes.caches)
        held_by = self._who_will_hold(doomed, cached)
        types_before, stuck, pools_before = moments.types_now(), _uncollectable(), pools.pools()
        # Names that only this cache keeps would go while we work, by none of the steps.
        _core.forget_attributes()
        before = moments.now()
        self.found += gc.collect(wishes.generation)
        of_others = self.found if is_others(knots) else 0
        self._garbage(before)
        types_gone = types_before - moments.types_now()
        came_back = _came_back(knots, types_gone)
        remarks = [*remarks, *self._empty(cached)]
        self._delete(doomed, held_by)
        trimmed = wishes.trim and _core.trim()
        after = moments.now()
        return Cleared(
            steps=tuple(self.steps),
            found=self.found,
            freed=sum(step.freed for step in self.steps),
            blocks=sum(step.blocks for step in self.steps),
            traced=_core.tracing(),
            origins=moments.origins(before, after),
            types=tuple((types_before - moments.types_now()).most_common()),
            cycles=knots.cycles,
            cycle_count=knots.count,
            drawn=wishes.cycles,
            finalizers=finalizers_of(knots.cycles),
            came_back=came_back,
            uncollectable=_uncollectable() - stuck,
            remarks=(*remarks, *pools.fell(pools_before), *moments.pinned(before, after, trimmed)),
            hidden=tuple(_hidden(self.shell)),
            trimmed=trimmed,
            rss_before=rss_before,
            rss_after=after.process["rss"],
            malloc_before=before.malloc,
            malloc_after=after.malloc,
            others=of_others,
        )

    def _who_will_hold(self, names: list[str], cached: list[str]) -> Mapping[str, tuple[str, ...]]:
        """For each variable whose value will stay, who holds it."""
        if not any(_has_others(self.shell.user_ns, name) for name in names):
            return {}
        wishes = {"out": self.wishes.out, "traceback": self.wishes.traceback, "figures": self.wishes.figures}
        emptied = cached if self.wishes.caches else None
        kept = _looked(graph.predict, NOTHING, names, cached=emptied, **wishes).kept
        return {name: texts(chains, name) or (SOMETHING,) for name, chains in kept}

    def _empty(self, cached: list[str]) -> list[str]:
        """Empties what was asked for besides variables."""
        wishes, said = self.wishes, []
        if wishes.out:
            self._step("the output history", *hidden.emptying_out(self.shell))
        if wishes.traceback:
            self._step("the last exception", *hidden.emptying_traceback(self.shell))
            said.append("%debug and %tb have nothing to show until the next exception.")
        if wishes.caches:
            self._step(caching.told(self.shell), *caching.emptying(self.shell))
            for name in cached:
                self._step(f"{name}'s cache", caching.emptying_function(self.shell.user_ns[name]))
        if wishes.figures:
            closed = count_text(caching.figures(), "pyplot figure")
            self._step(closed, caching.close_figures)
        return said

    def _garbage(self, before: moments.Moment) -> None:
        """Notes what the first collection freed of cells' blocks: IPython's own garbage is nobody's."""
        after = moments.now()
        freed, blocks = max(0, before.live - after.live), max(0, before.blocks - after.blocks)
        native = before.beneath - after.beneath - max(0, before.known - after.known)
        self.steps.append(Step("garbage in cycles", freed, blocks, native if native >= NATIVE_FROM else 0))

    def _step(self, what: str, *calls: Callable[[], object]) -> None:
        """Calls these, collects, and notes what went by that, to the byte. All in C if they are."""
        step, _ = self._weighed(what, partial(deque, map(operator.call, calls), 0), set())
        self.steps.append(step)

    def _weighed(
        self, what: str, act: Callable[[], object], addresses: set[int]
    ) -> tuple[Step, list[object]]:
        """Does something, collects: what went by that, and what the collector knows at `addresses` then."""
        freed, blocks, beneath, found, there = _core.weigh(act, self.wishes.generation, addresses)
        self.found += found
        freed = max(0, freed)
        native = beneath - freed
        return Step(what, freed, max(0, blocks), native if native >= NATIVE_FROM else 0), there

    def _delete(self, names: list[str], held_by: Mapping[str, tuple[str, ...]]) -> None:
        """Deletes variables; says who still holds the values that did not go."""
        doomed = [_Doomed(name, self.shell.user_ns.pop(name)) for name in names]
        for variable in doomed:
            if variable.has_others:
                is_shared = _is_shared(variable.value)
                variable.held_by = (SHARED,) if is_shared else held_by.get(variable.name, ())
        first = len(self.steps)
        for variable in doomed:
            self._drop(variable)
        self._settle([variable for variable in doomed if variable.is_doubtful])
        for at, variable in enumerate(doomed, first):
            self.steps[at] = replace(self.steps[at], held_by=variable.held_by)

    def _drop(self, variable: _Doomed) -> None:
        """Lets go of a value, unless it is doubtful that anything besides the other values holds it."""
        if not gc.is_tracked(variable.value):
            if variable.has_others and not variable.held_by:
                variable.is_doubtful = True
                self.steps.append(Step(variable.name, 0, 0, 0))
            else:
                self._step(variable.name, _letting_go(variable))
            return
        address = {id(variable.value)}
        step, there = self._weighed(variable.name, _letting_go(variable), address)
        self.steps.append(step)
        if there and not variable.held_by:
            (variable.value,) = there
            variable.is_doubtful = True

    def _settle(self, doubtful: list[_Doomed]) -> None:
        """Finds which of these are held by something else than each other."""
        if not doubtful:
            return
        tracked = [variable for variable in doubtful if gc.is_tracked(variable.value)]
        places = {id(variable.value): variable for variable in tracked}
        first, there = self._weighed(EACH_OTHER, _letting_go(*tracked), set(places))
        left = {id(value) for value in there}
        del there
        rest = [variable for variable in doubtful if variable.value is not None]
        values = [variable.value for variable in rest]
        for variable in rest:
            variable.value = None
        second, there = self._weighed(EACH_OTHER, partial(_core.let_go_unheld, values), left)
        for variable, value in zip(rest, values, strict=True):
            if value is not None:
                variable.held_by = (SOMETHING,)
        for value in there:
            places[id(value)].held_by = (SOMETHING,)
        both = first.and_of(second)
        if both.freed or both.native:
            self.steps.append(both)


def _apart(shell: Any, chosen: list[str], caches: bool) -> tuple[list[str], list[str]]:
    """Functions whose caches are to be emptied, and variables to delete."""
    cached = [name for name in chosen if caches and caching.is_cache(shell.user_ns[name])]
    return cached, [name for name in chosen if name not in cached]


def _letting_go(*doomed: _Doomed) -> Callable[[], object]:
    """What lets go of these values, all in C. The list that has them keeps its length, so nothing of its own
    goes with them."""
    values = [variable.value for variable in doomed]
    for variable in doomed:
        variable.value = None
    return partial(operator.setitem, values, slice(None), [None] * len(values))


def _looked(look: Callable[..., T], otherwise: T, *asked: object, **options: object) -> T:
    """What the object graph says; where it cannot be had, clearing goes on without it."""
    try:
        return look(*asked, **options)
    except (RuntimeError, MemoryError):
        return otherwise


def _references(names: dict[str, Any], name: str) -> int:
    return sys.getrefcount(names[name])


def _has_others(names: dict[str, Any], name: str) -> bool:
    """Whether anything but the variable refers to its value."""
    return _references(names, name) > _references({name: object()}, name)


def _is_shared(value: object) -> bool:
    """Whether Python may share such a value between all that use it."""
    if is_of(value, str, bytes):
        return sys.getsizeof(value) < 1024
    return value is None or is_of(value, int, float, complex, bool)


def _uncollectable() -> int:
    return sum(generation["uncollectable"] for generation in gc.get_stats())


def _came_back(knots: Cycles, gone: Counter[str]) -> int:
    """Objects that a finalizer brought back: of the types that have one, those that were garbage and did not
    go."""
    found = {member.type for cycle in knots.cycles for member in cycle.members if member.finalizer}
    rows = (row for row in knots.types if row.type in found)
    return sum(max(0, row.objects - gone[row.type] - gone[row.type.rpartition(".")[2]]) for row in rows)


def _hidden(shell: Any) -> Iterable[Hidden]:
    """What is still kept besides variables, and what would come back."""
    # Counted, and let go of: what is held here would be kept by it.
    outputs, frames = len({id(slot.value) for slot in hidden.out_slots(shell)}), len(hidden.frames(shell))
    open_figures = caching.figures()
    looked = _looked(graph.predict, NOTHING, out=True, traceback=True, cached=(), figures=True)
    would = dict(looked.each)
    if outputs:
        yield _kept(f"Out, _ and copies ({count_text(outputs, 'object')})", hidden.OUT, would)
    if frames:
        yield _kept(f"the last exception ({count_text(frames, 'frame')})", hidden.TRACEBACK, would)
    if open_figures:
        yield _kept(count_text(open_figures, "pyplot figure"), graphplaces.FIGURES, would)
    patterns = would.get(graphplaces.CACHES, Amount(0, 0))
    if patterns.bytes or patterns.older:
        yield _kept(caching.told(shell), graphplaces.CACHES, would)


def _kept(what: str, option: str, would: Mapping[str, Amount]) -> Hidden:
    amount = would.get(option, Amount(0, 0))
    return Hidden(what, option, amount.bytes, amount.older)
