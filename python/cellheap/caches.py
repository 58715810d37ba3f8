"""Caches and figures that libraries keep: finds them, and says what empties them. Knows `re`, `linecache`,
`functools`, pyplot and `%run`; nothing of IPython's history."""

from __future__ import annotations

import functools
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from cellheap.hidden import same
from cellheap.sources import PLAIN_PREFIX, prefixes

#: What `functools.lru_cache` makes of a function.
_CACHED: type = type(functools.lru_cache(len))


#: How what `re` and `linecache` keep is called; `{}` is a file.
PATTERNS, LINES = "re's cache", "linecache's lines of {}"
#: How the module of a script is called.
SCRIPT = "%run {}"


def is_cache(value: object) -> bool:
    """Whether this is a function with a `functools.lru_cache`."""
    return type(value) is _CACHED


def emptying_function(value: Any) -> Callable[[], object]:
    """What empties the cache of a function."""
    return partial(_CACHED.cache_clear, value)  # type: ignore[attr-defined]


def told(shell: Any) -> str:
    """Which caches there are."""
    return "caches of re, linecache and %run" if shell._main_mod_cache else "caches of re and linecache"


def emptying(shell: Any) -> list[Callable[[], object]]:
    """What empties the caches of `re`, of `linecache`, but for the code of cells, and of `%run`."""
    calls: list[Callable[[], object]] = [
        partial(linecache.cache.pop, same(file), None) for file in files(shell)
    ]
    calls += [emptying_function(cache) if is_cache(cache) else cache.clear for cache in emptied(shell)]
    return calls


def files(shell: Any) -> Iterator[str]:
    """Files whose lines `linecache` has read from disk, and can read again."""
    own = (*prefixes(shell), PLAIN_PREFIX)
    for file, entry in list(linecache.cache.items()):
        if len(entry) == 4 and entry[1] is not None and not file.startswith(own):
            yield file


def scripts(shell: Any) -> Iterator[tuple[str, ModuleType]]:
    """The modules that `%run` ran scripts in, each by its script's name: IPython keeps the latest of each."""
    for file, module in list(shell._main_mod_cache.items()):
        yield os.path.basename(file), module


def pattern_caches() -> Iterator[dict[Any, Any]]:
    """The dicts in which `re` keeps patterns."""
    for name in ("_cache", "_cache2"):
        cache = getattr(re, name, None)
        if type(cache) is dict:
            yield cache


def emptied(shell: Any) -> Iterator[Any]:
    """What that empties besides files' lines: `%run`'s modules, those, functions of `re` with a cache."""
    yield shell._main_mod_cache
    yield from pattern_caches()
    for name in ("_compile_template", "_compile_repl"):
        function = getattr(re, name, None)
        if is_cache(function):
            yield function


def figures() -> int:
    """How many pyplot figures are open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return len(pyplot.get_fignums()) if pyplot is not None else 0


def figure_holder() -> object | None:
    """What holds the open pyplot figures."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return helpers.Gcf.figs if helpers is not None else None


def close_figures() -> None:
    """Closes the open pyplot figures."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
