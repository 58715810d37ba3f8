"""`%gcclear`: collects, deletes variables, empties hidden holders; measures what each step freed, and says
who still holds what stayed.

Exact bytes are the books'; what blocks from before tracing gave back besides is told by malloc and
by arenas that went, about.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from IPython.core.getipython import get_ipython

from cellheap import _core, graph, graphplaces, hidden, moments, pools
from cellheap import caches as caching
from cellheap.choosing import RefusedError, choose
from cellheap.cleared import Cleared, Hidden
from cellheap.collector import by_hand
from cellheap.foreseen import Foreseen
from cellheap.graphtypes import Amount, Cycles, Prediction
from cellheap.held import texts
from cellheap.knotted import Knotted, finalizers_of, is_others
from cellheap.units import count_text
from cellheap.weighing import SOMETHING, Scales, delete, step_of

T = TypeVar("T")

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
    progress: bool = True,
) -> Cleared:
    """Collects garbage and deletes the variables `names` (`data*` stands for all that fit).

    `out` empties IPython's output history, `traceback` lets go of the last exception, `caches` empties the
    caches of `re`, of `linecache` and of those of `names` that have a `functools.lru_cache`, `figures` closes
    pyplot's figures. `announce` is told what will be deleted before anything is; `progress` says on stderr
    how far it is where that takes long. Raises `RefusedError` for a bare `*` without `force`, TypeError for a
    value in the place of a name."""
    if generation not in (0, 1, 2):
        raise RefusedError(f"there is no generation {generation!r}: it is 0, 1 or 2")
    wishes = Wishes(out, traceback, caches, figures, generation, trim, cycles)
    with _core.own():
        shell = _shell()
        chosen, remarks = choose(shell, names, force)
        if announce is not None and chosen:
            announce("Deleting " + ", ".join(chosen) if not caches else "Clearing " + ", ".join(chosen))
        return _Work(shell, wishes, Scales(generation, progress)).run(chosen, remarks)


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
class _Work:
    """One `%gcclear`: its steps one after the other, each measured."""

    shell: Any
    wishes: Wishes
    scales: Scales

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
        found = gc.collect(wishes.generation)
        self._garbage(before)
        types_gone = types_before - moments.types_now()
        came_back = _came_back(knots, types_gone)
        remarks = [*remarks, *self._empty(cached)]
        delete(self.scales, doomed, self.shell.user_ns, held_by)
        trimmed = wishes.trim and _core.trim()
        after, steps = moments.now(), self.scales.steps
        return Cleared(
            steps=tuple(steps),
            found=found + self.scales.found,
            freed=sum(step.freed for step in steps),
            blocks=sum(step.blocks for step in steps),
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
            others=found if is_others(knots) else 0,
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
            self.scales.step("the output history", *hidden.emptying_out(self.shell))
        if wishes.traceback:
            self.scales.step("the last exception", *hidden.emptying_traceback(self.shell))
            said.append("%debug and %tb have nothing to show until the next exception.")
        if wishes.caches:
            self.scales.step(caching.told(self.shell), *caching.emptying(self.shell))
            for name in cached:
                self.scales.step(f"{name}'s cache", caching.emptying_function(self.shell.user_ns[name]))
        if wishes.figures:
            closed = count_text(caching.figures(), "pyplot figure")
            self.scales.step(closed, caching.close_figures)
        return said

    def _garbage(self, before: moments.Moment) -> None:
        """Notes what the first collection freed of cells' blocks: IPython's own garbage is nobody's."""
        after = moments.now()
        freed, blocks = before.live - after.live, before.blocks - after.blocks
        native = before.beneath - after.beneath - max(0, before.known - after.known)
        self.scales.steps.append(step_of("garbage in cycles", freed, blocks, native))


def _apart(shell: Any, chosen: list[str], caches: bool) -> tuple[list[str], list[str]]:
    """Functions whose caches are to be emptied, and variables to delete."""
    cached = [name for name in chosen if caches and caching.is_cache(shell.user_ns[name])]
    return cached, [name for name in chosen if name not in cached]


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
