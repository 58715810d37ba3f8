"""Shells for the tests of the magics: a terminal IPython in this process, kernels in their own."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Any

from cellheap import _core
from cellheap.cleared import Cleared
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.manager import start_new_kernel
from traitlets.config import Config

#: What IPython's own call of a magic takes and gives back at most: a list and a dict of arguments.
DISPATCH = 384


#: Empties Python's cache of attributes, which keeps names that a cell made, and lets go of one when another takes its
#: place: in whatever cell that happens.
FORGET_NAMES = "import sys\ngetattr(sys, '_clear_internal_caches', sys._clear_type_cache)()"


class Terminal:
    """A terminal IPython with cellheap loaded. `run` is what a person types."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.names: dict[str, Any] = shell.user_ns
        self.printed = ""
        self.complaint = ""
        self.shown: list[Any] = []

    def run(self, source: str) -> Any:
        """Runs a cell; what it printed, complained and displayed is kept until the next."""
        with capture_output() as captured:
            result = self.shell.run_cell(source, store_history=True)
        self.printed, self.complaint = captured.stdout, captured.stderr
        self.shown = [output.data for output in captured.outputs]
        return result

    def values(self, source: str) -> Any:
        """The value of a cell's last expression."""
        result = self.run(source)
        result.raise_error()
        return result.result

    @property
    def number(self) -> int:
        """The execution count of the cell that ran last."""
        return int(self.shell.execution_count) - 1


def cleared(notebook: Terminal, line: str) -> Cleared:
    """Runs `%gcclear` and takes its result."""
    notebook.run(f"cleared = %gcclear {line}").raise_error()
    result = notebook.names.pop("cleared")
    assert isinstance(result, Cleared)
    return result


@contextlib.contextmanager
def terminal(config: dict[str, Any] | None = None, load: bool = True) -> Iterator[Terminal]:
    """A new shell, and this process as it was afterwards."""
    main = sys.modules["__main__"]
    InteractiveShell.clear_instance()
    _core.reset()
    settings = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    settings.merge(Config(config or {}))
    shell = InteractiveShell.instance(config=settings)
    typing = Terminal(shell)
    try:
        if load:
            typing.run("%load_ext cellheap")
        yield typing
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_line_magic("unload_ext", "cellheap")
        InteractiveShell.clear_instance()
        for name in ("last_exc", "last_value", "last_type", "last_traceback"):
            if hasattr(sys, name):
                delattr(sys, name)
        sys.modules["__main__"] = main


class Kernel:
    """A kernel over the wire."""

    def __init__(self, client: Any, manager: Any) -> None:
        self._client = client
        self.manager = manager

    def run(self, source: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Runs a cell: its reply, and what it put out (`type` and `content` of each)."""
        return self.finish(self.start(source))

    def start(self, source: str) -> str:
        """Asks for a cell to be run."""
        return str(self._client.execute(source))

    def finish(self, request: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Waits for the end of a cell."""
        outputs = []
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if content.get("execution_state") == "idle":
                break
            if message["msg_type"] not in ("status", "execute_input"):
                outputs.append({"type": message["msg_type"], "content": content})
        while True:
            reply = self._client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == request:
                return reply["content"], outputs

    def wait_for_print(self, request: str) -> str:
        """The next text that this running cell prints."""
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == request:
                return str(message["content"]["text"])

    def value(self, source: str) -> str:
        """What a cell's last expression shows."""
        reply, outputs = self.run(source)
        assert reply["status"] == "ok", reply
        (value,) = (output["content"]["data"] for output in outputs if output["type"] == "execute_result")
        return str(value["text/plain"])

    def complete(self, code: str) -> list[str]:
        """What Tab offers at the end of this code."""
        reply = self._client.complete(code, len(code), reply=True, timeout=60)
        return list(reply["content"]["matches"])


#: Plain ipykernel, and ours.
KERNELS = ("python3", "cellheap")


@contextlib.contextmanager
def kernel_of(name: str) -> Iterator[Kernel]:
    """Plain ipykernel (`python3`) or our own kernel, with cellheap loaded."""
    manager, client = start_new_kernel(kernel_name=name)
    try:
        kernel = Kernel(client, manager)
        reply, _ = kernel.run("%load_ext cellheap")
        assert reply["status"] == "ok", reply
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def texts(outputs: list[dict[str, Any]]) -> list[str]:
    """The plain texts of what was displayed."""
    return [output["content"]["data"]["text/plain"] for output in outputs if output["type"] == "display_data"]
