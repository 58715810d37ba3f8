"""A cache that keeps nothing alive: `functools.cache` for large objects, by weak references.

Owns the cache and a demonstration. Needs nothing but the standard library, and knows nothing of cellheap.

    @weak_cached                         # whoever has the image of a name gets the same one again;
    def image(name: str) -> Image: ...   # when nobody has it any more it goes, and the cache forgets it

    @weak_cached(keep=8)                 # ... and the 8 that were asked for last stay
    def image(name: str) -> Image: ...

    python weakcache.py                  # the same work with `functools.cache`, with `keep`, and without
"""

from __future__ import annotations

import argparse
import functools
import gc
import sys
import threading
import tracemalloc
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

P = ParamSpec("P")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Stats(NamedTuple):
    """How often a value was there, how often it was made, how many are alive, and how many of them are
    kept."""

    hits: int
    misses: int
    alive: int
    kept: int


class WeakCache(Generic[K, V]):
    """Values by key, made when they are asked for. One that nobody else holds goes, unless it is one of the
    `keep` that were asked for last.

    Threads may share a cache. Two that ask for the same key at once may both make a value; both get the
    same one. An error of `make` is the caller's, and nothing is remembered of it."""

    def __init__(self, make: Callable[[K], V], keep: int = 0) -> None:
        if keep < 0:
            raise ValueError(f"keep is the number of values to keep, 0 or more, not {keep!r}")
        self._make = make
        self._keep = keep
        # A dict of weak references that stays whole while values die, also in the middle of a collection.
        self._alive: weakref.WeakValueDictionary[K, Any] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[K, V] = OrderedDict()
        # A value that dies may run code that asks this cache.
        self._lock = threading.RLock()
        self._hits = self._misses = 0

    def __getitem__(self, key: K) -> V:
        with self._lock:
            value = self._alive.get(key)
            if value is not None:
                self._hits += 1
                return self._used(key, value)
            self._misses += 1
        made = self._make(key)  # Without the lock: it may take long, and may ask this cache.
        if made is None:
            raise TypeError(f"None was made for {key!r}: a cache by weak references cannot hold it")
        with self._lock:
            try:
                value = self._alive.setdefault(key, made)
            except TypeError as error:
                raise TypeError(_cannot_hold(made)) from error
            return self._used(key, value)

    def _used(self, key: K, value: V) -> V:
        if self._keep:
            self._recent[key] = value
            self._recent.move_to_end(key)
            if len(self._recent) > self._keep:
                self._recent.popitem(last=False)
        return value

    def forget(self, key: K) -> None:
        """Make the value anew when it is asked for next. Who has it, has it."""
        with self._lock:
            self._recent.pop(key, None)
            self._alive.pop(key, None)

    def clear(self) -> None:
        """Forget all, and begin to count anew."""
        with self._lock:
            self._recent.clear()
            self._alive.clear()
            self._hits = self._misses = 0

    def __contains__(self, key: object) -> bool:
        """Whether the value is alive. It may be gone a moment later."""
        return key in self._alive

    def __len__(self) -> int:
        """How many values are alive."""
        return len(self._alive)

    @property
    def stats(self) -> Stats:
        with self._lock:
            return Stats(self._hits, self._misses, len(self._alive), len(self._recent))

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"<WeakCache: {stats.alive} alive, {stats.kept} kept, {stats.hits} hits, {stats.misses} misses>"
        )


def _cannot_hold(value: object) -> str:
    kind = type(value).__name__
    return (
        f"a weak reference to a value of type {kind} cannot be made: "
        f"let the function return an object of a class of yours that has the {kind}"
    )


class _Call:
    """The arguments of a call, as a key."""

    __slots__ = ("arguments", "options")

    def __init__(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.arguments = arguments
        self.options = options

    def __hash__(self) -> int:
        return hash((self.arguments, frozenset(self.options.items())))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Call):
            return NotImplemented
        return self.arguments == other.arguments and self.options == other.options


class WeakCached(Generic[P, V]):
    """A function whose results are in a `WeakCache`, which is its `cache`."""

    def __init__(self, function: Callable[P, V], keep: int = 0) -> None:
        self.cache: WeakCache[_Call, V] = WeakCache(
            lambda call: function(*call.arguments, **call.options), keep
        )
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> V:
        return self.cache[_Call(arguments, options)]


@overload
def weak_cached(function: Callable[P, V], /) -> WeakCached[P, V]: ...
@overload
def weak_cached(*, keep: int = 0) -> Callable[[Callable[P, V]], WeakCached[P, V]]: ...
def weak_cached(function: Callable[P, V] | None = None, /, *, keep: int = 0) -> Any:
    """Remembers what a function returned for the same arguments, as long as somebody has it. With `keep`,
    that many that were asked for last stay anyway. Arguments must be hashable; results must take weak
    references, as objects of classes do."""
    if function is not None:
        return WeakCached(function)
    return lambda function: WeakCached(function, keep)


class _Page:
    """What is large in the demonstration."""

    def __init__(self, number: int) -> None:
        self.text = bytearray(number.to_bytes(4, "little") * 25_000)


def _reads(page_of: Callable[[int], _Page], count: int) -> tuple[int, int]:
    """A reader turns `count` pages and has two of them at a time. The bytes that are live while it has the
    last ones, and when it has gone."""
    seen: list[_Page] = []
    for number in range(count):
        seen = [*seen[-1:], page_of(number)]
    while_reading = tracemalloc.get_traced_memory()[0]
    seen.clear()
    return while_reading, tracemalloc.get_traced_memory()[0]


def _demonstrate(count: int) -> None:
    caches: dict[str, Callable[[], Callable[[int], _Page]]] = {
        "functools.cache": lambda: functools.cache(_Page),
        "WeakCache, keep=8": lambda: WeakCache(_Page, keep=8).__getitem__,
        "WeakCache": lambda: WeakCache(_Page).__getitem__,
    }
    print(f"A reader turns {count:,} pages of 100,000 bytes, two at a time. Bytes that are live:\n")
    print(f"{'cache':20}{'while it reads':>16}{'when it is gone':>17}")
    for name, make in caches.items():
        gc.collect()
        tracemalloc.start()
        page_of = make()
        reading, gone = _reads(page_of, count)
        tracemalloc.stop()
        print(f"{name:20}{reading:>16,}{gone:>17,}")


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is wanted, not {text!r}")
    return int(text)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="weakcache.py", description="Shows what a weak cache keeps.")
    parser.add_argument(
        "--pages", type=_natural, default=100, metavar="N", help="pages to turn (default: 100)"
    )
    _demonstrate(parser.parse_args(words).pages)
    return 0


if __name__ == "__main__":
    sys.exit(main())
