"""Lets go of things one after the other: what went by each, to the byte, and who holds what did not go."""

from __future__ import annotations

import gc
import operator
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from cellheap import _core
from cellheap.cleared import SHARED, Step
from cellheap.kinds import is_of

SOMETHING = "something else"
#: The step that lets go of values together.
EACH_OTHER = "what these held of each other"
#: Native memory below this is malloc's own coming and going.
_NATIVE_FROM = 1 << 16
#: Seconds between two words on how far it is.
_EVERY = 1.0

#: What lets go of something, and the addresses at which the collector may know something still.
Act = tuple[Callable[[], object], set[int]]


def step_of(what: str, went: int, blocks: int, native: int) -> Step:
    """A step by which so much went. What came instead is none of its doing."""
    return Step(what, max(0, went), max(0, blocks), native if native >= _NATIVE_FROM else 0)


@dataclass
class Scales:
    """Weighs what acts give back: the steps so far, and how many objects the collector found."""

    generation: int
    #: Whether to say how far it is.
    progress: bool = False
    steps: list[Step] = field(default_factory=list)
    found: int = 0

    def weigh(self, what: str, act: Callable[[], object], addresses: set[int]) -> tuple[Step, list[object]]:
        """Does something, collects: what went by that, and what the collector knows at `addresses` then."""
        (weighed,) = self.weigh_each([what], [(act, addresses)])
        return weighed

    def weigh_each(self, names: Sequence[str], acts: Sequence[Act]) -> Iterator[tuple[Step, list[object]]]:
        """The same of each act. The next ones are done as results are taken: all must be."""
        done, told = 0, ""
        while done < len(acts):
            weighed = _core.weigh(acts[done:], self.generation, _EVERY)
            for what, (went, blocks, beneath, found, there) in zip(names[done:], weighed, strict=False):
                self.found += found
                yield step_of(what, went, blocks, beneath - max(0, went)), there
            done += len(weighed)
            if self.progress and done < len(acts):
                # Over what was said before.
                _tell(f"{told}cellheap lets go of variables: {done} of {len(acts)} so far ")
                told = "\r"
        if told:
            _tell("\n")

    def step(self, what: str, *calls: Callable[[], object]) -> None:
        """Calls these, collects, and notes what went by that. All in C if they are."""
        weighed, _ = self.weigh(what, partial(deque, map(operator.call, calls), 0), set())
        self.steps.append(weighed)


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


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

    @property
    def is_untold(self) -> bool:
        """Whether the collector could not tell that it stayed, and nobody said who holds it."""
        return not gc.is_tracked(self.value) and self.has_others and not self.held_by


def delete(
    scales: Scales, names: Sequence[str], namespace: dict[str, object], held_by: Mapping[str, tuple[str, ...]]
) -> None:
    """Deletes variables, a step each; says who still holds the values that did not go. `held_by` is what the
    object graph says of that."""
    doomed = [_Doomed(name, namespace.pop(name)) for name in names]
    for variable in doomed:
        if variable.has_others:
            is_shared = _is_shared(variable.value)
            variable.held_by = (SHARED,) if is_shared else held_by.get(variable.name, ())
    first = len(scales.steps)
    try:
        _drop(scales, doomed)
        _settle(scales, [variable for variable in doomed if variable.is_doubtful])
    except BaseException:
        # Who interrupts keeps what was not let go of; the traceback does not hold it.
        for name, value in zip(names, _taken(*doomed), strict=True):
            if value is not None:
                namespace[name] = value
        value = None
        raise
    for at, variable in enumerate(doomed, first):
        scales.steps[at] = replace(scales.steps[at], held_by=variable.held_by)


def _drop(scales: Scales, doomed: Sequence[_Doomed]) -> None:
    """Lets go of values in turn, unless it is doubtful that anything besides the other values holds one."""
    together: list[_Doomed] = []
    for variable in doomed:
        if variable.is_untold:
            # What went before it may have held it.
            _let_go(scales, together)
            together = []
        if variable.is_untold:
            variable.is_doubtful = True
            scales.steps.append(Step(variable.name, 0, 0, 0))
        else:
            together.append(variable)
    _let_go(scales, together)


def _let_go(scales: Scales, variables: Sequence[_Doomed]) -> None:
    names = [variable.name for variable in variables]
    places = [{id(variable.value)} if gc.is_tracked(variable.value) else set() for variable in variables]
    held = [_taken(variable) for variable in variables]
    acts = [(_letting_go(values), place) for values, place in zip(held, places, strict=True)]
    try:
        for variable, (step, there) in zip(variables, scales.weigh_each(names, acts), strict=True):
            scales.steps.append(step)
            if there and not variable.held_by:
                (variable.value,) = there
                variable.is_doubtful = True
    except BaseException:
        for variable, values in zip(variables, held, strict=True):
            variable.value = values.pop()
        raise


def _settle(scales: Scales, doubtful: Sequence[_Doomed]) -> None:
    """Finds which of these are held by something else than each other."""
    if not doubtful:
        return
    tracked = [variable for variable in doubtful if gc.is_tracked(variable.value)]
    places = {id(variable.value): variable for variable in tracked}
    first, there = scales.weigh(EACH_OTHER, _letting_go(_taken(*tracked)), set(places))
    left = {id(value) for value in there}
    del there
    rest = [variable for variable in doubtful if variable.value is not None]
    values = _taken(*rest)
    second, there = scales.weigh(EACH_OTHER, partial(_core.let_go_unheld, values), left)
    for variable, value in zip(rest, values, strict=True):
        if value is not None:
            variable.held_by = (SOMETHING,)
    for value in there:
        places[id(value)].held_by = (SOMETHING,)
    both = first.and_of(second)
    if both.freed or both.native:
        scales.steps.append(both)


def _taken(*doomed: _Doomed) -> list[object]:
    """Their values, which only the list holds from here on."""
    values = [variable.value for variable in doomed]
    for variable in doomed:
        variable.value = None
    return values


def _letting_go(values: list[object]) -> Callable[[], object]:
    """What lets go of these values, all in C. The list that has them keeps its length, so nothing of its own
    goes with them."""
    return partial(operator.setitem, values, slice(None), [None] * len(values))


def _is_shared(value: object) -> bool:
    """Whether Python may share such a value between all that use it."""
    if is_of(value, str, bytes):
        return sys.getsizeof(value) < 1024
    return value is None or is_of(value, int, float, complex, bool)
