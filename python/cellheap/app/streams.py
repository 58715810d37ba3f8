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
        self._wire = pub_thread.wire
        self._isatty = isatty
        self._local = threading.local()
        self._parent_header: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("parent_header")
        self._parent_header.set({})
        self._writer = _core.Writer(pub_thread.wire, name, session, self._parent_header, {})
        # Hooks are each thread's own; here are those of all threads.
        self._everybodys: list[Any] = []
        self.echo = echo
        if name in pub_thread.originals:
            self._original_stdstream_copy = pub_thread.originals[name]

    @property
    def echo(self) -> TextIO | None:
        """A second file for all that is written."""
        return self._echo

    @echo.setter
    def echo(self, echo: TextIO | None) -> None:
        self._echo = echo
        self._look()

    @property
    def _parent_header_global(self) -> dict[str, Any]:
        """What is written in threads and tasks that nobody told whose they are belongs there."""
        return self._writer.fallback

    @_parent_header_global.setter
    def _parent_header_global(self, parent: dict[str, Any]) -> None:
        self._writer.fallback = parent

    @property
    def _hooks(self) -> list[Any]:
        """The hooks of this thread. Whoever gets the list may put some in."""
        self._everybodys.append(None)
        self._look()
        hooks: list[Any] = super()._hooks
        return hooks

    def register_hook(self, hook: Any) -> None:
        super()._hooks.append(hook)
        self._everybodys.append(hook)
        self._look()

    def unregister_hook(self, hook: Any) -> bool:
        try:
            super()._hooks.remove(hook)
        except ValueError:
            return False
        self._everybodys.remove(hook)
        self._look()
        return True

    def _look(self) -> None:
        """Whether the wire alone is asked at each write."""
        self._writer.plain = self.pub_thread is not None and self._echo is None and not self._everybodys

    def write(self, string: str) -> int:
        if self._writer.plain:
            return self._writer.write(string)
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string).__name__}")
        if self.pub_thread is None:
            raise ValueError("I/O operation on closed file")
        if self.echo is not None:
            self.echo.write(string)
        if not super()._hooks:
            return self._writer.write(string)
        self._publish(string, self.parent_header)
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
        self._look()

    def _is_master_process(self) -> bool:
        return not self._wire.is_child()

    def _publish(self, text: str, parent: dict[str, Any]) -> None:
        """A hook may change a message or keep it for itself."""
        message: dict[str, Any] | None
        message = self.session.msg("stream", {"name": self.name, "text": text}, parent=parent)
        for hook in list(super()._hooks):
            message = hook(message)
            if message is None:
                return
        self.session.send(self.pub_thread, message, ident=self.topic)


# Programs that print colours look where the class of `sys.stdout` comes from.
OutStream.__module__ = _OutStream.__module__
