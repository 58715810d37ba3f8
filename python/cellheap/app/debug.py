"""The debugger as far as it needs no connection to debugpy, imported when it is first asked for something.

debugpy takes a sixth of ipykernel's start and 8 MiB, whether anybody debugs or not.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import Any

Message = dict[str, Any]

_MODULE = "ipykernel.debugger"
# Commands that look at the interpreter alone.
_LOCAL = {"debugInfo", "inspectVariables", "richInspectVariables", "modules", "copyToGlobals"}


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
    """Answers the debug requests of one kernel."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    async def answer(self, request: Message) -> Message:
        if request.get("command") in _LOCAL and self._debugger is not None:
            answer: Message = await self._debugger.process_request(request)
            return answer
        return {
            "type": "response",
            "request_seq": request.get("seq", 0),
            "seq": 0,
            "command": request.get("command", ""),
            "success": False,
            "message": "this kernel has no debugger",
        }

    @cached_property
    def _debugger(self) -> Any | None:
        from ipykernel import debugger

        if not debugger._is_debugpy_available:
            return None
        kernel = self._kernel
        return debugger.Debugger(
            kernel.log,
            None,
            kernel._publish_debug_event,
            None,
            kernel.session,
            kernel._kernel_modules,
            kernel.debug_just_my_code,
            kernel.filter_internal_frames,
        )
