"""What IPython keeps hidden, by name: outputs and the last exception's frames. Finds and clears; measures
nothing.

A `Slot` holds the user's object, so slots live no longer than the call that asked for them.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

OUT, TRACEBACK = "--out", "--traceback"
_UNDERS = ("_", "__", "___")
_SPELLED_OUT = re.compile(r"_\d+")


@dataclass(frozen=True, slots=True)
class Slot:
    """One reference to an object that is not the user's own, and the option that clears it."""

    label: str
    option: str
    value: object


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


def clear_out(shell: Any) -> None:
    """Empties the output history and its copies. `_` and `Out` go on working."""
    hidden, user, hook = shell.user_ns_hidden, shell.user_ns, shell.displayhook
    ours = output_names(shell)
    for name in [name for name in hidden if _SPELLED_OUT.fullmatch(name)]:
        del hidden[name]
    for name in ours:
        user.pop(name, None)
    for name in _UNDERS:
        # The display hook moves `_` on only while user_ns and user_ns_hidden (or it) hold the same object.
        setattr(hook, name, "")
        if name in hidden:
            hidden[name] = ""
        if name in ours:
            user[name] = ""
    shell.history_manager.output_hist.clear()
    if shell.last_execution_result is not None:
        shell.last_execution_result.result = None
    for texts in _output_texts(shell):
        texts.clear()


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


def clear_traceback(shell: Any) -> None:
    """Lets go of the last exception. `%debug` and `%tb` have nothing to show until the next one."""
    for name in ("last_exc", "last_value", "last_type", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    shell.InteractiveTB.tb = None
    shell.InteractiveTB.pdb = None
    if hasattr(shell.SyntaxTB, "last_syntax_error"):
        shell.SyntaxTB.last_syntax_error = None
    last = shell.last_execution_result
    if last is not None:
        last.error_in_exec = last.error_before_exec = None


def variables(shell: Any) -> list[str]:
    """What `%who` lists."""
    nothing = object()
    hidden = shell.user_ns_hidden
    return sorted(
        name
        for name, value in shell.user_ns.items()
        if not name.startswith("_") and value is not hidden.get(name, nothing)
    )
