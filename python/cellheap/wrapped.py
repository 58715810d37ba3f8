"""Calls of the user's functions under a measurement. The tracer looks through the frames of this file: what
is allocated under them belongs to the line that called, not to cellheap."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar, cast

from cellheap import _core

P = ParamSpec("P")
T = TypeVar("T")


def wrap(function: Callable[P, T], measure: Callable[[], AbstractContextManager[object]]) -> Callable[P, T]:
    """The function with a measurement around each call. Of a coroutine function the whole run is measured."""
    if not callable(function):
        raise TypeError(f"only functions can be measured, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function.__name__} is a generator: measure the code that goes through it")
    if inspect.iscoroutinefunction(function):
        return cast(Callable[P, T], _awaited(function, measure))

    @functools.wraps(function)
    def measured(*args: P.args, **kwargs: P.kwargs) -> T:
        with _core.own():
            measurement = measure()
        with measurement:
            # With `**` the call makes a dict of its own, which would count.
            return function(*args, **kwargs) if kwargs else function(*args)  # type: ignore[call-arg]

    return measured


def _awaited(function: Any, measure: Callable[[], AbstractContextManager[object]]) -> Any:
    @functools.wraps(function)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        with _core.own():
            measurement = measure()
        with measurement:
            return await (function(*args, **kwargs) if kwargs else function(*args))

    return measured
