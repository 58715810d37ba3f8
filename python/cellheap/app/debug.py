"""The debugger: ipykernel's, over a connection to debugpy of our own. Made when it is first asked.

debugpy takes a sixth of ipykernel's start and 8 MiB, whether anybody debugs or not.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import Any

from cellheap.app.info import is_installed

Message = dict[str, Any]

_MODULE = "ipykernel.debugger"


@contextmanager
def not_yet() -> Iterator[None]:
    """While ipykernel's kernel is made it finds no debugpy, so it makes no debugger."""
    if _MODULE in sys.modules:
        yield
        return
    absent: Any = ModuleType(_MODULE)
    absent._is_debugpy_available = False
    sys.modules[_MODULE] = absent
    try:
        yield
    finally:
        del sys.modules[_MODULE]


class Inspector:
    """Answers the debug requests of one kernel, on its control thread."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    async def answer(self, request: Message) -> Message:
        """What becomes of a request, failed ones too: a front end waits for it."""
        if self.debugger is None:
            return _failed(request, "debugpy is not installed where this kernel runs")
        command = request.get("command")
        needs = command not in {"initialize", "disconnect", *self.debugger.static_debug_msg_types}
        if needs and not self.debugger.is_started:
            return _failed(request, "the debugger is not started")
        if command == "disconnect" and not self.debugger.is_started:
            return {**_failed(request, ""), "success": True}
        if command == "disconnect":
            # The kernel is what is debugged: a shutdown_request ends it, and debugpy may be needed again.
            request = {**request, "arguments": {**request.get("arguments", {}), "terminateDebuggee": False}}
        try:
            answer: Message = await self.debugger.process_request(request)
        except Exception as error:
            self._kernel.log.warning("The debug request %r failed", command, exc_info=True)
            return _failed(request, f"{type(error).__name__}: {error}")
        # Some of ipykernel's answers name the request that debugpy was asked on the way, or none.
        named = {"request_seq": request.get("seq", 0), "command": command}
        return {"type": "response", "success": True, **answer, **named}

    @cached_property
    def debugger(self) -> Any | None:
        """ipykernel's debugger; None without debugpy."""
        if not is_installed("debugpy"):
            return None
        # pydevd warns on stderr of frozen modules, which it does not need for cells.
        os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        from ipykernel import debugger

        if not debugger._is_debugpy_available:
            return None
        return _debugger(debugger, self._kernel)


def _failed(request: Message, why: str) -> Message:
    return {
        "type": "response",
        "request_seq": request.get("seq", 0),
        "seq": 0,
        "command": request.get("command", ""),
        "success": False,
        "message": why,
    }


def _debugger(module: Any, kernel: Any) -> Any:
    from cellheap.app.dap import Adapter

    class Debugger(module.Debugger):  # type: ignore[misc]
        """Starts and stops without sockets of ZeroMQ's."""

        stops: "asyncio.Task[None] | None" = None

        def start(self) -> bool:
            """debugpy listens from here on, also while a cell runs."""
            folder = module.get_tmp_directory()
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self.debugpy_client.connect_tcp_socket()
            self.debugpy_initialized = True
            self._keep_empty_lines()
            if self.stops is None:
                self.stops = asyncio.ensure_future(self._tell_stops())
            return True

        def _keep_empty_lines(self) -> None:
            """A breakpoint's line counts them."""
            transforms = module.get_ipython().input_transformer_manager.cleanup_transforms
            if module.leading_empty_lines in transforms:
                at = transforms.index(module.leading_empty_lines)
                self._removed_cleanup[at] = transforms.pop(at)

        async def _tell_stops(self) -> None:
            """A stop is told when it is known which threads stand."""
            while True:
                try:
                    await self.handle_stopped_event()
                except Exception:
                    kernel.log.warning("A stop cannot be told", exc_info=True)

    made = Debugger(
        kernel.log,
        None,
        kernel._publish_debug_event,
        None,
        kernel.session,
        kernel._kernel_modules,
        kernel.debug_just_my_code,
        kernel.filter_internal_frames,
    )
    made.debugpy_client = Adapter(made._handle_event)
    return made
