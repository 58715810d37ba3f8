"""Messages through the wire: jupyter_client's Session, except that our handles are sent to in Rust."""

import hmac
from typing import Any

from jupyter_client.session import DONE, Message, Session
from traitlets import default

from cellheap import _core
from cellheap.app.sockets import Handle

_COMMS = {"comm_open", "comm_msg", "comm_close"}


class WireSession(Session):
    """Sends to a `Handle` by the wire, which packs, signs and queues; to anything else as Session does."""

    @default("auth")
    def _auth(self) -> hmac.HMAC | None:
        """The wire signs: what signs in Python, and OpenSSL with it, is made when somebody asks for it."""
        return hmac.HMAC(self.key, digestmod=self.digest_mod) if self.key else None

    def _new_auth(self) -> None:
        """The key, or how to sign with it, has changed."""
        if self.trait_has_value("auth"):
            super()._new_auth()

    def send(
        self,
        stream: Any,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        ident: bytes | list[bytes] | None = None,
        buffers: list[Any] | None = None,
        track: bool = False,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        if not isinstance(stream, Handle) and (stream is not None or self.debug):
            return super().send(stream, msg_or_type, content, parent, ident, buffers, track, header, metadata)
        if isinstance(msg_or_type, (dict, Message)):
            message = dict(msg_or_type)
            buffers = buffers or message.get("buffers")
        else:
            message = self.msg(msg_or_type, content, parent, header, metadata)
        message["tracker"] = DONE
        if stream is None:  # Session imports all of zmq to find that out.
            return message
        if message["header"]["msg_type"] in _COMMS:
            _routed(stream.wire, message)
        stream.wire.send(
            stream.channel,
            [ident] if isinstance(ident, bytes) else ident or (),
            message["header"],
            message["parent_header"],
            message["metadata"],
            message["content"] or {},
            buffers or (),
            self.pack,
        )
        return message

    def recv(self, socket: Any, *args: Any, **kwargs: Any) -> Any:
        """Requests never wait in a handle: they are dispatched as they come."""
        if isinstance(socket, Handle):
            return None, None
        return super().recv(socket, *args, **kwargs)


def _routed(wire: _core.Kernel, message: dict[str, Any]) -> None:
    """What the front end answers on a comm is for the shell that spoke last, or asked a question by an id."""
    content = message["content"] or {}
    comm = content.get("comm_id")
    if not isinstance(comm, str):
        return
    if message["header"]["msg_type"] == "comm_close":
        wire.comm_closed(comm)
        return
    data = content.get("data")
    inner = data.get("content") if isinstance(data, dict) else None
    question = inner.get("id") if isinstance(inner, dict) else None
    lane = message["parent_header"].get("subshell_id") or "shell"
    try:
        wire.comm_went(lane, comm, question if isinstance(question, str) else None)
    except ValueError:
        wire.comm_went("shell", comm)  # That subshell has ended: a thread of it speaks still.
