"""Messages through the wire: jupyter_client's Session, except that our handles are sent to in Rust."""

from typing import Any

from jupyter_client.session import DONE, Message, Session

from cellheap.app.sockets import Handle


class WireSession(Session):
    """Sends to a `Handle` by the wire, which packs, signs and queues; to anything else as Session does."""

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
        if not isinstance(stream, Handle):
            return super().send(stream, msg_or_type, content, parent, ident, buffers, track, header, metadata)
        if isinstance(msg_or_type, (dict, Message)):
            message = dict(msg_or_type)
            buffers = buffers or message.get("buffers")
        else:
            message = self.msg(msg_or_type, content, parent, header, metadata)
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
        message["tracker"] = DONE
        return message

    def recv(self, socket: Any, *args: Any, **kwargs: Any) -> Any:
        """Requests never wait in a handle: they are dispatched as they come."""
        if isinstance(socket, Handle):
            return None, None
        return super().recv(socket, *args, **kwargs)
