"""Whether a magic's result is used by the line that called it, and showing it where it is not."""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any, Protocol, TypeVar

from IPython.display import display


class Shown(Protocol):
    """A result, which says itself how it is shown."""

    def _repr_mimebundle_(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=Shown)


def give(result: T) -> T | None:
    """Returns the result where the caller does something with it, as in `r = %memtrace 5`; else shows it, on
    any line of a cell. Shown from here and not by IPython's display hook, it charges nothing to the cell
    and stays in neither `Out` nor `_`."""
    if is_used():
        return result
    # Formatted here: IPython prints what goes wrong in that, and memory may be short.
    display(result._repr_mimebundle_(), raw=True)
    return None


def is_used() -> bool:
    """Whether the line that called the magic does something with what it returns."""
    return _is_used(_caller())


def _caller() -> FrameType | None:
    """The frame that called the magic."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "run_line_magic":
        frame = frame.f_back
    return frame and frame.f_back


def _is_used(caller: FrameType | None) -> bool:
    if caller is None:
        return True
    for step in dis.get_instructions(caller.f_code):
        if step.offset > caller.f_lasti:
            return not (
                step.opname in ("POP_TOP", "PRINT_EXPR")
                or (step.opname == "CALL_INTRINSIC_1" and step.argrepr == "INTRINSIC_PRINT")
            )
    return True
