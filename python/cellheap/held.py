"""Who holds an object, as it is shown: `%memtrace why`, `%gcclear`'s outcomes. Knows chains, no objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellheap import _core, pools
from cellheap.display import Bundle, Column, Part, Picture, Size, Table, Words
from cellheap.graphtypes import Amount, Chain, Holders
from cellheap.hidden import OUT
from cellheap.results import Result
from cellheap.units import bytes_text, count_text, listed

#: Steps of a chain that are drawn; the middle of a longer one is left to words.
DRAWN = 5


@dataclass(frozen=True, repr=False)
class Held(Holders, Result):
    """What keeps an object alive. `name` is what was asked of."""

    name: str = "it"

    @classmethod
    def of(cls, found: Holders, name: str) -> Held:
        return cls(**vars(found), name=name)

    @property
    def others(self) -> tuple[Chain, ...]:
        """The chains but for the name that was asked of itself."""
        return tuple(chain for chain in self.chains if not _is_name(chain, self.name))

    def __repr__(self) -> str:
        return f"<Held: {self.name}, by {count_text(len(self.chains), 'chain')}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "held", **asdict(self)}

    columns = ("text", "root", "kind", "type", "clears", "length")

    def rows(self) -> Iterator[dict[str, Any]]:
        for chain in self.chains:
            row = {**asdict(chain), "length": len(chain.steps)}
            yield {name: row[name] for name in self.columns}

    def pictures(self) -> list[Picture]:
        if not self.chains:
            return []
        drawn = {
            "title": f"What keeps {self.name} alive",
            "target": f"{self.name}, {article(self.type)}" if self.name != "it" else self.type,
            "chains": [_drawn(chain) for chain in self.chains],
        }
        alt = f"A drawing of who holds {self.name}: {listed([chain.text for chain in self.chains])}."
        return [Picture(_core.chart_chains(json.dumps(drawn)), alt)]

    def bundle(self) -> Bundle:
        parts: list[Part] = [*self.pictures()]
        if self.chains:
            parts.append(_table(self.chains))
        parts += [Words(words) for words in _remarks(self)]
        return Bundle(sentence(self), parts, self.to_dict())


def sentence(held: Held) -> str:
    """Who holds it, and what would come of it."""
    size, others = held.retained, held.others
    if held.immortal:
        kept = f"Python keeps {held.name} ({held.type}) for good"
        return f"{kept}: it is shared by all that use it, and letting go of it gives back nothing."
    if held.garbage:
        return f"Nothing holds {held.name} but itself: the next collection frees {amount_text(size)}."
    if not held.chains:
        return f"{held.name} is held by something that has no name ({held.type})."
    is_variable = len(others) < len(held.chains)
    if not others and held.unseen:
        return (
            f"Besides the name {held.name} C code holds it, which does not say so:"
            f" `del {held.name}` alone leaves it alive ({amount_text(size)})."
        )
    if not others:
        return (
            f"Only the name {held.name} holds it: `del {held.name}` and a collection"
            f" give back {amount_text(size)}."
        )
    by = listed(texts(others))
    if not is_variable and texts(others) == (held.name,) and not held.unseen:
        return f"Nothing holds {held.name} but what its name says; with it goes {amount_text(size)}."
    if not is_variable:
        return f"{held.name} is held by {by}; with it goes {amount_text(size)}."
    return (
        f"Besides the name {held.name} it is held by {by}: `del {held.name}` alone leaves it alive"
        f" ({amount_text(size)})."
    )


def _remarks(held: Held) -> Iterator[str]:
    if held.holders > len(held.chains) and held.chains:
        yield f"{count_text(held.holders, 'object')} hold it directly; the shortest ways are shown."
    if held.unseen and held.others:
        yield "C code holds it too, which does not say so."
    if held.weak:
        many = count_text(held.weak, "weak reference")
        yield f"{many} to it {'does' if held.weak == 1 else 'do'} not keep it alive."
    yield from pools.unread([held.type])
    if held.origin:
        yield f"It was allocated in {held.origin}."
    if any(step.kind == "cache" for chain in held.chains for step in chain.steps):
        yield "`%gcclear --caches NAME` empties the cache of a function."
    options = list(dict.fromkeys(chain.clears for chain in held.chains if chain.clears))
    if options:
        whose = "IPython holds" if set(options) <= {"--out", "--traceback"} else "is held so"
        yield f"`%gcclear {' '.join(options)}` lets go of what {whose} of it."


def told(chain: Chain) -> str:
    """A holder in words, with the option that lets go of it."""
    return f"{chain.text} (cleared by {chain.clears})" if chain.clears else chain.text


def texts(chains: Sequence[Chain], name: str = "") -> tuple[str, ...]:
    """Holders in words, the variable of that name left out."""
    groups: dict[str, list[str]] = {}
    known = {chain.clears for chain in chains if not _is_copy(chain)}
    for chain in chains:
        if _is_name(chain, name) or (_is_copy(chain) and OUT in known):
            continue
        # What one option clears is one holder; what none does, each its own.
        clears = OUT if _is_copy(chain) else chain.clears
        groups.setdefault(clears or chain.text, []).append(chain.text)
    return tuple(
        f"{', '.join(dict.fromkeys(names))} (cleared by {key})" if key.startswith("--") else names[0]
        for key, names in groups.items()
    )


def _is_copy(chain: Chain) -> bool:
    """Whether this is IPython's own copy of an output: it goes with the one that has a name."""
    hidden = chain.text.startswith(("user_ns_hidden['_", "sys.displayhook._"))
    return hidden or chain.text.endswith("['last_execution_result'].result")


def _is_name(chain: Chain, name: str) -> bool:
    return chain.kind == "variable" and chain.root == name and chain.text == name


def article(kind: str) -> str:
    """`a list`, `an ndarray`."""
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def amount_text(amount: Amount) -> str:
    """How many bytes, and what of them is only known about."""
    older = f"about {bytes_text(amount.older)} from before tracing" if amount.older else ""
    pooled = f"{bytes_text(amount.pooled)} of pyarrow's pool" if amount.pooled else ""
    exact = bytes_text(amount.bytes) if amount.bytes or not (older or pooled) else ""
    return listed([text for text in (exact, pooled, older) if text])


_NOTES = {
    "variable": "variable",
    "output": "output",
    "hidden": "hidden in IPython",
    "traceback": "last exception",
    "module": "module",
    "frame": "running",
    "thread": "thread",
    "cache": "cache",
    "callback": "weak reference",
    "figure": "pyplot",
    "context": "contextvars",
    "loop": "asyncio",
    "signal": "signal handler",
    "C": "C code",
}


def _drawn(chain: Chain) -> dict[str, Any]:
    steps = [{"words": step.words, "name": step.type, "number": step.number} for step in chain.steps]
    if len(steps) > DRAWN:
        left = len(steps) - DRAWN + 1
        middle = {"words": "...", "name": count_text(left, "more object"), "number": 0}
        steps = [*steps[: DRAWN - 2], middle, *steps[-1:]]
    note = f"cleared by {chain.clears}" if chain.clears else _NOTES.get(chain.kind, "")
    if chain.kind in ("variable", "output") and steps and not chain.clears:
        note = chain.type
    return {"root": chain.root, "note": note, "steps": steps}


def _table(chains: Sequence[Chain]) -> Table:
    rows: list[list[str | Size]] = [
        [chain.text, _NOTES.get(chain.kind, "other"), chain.clears or "-"] for chain in chains
    ]
    heads = ("Held by", "Which is", "Cleared by")
    return Table(
        "The shortest ways from a name to it", [Column(head) for head in heads], rows, long_labels=True
    )
