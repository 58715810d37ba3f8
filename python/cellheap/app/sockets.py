"""What stands where ipykernel has sockets, streams and threads: handles of the wire.

Code that is handed one passes it to `session.send`, or sends ready-made parts through it.
"""

import select
from collections.abc import Callable, Sequence
from threading import main_thread
from typing import Any

import zmq
from jupyter_client.session import DELIM
from tornado.ioloop import IOLoop

from cellheap import _core


class Handle:
    """One channel of the wire."""

    closed = False

    def __init__(self, wire: _core.Kernel, channel: str, io_loop: IOLoop | None = None) -> None:
        self.wire = wire
        self.channel = channel
        self.io_loop = io_loop

    def send_multipart(self, parts: Sequence[bytes], *_: Any, **__: Any) -> None:
        """Send a message that `Session.serialize` made. The wire signs it anew."""
        frames = [bytes(part) for part in parts]
        at = frames.index(DELIM)
        self._send(frames[:at], *frames[at + 2 :])

    def _send(
        self, ids: list[bytes], header: bytes, parent: bytes, metadata: bytes, content: bytes, *buffers: bytes
    ) -> None:
        self.wire.send(self.channel, ids, header, parent, metadata, content, buffers, None)

    def send(self, part: bytes, *_: Any, **__: Any) -> None:
        self.send_multipart([part])

    def flush(self, *_: Any, **__: Any) -> int:
        """Nothing waits here: the wire sends by itself."""
        return 0

    def close(self, *_: Any, **__: Any) -> None:
        """The wire closes its sockets when the kernel ends."""


class Requests(Handle):
    """A channel on which requests come."""

    #: Whether a request was taken from the wire and is not done yet.
    is_open: Callable[[], bool] = staticmethod(lambda: False)

    def getsockopt(self, option: int) -> int:
        """The descriptor that a GUI's event loop watches for requests."""
        if option != zmq.FD:
            raise zmq.ZMQError(zmq.EINVAL)
        return self.wire.fileno(self.channel)

    def flush(self, *_: Any, **__: Any) -> int:
        """Whether a request waits, for the wire or for its turn: then a GUI's event loop must give way."""
        return self.is_open() or len(select.select([self.wire.fileno(self.channel)], [], [], 0)[0])


class IOPub(Handle):
    """iopub as ipykernel's `iopub_socket` and its `iopub_thread` in one. It needs no thread of Python's."""

    def __init__(self, wire: _core.Kernel, io_loop: IOLoop) -> None:
        super().__init__(wire, "iopub", io_loop)
        self.thread = main_thread()
        # By stream, where its descriptor led before the kernel captured it.
        self.originals: dict[str, int] = {}

    @property
    def socket(self) -> "IOPub":
        return self

    background_socket = io_thread = socket

    def schedule(self, work: Callable[[], object]) -> None:
        work()

    def start(self) -> None:
        """Runs since the wire was bound."""

    def stop(self) -> None:
        """Ends with the wire."""
