"""Subshells (JEP 91): further shells, each with a thread and a loop of its own, on the notebook's variables.

Owns those threads. The wire sorts the requests; `kernel` serves them.
"""

import asyncio
import threading
import uuid
from collections.abc import Callable
from contextvars import Context
from threading import Thread, current_thread
from typing import Any

from ipykernel.subshell_manager import UnknownSubshellError
from ipykernel.thread import BaseThread

from cellheap.app.lanes import Lane

# Seconds that deleting a subshell waits for its thread. One that runs a cell ends when that is done.
_PATIENCE = 1.0


class SubshellThread(BaseThread):
    """The thread of one subshell."""

    def __init__(self, kernel: Any, subshell_id: str) -> None:
        super().__init__(name=f"subshell-{subshell_id}", daemon=True)
        self.asyncio_lock = asyncio.Lock()
        self._wire = kernel.wire
        self._id = subshell_id
        self._lane = Lane(kernel, subshell_id, self.asyncio_lock, Context())
        self._gone: Callable[[], object] = lambda: None

    def run(self) -> None:
        self._lane.serve(self.io_loop.asyncio_loop)  # type: ignore[attr-defined]
        try:
            super().run()
        finally:
            self._wire.end_subshell(self._id)
            self._gone()

    def finish(self, gone: Callable[[], object]) -> None:
        """End when the open request is done, and call `gone` from here then."""
        self._gone = gone
        loop = self.io_loop.asyncio_loop  # type: ignore[attr-defined]
        loop.call_soon_threadsafe(self._lane.end, loop, self.io_loop.stop)


class Subshells:
    """What ipykernel calls the subshell manager. Called on the control thread, except where told."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._threads: dict[str, SubshellThread] = {}

    def create(self) -> str:
        """Begin a subshell. The shell may be busy meanwhile."""
        subshell_id = str(uuid.uuid4())
        self._kernel.wire.open_subshell(subshell_id)
        thread = SubshellThread(self._kernel, subshell_id)
        self._threads[subshell_id] = thread
        thread.start()
        return subshell_id

    async def delete(self, subshell_id: str) -> None:
        """End a subshell. What waits there is refused; what it runs goes on to its end."""
        try:
            thread = self._threads.pop(subshell_id)
        except KeyError:
            raise UnknownSubshellError(subshell_id) from None
        self._kernel.wire.close_subshell(subshell_id)
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        thread.finish(lambda: loop.call_soon_threadsafe(gone.set))
        try:
            await asyncio.wait_for(gone.wait(), _PATIENCE)
        except TimeoutError:
            return
        thread.join(_PATIENCE)

    def list_subshell(self) -> list[str]:
        """The ids. From any thread."""
        return list(self._threads)

    def subshell_id_from_thread_id(self, thread_id: int) -> str | None:
        """Whose thread this is; None for the main shell. From any thread, for `%subshell`."""
        if thread_id == threading.main_thread().ident:
            return None
        for subshell_id, thread in list(self._threads.items()):
            if thread.ident == thread_id:
                return subshell_id
        raise RuntimeError(f"Thread id {thread_id!r} does not correspond to a subshell of this kernel")

    def get_subshell_asyncio_lock(self, subshell_id: str) -> asyncio.Lock:
        try:
            return self._threads[subshell_id].asyncio_lock
        except KeyError:
            raise UnknownSubshellError(subshell_id) from None


class ShellChannelThread:
    """In ipykernel the thread that sorts requests to subshells; here the wire does that.

    A cell that awaits asks it which thread is the main one, `%subshell` asks its manager.
    """

    def __init__(self) -> None:
        self.parent_thread: Thread = current_thread()
        self.manager: Subshells | None = None
