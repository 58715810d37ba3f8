"""Who holds a large part of what is live, and what lets go of it. Asks the object graph; shows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cellheap import graph
from cellheap.graphtypes import Amount, Chain, Cycles, Suspected, Variable
from cellheap.held import article
from cellheap.hidden import OUT, TRACEBACK

#: A suspect has this part of what is live, and so many bytes at least.
SHARE, LEAST = 0.10, 256 << 10
MOST = 3
#: Of the holders of one thing so many are named.
_NAMED = 3
#: Holders that no variable, output or exception is.
_ELSEWHERE = ("module", "thread", "cache")
#: Those of which nothing but their own end lets go.
_UNTIL_THEIR_END = {"frame": "it stays while that runs", "C": "it stays while that has it"}
_OUTPUTS, _EXCEPTION = "IPython's output history", "the last exception"


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that keeps much alive."""

    #: Who holds it: `df`, `the last exception`; several hold it together.
    who: tuple[str, ...]
    #: What that is: `DataFrame`, `list, 5,000 items`; empty where the name says it.
    what: str
    #: The cell that allocated it.
    origin: str
    bytes: int
    #: Its part of what is live.
    share: float
    #: The line that lets go of it; in words where none can.
    fix: str
    is_command: bool = True


def suspects(heap: int) -> list[Suspect]:
    """At most three, each with a tenth of `heap` at least, the largest first."""
    least = max(round(heap * SHARE), LEAST)
    if heap < least:
        return []
    found = graph.suspected(least)
    known = [
        *map(_variable, found.variables.variables),
        *_together(found),
        *_hidden(found),
        *_garbage(found.cycles),
    ]
    told = {name for one in known for name in one.who if one.bytes >= least}
    known = [one for one in (*known, *_elsewhere(found, told)) if one.bytes >= least]
    known.sort(key=lambda one: -one.bytes)
    return [replace(one, share=one.bytes / heap) for one in known[:MOST]]


def _variable(row: Variable) -> Suspect:
    fix = f"%gcclear {row.name}"
    if row.type.rpartition(".")[2] == "_lru_cache_wrapper":
        fix = f"%gcclear --caches {row.name}"
    return Suspect((row.name,), _kind(row), row.origin or "", row.retained.bytes, 0.0, fix)


def _kind(row: Variable) -> str:
    return ", ".join(filter(None, (row.type, row.shape)))


def _together(found: Suspected) -> Iterator[Suspect]:
    """What goes with several names, and not with one of them."""
    rows = {row.name: row for row in found.variables.variables}
    for one in found.together:
        row = rows[one.name]
        fix = " ".join(["%gcclear", *([OUT] if one.outputs else []), *one.names])
        who = (one.name, *(name for name in one.names if name != one.name), *one.outputs[:1])
        yield Suspect(who, _kind(row), row.origin or "", one.bytes, 0.0, fix)


def _hidden(found: Suspected) -> Iterator[Suspect]:
    """IPython's outputs and the last exception, with what only they hold."""
    given = dict(found.hidden.each)
    for option, kind, who in (
        (OUT, "output", _OUTPUTS),
        (TRACEBACK, "traceback", _EXCEPTION),
    ):
        rows = [row for row in found.variables.hidden if row.kind == kind and (row.shallow or row.shared)]
        most = max(rows, key=lambda row: row.retained.bytes + row.shared, default=None)
        if option in given:
            what = f"{most.name}, {article(most.type)}" if most and kind == "output" else ""
            origin = (most.origin if most else None) or ""
            yield Suspect((who,), what, origin, given[option].bytes, 0.0, f"%gcclear {option}")


def _garbage(found: Cycles) -> Iterator[Suspect]:
    """What only a collection frees."""
    if found.garbage.bytes:
        origin = max(found.origins, key=lambda pair: pair[1], default=("", 0))[0]
        what = f"the largest: {found.cycles[0].text}" if found.cycles else ""
        who = "unheld reference cycles"
        yield Suspect((who,), what, origin, found.garbage.bytes, 0.0, "%gcclear")


def _elsewhere(found: Suspected, told: set[str]) -> Iterator[Suspect]:
    """What a module, a thread or a cache holds, or several holders at once."""
    if found.newer is None:
        return
    chain, amount = found.newer
    known = {OUT: _OUTPUTS, TRACEBACK: _EXCEPTION}.get(chain.clears or "")
    if chain.root in told or known in told:
        return
    if chain.kind not in _ELSEWHERE:
        yield _held_by(found.holders or (chain,), amount)
        return
    # Something else may hold it too: then what clears the one leaves it.
    given = dict(found.hidden.each).get(chain.clears or "")
    clears = given is not None and given.bytes >= amount.bytes // 2
    fix = f"%gcclear {chain.clears}" if clears else f"let go of {chain.text}"
    yield Suspect((chain.text,), chain.type, "", amount.bytes, 0.0, fix, clears)


def _held_by(holders: Sequence[Chain], amount: Amount) -> Suspect:
    """What no clearing of one name gives back. Other names of what one option clears come last."""
    first = holders[0]
    named = {holder.clears or holder.text: holder.text for holder in reversed(holders)}
    who = tuple(reversed(named.values()))
    if len(who) > 1:
        fix = "it stays while one of these has it"
    else:
        fix = _UNTIL_THEIR_END.get(first.kind, f"let go of {first.text}")
    if len(who) > _NAMED:
        who = (*who[:_NAMED], "others")
    of = first.steps[-1].type if first.steps else first.type
    return Suspect(who, of, "", amount.bytes, 0.0, fix, is_command=False)
