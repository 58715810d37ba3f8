"""What IPython keeps hidden, by name: outputs and the last exception's frames. Finds them, and says what
lets go of them; measures nothing.

A `Slot` holds the user's object, so slots live no longer than the call that asked for them.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import setitem
from typing import Any

from cellheap.kinds import is_of

OUT, TRACEBACK = "--out", "--traceback"
_UNDERS = ("_", "__", "___")
_SPELLED_OUT = re.compile(r"_\d+")
#: `__name__`, `__builtins__`.
_OF_PYTHON = re.compile(r"__\w+__")
_SURROGATE = re.compile("[\ud800-\udfff]")


_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Slot:
    """One reference to an object that is not the user's own, and the option that clears it."""

    label: str
    option: str
    value: object


def same(name: str) -> str:
    """An equal string: who takes an entry out of a dict by it does not hold the key, which goes with it."""
    return "".join([*name])


# Outputs


def out_slots(shell: Any) -> list[Slot]:
    """Output history, its `_` names and the copies of both. The empty string stands for no output."""
    found = [(f"Out[{number}]", value) for number, value in shell.history_manager.output_hist.items()]
    for names, label in ((shell.user_ns, "{}"), (shell.user_ns_hidden, "user_ns_hidden['{}']")):
        found += [(label.format(name), names[name]) for name in output_names(shell) if name in names]
    found += [(f"displayhook.{name}", getattr(shell.displayhook, name)) for name in _UNDERS]
    last = shell.last_execution_result
    found.append(("the last cell's result", last and last.result))
    return [Slot(label, OUT, value) for label, value in found if not _is_nothing(value)]


def _is_nothing(value: object) -> bool:
    return value is None or (type(value) is str and not value)


def output_names(shell: Any) -> list[str]:
    """`_`, `__`, `___`, `_5`: those that are IPython's and not a user's variable of such a name."""
    hidden, user = shell.user_ns_hidden, shell.user_ns
    numbered = [name for name in hidden if _SPELLED_OUT.fullmatch(name) and user.get(name) is hidden[name]]
    return [name for name in _UNDERS if _is_ipythons(shell, name)] + numbered


def _is_ipythons(shell: Any, under: str) -> bool:
    own = shell.user_ns_hidden.get(under, getattr(shell.displayhook, under))
    return shell.user_ns.get(under, own) is own


def emptying_out(shell: Any) -> list[Callable[[], object]]:
    """What empties the output history and its copies. `_` and `Out` go on working."""
    hidden, user, hook = shell.user_ns_hidden, shell.user_ns, shell.displayhook
    ours = output_names(shell)
    calls = [partial(hidden.pop, same(name), None) for name in hidden if _SPELLED_OUT.fullmatch(name)]
    calls += [partial(user.pop, same(name), None) for name in ours]
    for name in _UNDERS:
        # The display hook moves `_` on only while user_ns and user_ns_hidden (or it) hold the same object.
        calls.append(partial(setattr, hook, name, ""))
        calls += [
            partial(setitem, names, name, "")
            for names, there in ((hidden, hidden), (user, ours))
            if name in there
        ]
    if shell.last_execution_result is not None:
        calls.append(partial(setattr, shell.last_execution_result, "result", None))
    return [*calls, shell.history_manager.output_hist.clear, *(texts.clear for texts in _output_texts(shell))]


def _output_texts(shell: Any) -> list[dict[int, Any]]:
    """What earlier outputs looked like, kept for `%notebook` and the history database."""
    history = shell.history_manager
    return [getattr(history, name, {}) for name in ("outputs", "output_hist_reprs")]


# The last exception


def frames(shell: Any) -> list[types.FrameType]:
    """The frames of the last exception, IPython's and our own left out."""
    found: dict[int, types.FrameType] = {}
    for traceback in _tracebacks(shell):
        step: types.TracebackType | None = traceback
        while step is not None:
            module = str(step.tb_frame.f_globals.get("__name__", ""))
            if not module.startswith(("IPython.", "ipykernel.", "cellheap.")):
                found[id(step.tb_frame)] = step.tb_frame
            step = step.tb_next
    return list(found.values())


def _exceptions(shell: Any) -> list[BaseException | None]:
    last = shell.last_execution_result
    return [
        getattr(sys, "last_exc", None),
        getattr(sys, "last_value", None),
        getattr(shell.SyntaxTB, "last_syntax_error", None),
        last and last.error_in_exec,
        last and last.error_before_exec,
    ]


def _tracebacks(shell: Any) -> Iterator[types.TracebackType]:
    """The last traceback, and those of what the exception was raised from and of what it groups."""
    known = [getattr(shell.InteractiveTB, "tb", None), getattr(sys, "last_traceback", None)]
    yield from (traceback for traceback in known if traceback is not None)
    todo, seen = [error for error in _exceptions(shell) if error is not None], set[int]()
    while todo:
        error = todo.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        if error.__traceback__ is not None:
            yield error.__traceback__
        more = [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
        todo += [other for other in more if isinstance(other, BaseException)]


def emptying_traceback(shell: Any) -> list[Callable[[], object]]:
    """What lets go of the last exception. `%debug` and `%tb` have nothing to show until the next one."""
    names = ("last_exc", "last_value", "last_type", "last_traceback")
    calls: list[Callable[[], object]] = [partial(delattr, sys, name) for name in names if hasattr(sys, name)]
    kept = [(shell.InteractiveTB, "tb"), (shell.InteractiveTB, "pdb")]
    if hasattr(shell.SyntaxTB, "last_syntax_error"):
        kept.append((shell.SyntaxTB, "last_syntax_error"))
    if shell.last_execution_result is not None:
        kept += [(shell.last_execution_result, name) for name in ("error_in_exec", "error_before_exec")]
    return calls + [partial(setattr, holder, name, None) for holder, name in kept]


def variables(shell: Any) -> list[str]:
    """The variables that the notebook's user made. A key of the namespace that is no text is none's name."""
    # At once: other threads may make variables.
    return sorted(name for name, value in [*shell.user_ns.items()] if _is_users(shell, name, value))


def listed(shell: Any) -> list[str]:
    """What `%who` lists of them: those whose names begin with no underscore."""
    return [name for name in variables(shell) if not name.startswith("_")]


def _is_users(shell: Any, name: Any, value: object) -> bool:
    # What `!` leaves behind is hidden nowhere.
    if not _is_text(name) or _OF_PYTHON.fullmatch(name) or name == "_exit_code":
        return False
    if name in _UNDERS:
        # What a loop counts with is of no weight.
        return not _is_ipythons(shell, name) and not is_of(value, int)
    return value is not shell.user_ns_hidden.get(name, _NOTHING)


def _is_text(name: Any) -> bool:
    """Not where half of a surrogate pair is in it, as names of files may have: no encoding has that."""
    return issubclass(type(name), str) and not _SURROGATE.search(name)
