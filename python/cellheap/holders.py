"""What IPython keeps hidden, by name: outputs and the last exception's frames. Finds and clears; measures
nothing.

A `Slot` holds the user's object, so slots live no longer than the call that asked for them.
"""

from __future__ import annotations

import gc
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


def output_text_bytes(shell: Any) -> int:
    """Bytes of the texts and images of earlier outputs."""
    shown, reprs = _output_texts(shell)
    bundles = (output.bundle for outputs in shown.values() for output in outputs)
    parts = [part for bundle in bundles for value in bundle.values() for part in _texts(value)]
    return sum(map(sys.getsizeof, {id(text): text for text in [*parts, *reprs.values()]}.values()))


def _texts(value: object) -> Iterator[str | bytes]:
    if isinstance(value, str | bytes):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


# The last exception


def traceback_slots(shell: Any) -> list[Slot]:
    """What the frames of the last exception hold."""
    return [
        Slot(_frame_label(frame), TRACEBACK, value) for frame in frames(shell) for value in _locals(frame)
    ]


def _frame_label(frame: types.FrameType) -> str:
    name = frame.f_code.co_name
    return "the last traceback" + ("" if name == "<module>" else f", in {name}()")


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


def _locals(frame: types.FrameType) -> list[object]:
    """The values of a frame's variables. Reading `f_locals` would make a copy that stays with the frame."""
    if frame.f_code.co_name == "<module>":
        return []
    names = {*frame.f_code.co_varnames, *frame.f_code.co_cellvars, *frame.f_code.co_freevars}
    values: list[object] = []
    for value in gc.get_referents(frame):
        if value is frame.f_globals or value is frame.f_builtins or type(value) in _PARTS_OF_FRAMES:
            continue
        if type(value) is dict and value and all(key in names for key in value):
            values += value.values()
        else:
            values.append(value)
    return values


_PARTS_OF_FRAMES = (types.FrameType, types.CodeType, types.FunctionType, types.ModuleType, type, type(None))


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


# What clearing would give back


def at_least(found: list[Slot]) -> tuple[int, bool]:
    """Bytes that come back at least when these slots are cleared: of objects that nothing else holds, without
    what they contain. And whether something else holds some of the objects."""
    groups: dict[int, list[Slot]] = {}
    for slot in found:
        groups.setdefault(id(slot.value), []).append(slot)
    size, shared = 0, False
    alone = object()
    base = sys.getrefcount(alone)
    for group in groups.values():
        value = group[0].value
        if sys.getrefcount(value) - base > 2 * len(group):
            shared = True
        else:
            size += _shallow(value)
    return size, shared


def _shallow(value: object) -> int:
    """`sys.getsizeof` where that runs no Python code."""
    measure = type(value).__sizeof__
    builtin = isinstance(measure, types.MethodDescriptorType | types.WrapperDescriptorType)
    return sys.getsizeof(value) if builtin else 0


# Who holds an object


def named(shell: Any, value: object) -> tuple[str, ...]:
    """Names of what holds an object, as far as a person knows them: outputs, the last exception, variables,
    and what is directly inside a variable or an output. Runs no code of the user's."""
    outputs = out_slots(shell)
    names = [_shown_outputs([slot.label for slot in outputs if slot.value is value])]
    names += [
        f"{_frame_label(frame)} (cleared by {TRACEBACK})"
        for frame in frames(shell)
        if any(part is value for part in gc.get_referents(frame))
    ]
    referrers = {id(referrer) for referrer in gc.get_referrers(value)}
    known = [(name, shell.user_ns[name]) for name in variables(shell)]
    known += [(slot.label, slot.value) for slot in outputs if slot.label.startswith("Out[")]
    names += [name for name, held in known if held is value and not name.startswith("Out[")]
    names += [_inside(name, held, value, referrers) for name, held in known if held is not value]
    if type(value) is types.ModuleType and sys.modules.get(value.__name__) is value:
        names.append(f"sys.modules[{value.__name__!r}]")
    return tuple(dict.fromkeys(name for name in names if name))


def _shown_outputs(labels: list[str]) -> str:
    """The names of an output that a person can type, else where its hidden copy is."""
    typed = [label for label in labels if label.startswith("Out[") or label in _UNDERS]
    shown = typed or labels[:1]
    return f"{', '.join(shown)} (cleared by {OUT})" if shown else ""


def variables(shell: Any) -> list[str]:
    """What `%who` lists."""
    nothing = object()
    hidden = shell.user_ns_hidden
    return sorted(
        name
        for name, value in shell.user_ns.items()
        if not name.startswith("_") and value is not hidden.get(name, nothing)
    )


def _inside(label: str, held: object, value: object, referrers: set[int]) -> str:
    """How `value` is named if it is directly inside `held`; empty if it is not."""
    if _is_view(held, value):
        return f"{label}, a view of it"
    if id(held) in referrers:
        if type(held) is dict:
            return label + _key(held, value)
        if type(held) is list or type(held) is tuple:
            return label + next((f"[{at}]" for at, item in enumerate(held) if item is value), "")
        return f"something in {label}"
    attributes = [part for part in gc.get_referents(held) if type(part) is dict and id(part) in referrers]
    return f"{label}.{_key(attributes[0], value)[2:-2]}" if attributes else ""


def _key(holder: dict[Any, Any], value: object) -> str:
    keys = (key for key, item in holder.items() if item is value and type(key) in (str, int))
    return next((f"[{key!r}]" for key in keys), "[...]")


def _is_view(held: object, value: object) -> bool:
    """Whether one numpy array shows the memory of another; the garbage collector does not see that."""
    arrays = getattr(sys.modules.get("numpy"), "ndarray", None)
    return arrays is not None and issubclass(type(held), arrays) and arrays.base.__get__(held) is value
