"""Which variables a `%gcclear` is to delete, and why not others. Deletes nothing."""

from __future__ import annotations

import difflib
import fnmatch
import re
import types
from collections.abc import Sequence
from typing import Any

from cellheap import hidden

#: What is inside a variable: `cache[a]`, `thing.name`.
_PART = re.compile(r"(\w+)(?:\[[^*?]*\]|\.\w+)+")


class RefusedError(ValueError):
    """Nothing was done; the message says why and what would be right."""


def check_names(names: Sequence[object]) -> None:
    """Raises TypeError for what is no text: a person may have given the value, which has no name."""
    for name in names:
        if not isinstance(name, str):
            kind = type(name).__name__
            raise TypeError(
                f"a variable goes by its name, such as 'rows', not by its value: this is of type {kind}"
            )


def clearable(shell: Any) -> list[str]:
    """What a pattern can match: the variables that `%who` lists, less modules and functions."""
    kinds = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    return [name for name in hidden.listed(shell) if not issubclass(type(shell.user_ns[name]), kinds)]


def choose(shell: Any, names: Sequence[str], force: bool) -> tuple[list[str], list[str]]:
    """The variables to delete, and a line for each name that is none."""
    chosen: list[str] = []
    remarks: list[str] = []
    everything = clearable(shell)
    check_names(names)
    names = [name for typed in names for name in typed.split(",") if name]
    if not force and everything and any(set(name) == {"*"} for name in names):
        raise RefusedError(f"* would delete every variable ({', '.join(everything)}); say so with --force")
    for name in names:
        if any(mark in name for mark in "*?[") and not is_part(shell, name):
            fitting = fnmatch.filter(everything, name)
            chosen += fitting
            if not fitting:
                remarks.append(f"No variable fits {name}.")
        else:
            reason = why_not(shell, name, names)
            if reason:
                remarks.append(reason)
            else:
                chosen.append(name)
    return list(dict.fromkeys(chosen)), remarks


def is_part(shell: Any, name: str) -> bool:
    """Whether this speaks of something inside a variable."""
    found = _PART.fullmatch(name)
    return found is not None and found[1] in shell.user_ns


def why_not(shell: Any, name: str, typed: Sequence[str] = ()) -> str | None:
    """Why this name cannot be deleted. One that is like it and was not typed too may be what was meant."""
    if is_part(shell, name):
        return (
            f"{name} is a part of a variable: only whole variables can be deleted here; `del` deletes parts."
        )
    if not name.isidentifier():
        return f"{name} is not the name of a variable: only whole variables can be deleted."
    if name not in shell.user_ns:
        others = [known for known in hidden.variables(shell) if known not in typed]
        near = difflib.get_close_matches(name, others, 1)
        return f"There is no variable {name}{f'; {near[0]} is one' if near else ''}."
    if name in ("Out", "_oh", *hidden.output_names(shell)):
        return f"{name} is IPython's own; --out empties the output history."
    nothing = object()
    if shell.user_ns_hidden.get(name, nothing) is shell.user_ns[name]:
        return f"{name} is IPython's own."
    return None
