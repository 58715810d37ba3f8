"""A lane of requests: takes them from the wire and has the kernel serve them, one at a time, in one thread.

Owns which request is open. What a request does is the kernel's.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

Message = dict[str, Any]


Start = Callable[[asyncio.AbstractEventLoop, Coroutine[Any, Any, None], Context], object]


def _in_turn(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None], context: Context) -> object:
    """Others whose turn it is come first."""
    return loop.create_task(work, context=context)


def _at_once(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None], context: Context) -> object:
    """In this turn of the loop, from Python 3.12 on; unless somebody else makes the tasks of this loop."""
    if not hasattr(asyncio, "eager_task_factory") or loop.get_task_factory() is not None:
        return _in_turn(loop, work, context)
    return asyncio.Task(work, loop=loop, context=context, eager_start=True)  # type: ignore[call-arg]


class Lane:
    """The requests of "shell", "control" or a subshell, by its id."""

    def __init__(self, kernel: Any, name: str, lock: asyncio.Lock, context: Context | None = None) -> None:
        self.name = name
        self.lock = lock
        self._kernel = kernel
        self._wire = kernel.wire
        # One context for every request: what a cell puts into a ContextVar is there in the next.
        self.context = context or copy_context()
        self._open: int | None = None
        self._at_end: Callable[[], object] | None = None

    @property
    def subshell(self) -> str | None:
        return None if self.name == "shell" else self.name

    def is_open(self) -> bool:
        """Whether a request was taken and is not done yet."""
        return self._open is not None

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch for requests in this loop from now on."""
        loop.add_reader(self._wire.fileno(self.name), self._take, loop, _at_once)

    def end(self, loop: asyncio.AbstractEventLoop, then: Callable[[], object]) -> None:
        """Take no more; `then` is called when the open request is done. Called in the loop's thread."""
        loop.remove_reader(self._wire.fileno(self.name))
        if self._open is None:
            then()
        else:
            self._at_end = then

    def _take(self, loop: asyncio.AbstractEventLoop, start: Start) -> None:
        """Called when a request waits, and at the end of each one."""
        if self._at_end is not None:
            if self._open is None:
                self._at_end()
        elif self._open is not None:
            self._take_comms(loop)
        elif (taken := self._next()) is not None:
            number, idents, message = taken
            self._open = number
            start(loop, self._serve(number, idents, message), self.context)

    def _next(self) -> tuple[int, list[bytes], Message] | None:
        kernel = self._kernel
        try:
            return self._wire.take(self.name, kernel.session.unpack)  # type: ignore[no-any-return]
        except Exception as error:
            kernel.log.error("A request on %s cannot be read: %s", self.name, error)
            return None

    async def _serve(self, number: int, idents: list[bytes], message: Message) -> None:
        try:
            async with self.lock:
                if self.name == "control":
                    await self._kernel.process_control((idents, message))
                else:
                    await self._kernel.dispatch_shell((idents, message), subshell_id=self.subshell)
        finally:
            self._open = None
            self._wire.finish(self.name, number)
            # Here, and not once the task is done: that would take another turn of the loop.
            self._take(asyncio.get_running_loop(), _in_turn)

    def _take_comms(self, loop: asyncio.AbstractEventLoop) -> None:
        """While a cell awaits, comm messages pass: it may await a widget's value."""
        kernel = self._kernel
        while (taken := self._wire.take_comm(self.name, kernel.session.unpack)) is not None:
            loop.create_task(self._serve_comm(*taken), context=self.context)

    async def _serve_comm(self, idents: list[bytes], message: Message) -> None:
        kernel = self._kernel
        cell, parent, parent_ident = self._open, kernel.get_parent("shell"), kernel._parent_ident["shell"]
        try:
            dispatch = kernel.dispatch_shell((idents, message), subshell_id=self.subshell, concurrent=True)
            await asyncio.create_task(dispatch, context=copy_context())
        finally:
            if self._open == cell:
                kernel.set_parent(parent_ident, parent)
