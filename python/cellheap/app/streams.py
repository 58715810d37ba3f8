"""`sys.stdout` and `sys.stderr` of the kernel: text goes to the wire at once, which gathers and orders it."""

import contextvars
import threading
from collections.abc import Iterable
from typing import Any, TextIO

from ipykernel.iostream import OutStream as _OutStream

from cellheap import _core
from cellheap.app.session import WireSession
from cellheap.app.sockets import IOPub


class OutStream(_OutStream):
    """ipykernel's stream as others know it, without its thread, buffers, timer and pipes."""

    pub_thread: IOPub | None
    topic: Any

    def __init__(
        self,
        session: WireSession,
        pub_thread: IOPub,
        name: str,
        pipe: object = None,
        echo: TextIO | None = None,
        *,
        watchfd: bool = True,
        isatty: bool = False,
    ) -> None:
        self.session = session
        self.pub_thread = pub_thread
        self.name = name
        self.topic = b"stream." + name.encode()
        self.echo = echo
        self._wire = pub_thread.wire
        self._isatty = isatty
        self._local = threading.local()
        self._parent_header: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("parent_header")
        self._parent_header.set({})
        self._parent_header_global: dict[str, Any] = {}
        self._packed: tuple[dict[str, Any] | None, _core.Parent | None] = None, None
        if name in pub_thread.originals:
            self._original_stdstream_copy = pub_thread.originals[name]

    def write(self, string: str) -> int:
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string).__name__}")
        if self.pub_thread is None:
            raise ValueError("I/O operation on closed file")
        if self.echo is not None:
            self.echo.write(string)
        parent = self.parent_header
        if self._hooks:
            self._publish(string, parent)
        else:
            self._wire.write(self.name, self._pack(parent), string)
        return len(string)

    def writelines(self, sequence: Iterable[str]) -> None:  # type: ignore[override]
        for string in sequence:
            self.write(string)

    def flush(self) -> None:
        self._wire.flush()
        if self.echo is not None:
            self.echo.flush()

    def close(self) -> None:
        self.pub_thread = None

    def _is_master_process(self) -> bool:
        return not self._wire.is_child()

    def _pack(self, parent: dict[str, Any]) -> _core.Parent:
        """The parent packed, once for all that is written under it."""
        of, packed = self._packed
        if of is not parent or packed is None:
            packed = _core.Parent(parent, self.session.pack)
            self._packed = parent, packed
        return packed

    def _publish(self, text: str, parent: dict[str, Any]) -> None:
        """A hook may change a message or keep it for itself."""
        message: dict[str, Any] | None
        message = self.session.msg("stream", {"name": self.name, "text": text}, parent=parent)
        for hook in list(self._hooks):
            message = hook(message)
            if message is None:
                return
        self.session.send(self.pub_thread, message, ident=self.topic)


# Programs that print colours look where the class of `sys.stdout` comes from.
OutStream.__module__ = _OutStream.__module__
