"""What a cell writes is in IPython's history of outputs, which `%notebook` saves. Owns how it gets there.

IPython puts a Python function in the place of a stream's `write` while a cell runs: two thirds of what a
print costs. For a stream of ours the native `write` fills the same list; any other is IPython's to watch.
"""

import sys
from typing import Any, Literal

import IPython
from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell
from IPython.core.interactiveshell import InteractiveShell

from cellheap import _core
from cellheap.app.streams import OutStream

Kind = Literal["out_stream", "err_stream"]

_KINDS: dict[str, Kind] = {"stdout": "out_stream", "stderr": "err_stream"}
_own_write = OutStream.write


class Tees:
    """Stands in the place of the shell's `_tee`."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._tee = shell._tee

    def __call__(self, channel: str) -> Any:
        stream = getattr(sys, channel)
        if not (type(stream) is OutStream and _is_untouched(stream) and self._writes_elsewhere()):
            return self._tee(channel)
        return _Quick(stream, self._shell, _KINDS[channel])

    def _writes_elsewhere(self) -> bool:
        """Results, displays and tracebacks are messages of their own: nothing of them passes a stream, where
        IPython leaves it out.
        """
        shell = self._shell
        return (
            type(shell.displayhook) is ZMQShellDisplayHook
            and type(shell.display_pub) is ZMQDisplayPublisher
            and type(shell)._showtraceback is ZMQInteractiveShell._showtraceback
        )


class _Quick:
    """One stream during one cell."""

    def __init__(self, stream: OutStream, shell: Any, kind: Kind) -> None:
        outputs, count = shell.history_manager.outputs, shell.execution_count
        self._stream = stream
        self._tee = _core.Tee(stream._writer, stream.write, outputs, count, _Note(outputs, count, kind))

    def __enter__(self) -> None:
        vars(self._stream)["write"] = self._tee.write

    def __exit__(self, *_: object) -> None:
        self._tee.over = True
        vars(self._stream).pop("write", None)


class _Note:
    """Adds a text to the outputs of a cell, to the last of them where that is of its kind."""

    def __init__(self, outputs: dict[int, list[Any]], count: int, kind: Kind) -> None:
        self._outputs, self._count, self._kind = outputs, count, kind

    def __call__(self, text: str) -> tuple[object, list[str]]:
        from IPython.core.history import HistoryOutput

        outputs = self._outputs[self._count]
        if not outputs or outputs[-1].output_type != self._kind:
            outputs.append(HistoryOutput(output_type=self._kind, bundle={"stream": []}))
        texts: list[str] = outputs[-1].bundle["stream"]
        texts.append(text)
        return outputs[-1], texts


def _is_untouched(stream: OutStream) -> bool:
    """Whether `write` is ours. What `_tee` leaves in a stream goes: the method itself, or that of a cell that
    ended while another ran.
    """
    write = vars(stream).get("write")
    left = getattr(write, "__self__", None)
    ours = left is stream and write == _own_write.__get__(stream)
    if ours or (isinstance(left, _core.Tee) and left.over):
        del vars(stream)["write"]
        write = None
    return write is None and OutStream.write is _own_write


def adopt(shell: Any) -> None:
    """Have what this shell's cells write remembered so. Before 9.5 IPython joins texts, or remembers none."""
    if IPython.version_info >= (9, 5) and type(shell)._tee is InteractiveShell._tee:
        shell._tee = Tees(shell)
