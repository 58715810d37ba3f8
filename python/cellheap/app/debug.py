"""The debugger, which this kernel's wire does not carry yet: what needs no connection to it works, the rest says no."""

from typing import Any

Message = dict[str, Any]

# Commands that look at the interpreter and need no connection to debugpy.
_LOCAL = {"debugInfo", "inspectVariables", "richInspectVariables", "modules", "copyToGlobals"}


class NoDebugger:
    """The part of a kernel that answers debug requests."""

    async def do_debug_request(self, msg: Message) -> Message:
        if msg.get("command") in _LOCAL and hasattr(self, "debugger"):
            return await self.debugger.process_request(msg)  # type: ignore[no-any-return]
        return {
            "type": "response",
            "request_seq": msg.get("seq", 0),
            "seq": 0,
            "command": msg.get("command", ""),
            "success": False,
            "message": "this kernel has no debugger",
        }
