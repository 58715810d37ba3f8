"""Places whose names a person knows, for the object graph: variables, outputs, the last traceback. Holds what
it names only as long as the call that asked."""

from __future__ import annotations

import linecache
import sys
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from cellheap import caches
from cellheap import hidden as holders

#: A container, how what it holds is called (`{}` is a key), what kind of root that is, and the keys that are
#: outputs whatever the container is.
Place = tuple[object, str, str, list[str]]
#: A step of a clearing: its label, names by their kind (an empty one stands for all), and references of a
#: holder to an object (None: to all that it holds).
Step = tuple[str, list[tuple[str, str]], list[tuple[object, object]]]

VARIABLE, OUTPUT, TRACEBACK, OTHER = "variable", "output", "traceback", "other"
CACHE, CALLBACK, FIGURE, CONTEXT, LOOP, SIGNAL = "cache", "callback", "figure", "context", "loop", "signal"
CACHES, FIGURES = "--caches", "--figures"
_UNDERS = ("_", "__", "___")
_LAST = ("last_exc", "last_value", "last_type", "last_traceback")


def places(shell: Any) -> list[Place]:
    """Without IPython these are the variables of `__main__`."""
    libraries = [*_library_places()]
    if shell is None:
        return [(vars(sys.modules["__main__"]), "{}", VARIABLE, []), *libraries]
    outputs = holders.output_names(shell)
    return [
        (shell.user_ns, "{}", VARIABLE, outputs),
        (shell.history_manager.output_hist, "Out[{}]", OUTPUT, []),
        (shell.user_ns_hidden, "user_ns_hidden['{}']", OTHER, [*outputs, *_UNDERS]),
        *((traceback, "the last traceback", TRACEBACK, []) for traceback in _tracebacks(shell)),
        *((module, caches.SCRIPT.format(name), CACHE, []) for name, module in caches.scripts(shell)),
        *((context, "the context of cells", CONTEXT, []) for context in _contexts(shell)),
        *libraries,
    ]


def _library_places() -> Iterator[Place]:
    """What libraries keep behind a person's back."""
    for cache in caches.pattern_caches():
        yield cache, caches.PATTERNS, CACHE, []
    yield linecache.cache, caches.LINES, CACHE, []
    # Its callbacks live as long as what they wait for.
    registry = vars(weakref.finalize).get("_registry")
    if registry is not None:
        yield registry, "a callback of weakref.finalize", CALLBACK, []
    yield from _signal_places()
    events = sys.modules.get("asyncio.events")
    loop = events and events._get_running_loop()
    if loop is not None:
        yield loop, "the running event loop", LOOP, []
    figures = caches.figure_holder()
    if figures is not None:
        yield figures, "pyplot's open figures", FIGURE, []


def _signal_places() -> Iterator[Place]:
    """Handlers that somebody has set: C code alone holds them. To import `signal` for it leaves garbage."""
    signals: Any = sys.modules.get("signal")
    for number in signals.valid_signals() if signals else ():
        handler = signals.getsignal(number)
        if isinstance(number, signals.Signals) and callable(handler):
            yield handler, f"the handler of {number.name}", SIGNAL, []


def steps(
    shell: Any,
    names: Sequence[str],
    out: bool,
    traceback: bool,
    cached: Sequence[str] | None = None,
    figures: bool = False,
) -> list[Step]:
    """What a clearing lets go of, in the order in which it does. `cached` names functions whose caches go
    besides those of libraries; None leaves all caches."""
    found: list[Step] = []
    if shell is None:
        out = traceback = False
        cached = None
    if out:
        found.append((holders.OUT, [(OUTPUT, "")], list(_output_arrows(shell))))
    if traceback:
        found.append((holders.TRACEBACK, [], list(_traceback_arrows(shell))))
    if cached is not None:
        files = [(CACHE, caches.LINES.format(file)) for file in caches.files(shell)]
        emptied: list[tuple[object, object]] = [(cache, None) for cache in caches.emptied(shell)]
        found.append((CACHES, files, emptied))
        for name in cached:
            found.append((f"{name}'s cache", [], [(shell.user_ns[name], None)]))
    if figures and caches.figures():
        found.append((FIGURES, [], [(caches.figure_holder(), None)]))
    return found + [(name, [(VARIABLE, name)], []) for name in names]


def _output_arrows(shell: Any) -> Iterator[tuple[object, object]]:
    for name in _UNDERS:
        yield shell.displayhook, getattr(shell.displayhook, name)
    last = shell.last_execution_result
    if last is not None:
        yield last, last.result
    for name in ("output_hist", "outputs", "output_hist_reprs"):
        yield getattr(shell.history_manager, name, {}), None


def _traceback_arrows(shell: Any) -> Iterator[tuple[object, object]]:
    for name in _LAST:
        if hasattr(sys, name):
            yield vars(sys), getattr(sys, name)
    for holder, name in _keepers(shell):
        if getattr(holder, name, None) is not None:
            yield holder, getattr(holder, name)


def _keepers(shell: Any) -> Iterator[tuple[object, str]]:
    yield shell.InteractiveTB, "tb"
    yield shell.InteractiveTB, "pdb"
    yield shell.SyntaxTB, "last_syntax_error"
    yield shell.last_execution_result, "error_in_exec"
    yield shell.last_execution_result, "error_before_exec"


def _contexts(shell: Any) -> list[object]:
    """Where what cells set of context variables stays."""
    kernel = getattr(shell, "kernel", None)
    known = [getattr(kernel, name, None) for name in ("cells_context", "_shell_context")]
    return [context for context in known if context is not None]


def _tracebacks(shell: Any) -> list[object]:
    known = [getattr(shell.InteractiveTB, "tb", None), getattr(sys, "last_traceback", None)]
    return list({id(traceback): traceback for traceback in known if traceback is not None}.values())
