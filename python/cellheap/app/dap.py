"""A connection to debugpy's adapter: debug requests out, their answers and debugpy's events in.

Owns the framing and which answer is to which request. Runs in the loop of the control thread; what a request
means is the business of `debug`.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

from jupyter_client.jsonutil import json_default

Message = dict[str, Any]

_SEPARATOR = b"\r\n\r\n"
_LENGTH = b"content-length:"
# Seconds for debugpy to take or give a few bytes on this machine, or to say that it is ready.
_PATIENCE = 10.0


class DisconnectedError(Exception):
    """debugpy is not there, or no longer."""


def frame(message: Message) -> bytes:
    """The message as debugpy reads it. The length counts bytes, not characters."""
    body = json.dumps(message, default=json_default, ensure_ascii=False, allow_nan=False).encode()
    return b"Content-Length: %d%s%s" % (len(body), _SEPARATOR, body)


class Frames:
    """Bytes in, messages out."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> list[Message]:
        """The messages that are whole by now."""
        self._bytes += received
        messages = []
        while (end := self._bytes.find(_SEPARATOR)) >= 0:
            start = end + len(_SEPARATOR)
            size = self._size(bytes(self._bytes[:end]))
            if len(self._bytes) < start + size:
                break
            messages.append(json.loads(bytes(self._bytes[start : start + size])))
            del self._bytes[: start + size]
        return messages

    @staticmethod
    def _size(header: bytes) -> int:
        for line in header.lower().split(b"\r\n"):
            if line.startswith(_LENGTH):
                return int(line.removeprefix(_LENGTH))
        raise DisconnectedError("debugpy sent something that is no debug message")


class Adapter:
    """What ipykernel's debugger has as its client of debugpy, on a socket of our own.

    Requests get numbers of ours, so that each answer finds its request, whoever asks meanwhile.
    """

    def __init__(self, event: Callable[[Message], object]) -> None:
        self._event = event
        self._address: tuple[str, int] | None = None
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._frames = Frames()
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._initialized = asyncio.Event()
        self._attached = False

    def get_host_port(self) -> tuple[str, int]:
        """Where debugpy listens; it does from the first call on."""
        if self._address is None:
            import debugpy

            self._address = debugpy.listen(("127.0.0.1", 0))
        return self._address

    def connect_tcp_socket(self) -> None:
        """Called in a running loop."""
        self.disconnect_tcp_socket()
        self._socket = socket.create_connection(self.get_host_port(), timeout=_PATIENCE)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive, self._socket)

    def disconnect_tcp_socket(self) -> None:
        """Again is harmless."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        self._socket = None
        self._frames = Frames()
        self._initialized = asyncio.Event()
        self._attached = False
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(DisconnectedError("debugpy has gone"))
        self._waiting.clear()

    async def send_dap_request(self, message: Message) -> Message:
        """Ask debugpy. The answer to `attach` comes when its configuration is done, which is said here."""
        if message["command"] != "attach" or self._attached:
            return await self._ask(message)
        answer = asyncio.ensure_future(self._ask(message))
        initialized = asyncio.ensure_future(self._initialized.wait())
        await asyncio.wait({answer, initialized}, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        initialized.cancel()
        if self._initialized.is_set():
            await self._ask({"type": "request", "seq": 0, "command": "configurationDone"})
            self._attached = True
        return await answer

    async def _ask(self, message: Message) -> Message:
        if self._socket is None:
            raise DisconnectedError("debugpy is not connected")
        self._number += 1
        number = self._number
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._socket.sendall(frame({**message, "seq": number}))
            answer = await asyncio.wait_for(
                waiting, _PATIENCE if message["command"] == "initialize" else None
            )
        except OSError as error:
            self.disconnect_tcp_socket()
            raise DisconnectedError(f"debugpy does not listen: {error}") from error
        finally:
            self._waiting.pop(number, None)
        return {**answer, "request_seq": message.get("seq", 0)}

    def _receive(self, connection: socket.socket) -> None:
        try:
            received = connection.recv(1 << 16)
            messages = self._frames.feed(received)
        except (OSError, ValueError, DisconnectedError):
            received, messages = b"", []
        if not received:
            self.disconnect_tcp_socket()
        for message in messages:
            self._take(message)

    def _take(self, message: Message) -> None:
        if message.get("type") == "event":
            if message["event"] == "initialized":
                self._initialized.set()
            self._event(message)
        elif (waiting := self._waiting.get(message.get("request_seq", 0))) is not None and not waiting.done():
            waiting.set_result(message)
