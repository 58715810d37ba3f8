"""A front end for the tests: runs cells in a real kernel, reads what comes back, waits for messages alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PATIENCE = 60

Message = dict[str, Any]


@dataclass
class Ran:
    """A request that is done: its reply and all that was published for it, in order."""

    reply: Message
    published: list[Message] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.reply["content"]["status"])

    @property
    def kinds(self) -> list[str]:
        """The types of what was published, busy and idle by their names."""
        return [message["content"].get("execution_state", message["msg_type"]) for message in self.published]

    def of(self, kind: str) -> list[Message]:
        """The contents of the published messages of one type."""
        return [message["content"] for message in self.published if message["msg_type"] == kind]

    def text(self, stream: str = "stdout") -> str:
        return "".join(content["text"] for content in self.of("stream") if content["name"] == stream)

    @property
    def result(self) -> str:
        (content,) = self.of("execute_result")
        return str(content["data"]["text/plain"])


class Front:
    """A kernel and a client of it."""

    def __init__(self, manager: KernelManager, log: IO[bytes] | None = None) -> None:
        self.manager = manager
        self._log = log
        self._complaints = 0
        self.client: BlockingKernelClient = manager.client()
        self.client.start_channels()
        self._unread: list[Message] = []

    def ready(self) -> "Front":
        self.client.wait_for_ready(timeout=PATIENCE)
        return self

    def another(self) -> "Front":
        """Another front end of the same kernel."""
        return Front(self.manager).ready()

    def complaints(self) -> list[str]:
        """The kernel's own lines on stderr since this was last asked."""
        assert self._log is not None, "nobody keeps this kernel's stderr"
        written = Path(str(self._log.name)).read_text().splitlines()
        lines = [line for line in written if line.startswith("cellheap:")]
        new, self._complaints = lines[self._complaints :], len(lines)
        return new

    def run(self, code: str, **options: Any) -> Ran:
        """Run a cell to its end."""
        return self.done(self.client.execute(code, **options))

    def done(self, request: str) -> Ran:
        """What came of a request, which may have been sent long ago."""
        published = []
        while True:
            published.append(
                self.published(lambda message: message["parent_header"].get("msg_id") == request)
            )
            if published[-1]["content"].get("execution_state") == "idle":
                return Ran(self.reply(request), published)

    def has_ended(self, request: str) -> bool:
        """Whether its idle is here already. Nothing is waited for, nothing taken."""
        while self.client.iopub_channel.msg_ready():
            self._unread.append(self.client.get_iopub_msg(timeout=0))
        return any(
            message["content"].get("execution_state") == "idle"
            for message in self._unread
            if message["parent_header"].get("msg_id") == request
        )

    def published(self, wanted: Callable[[Message], bool]) -> Message:
        """The next published message of that kind; others are kept for later."""
        for message in self._unread:
            if wanted(message):
                self._unread.remove(message)
                return message
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if wanted(message):
                return message
            self._unread.append(message)

    def says(self, text: str) -> None:
        """Wait until a cell has printed this."""
        self.published(lambda message: text in message["content"].get("text", ""))

    def reply(self, request: str) -> Message:
        """The reply to a request on shell. Those to others are dropped."""
        while True:
            message: Message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                return message

    def asked(self) -> Message:
        """The content of the next input_request."""
        content: Message = self.client.get_stdin_msg(timeout=PATIENCE)["content"]
        return content

    def beat(self, patience: int = PATIENCE) -> bytes:
        """What heartbeat answers."""
        info = self.manager.get_connection_info()
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"tcp://{info['ip']}:{info['hb_port']}")
            socket.send(b"alive?")
            assert socket.poll(patience * 1000), f"no heartbeat within {patience} s"
            return bytes(socket.recv())

    def process_id(self) -> int:
        return int(self.run("import os; os.getpid()").result)

    def command(self, kind: str, **content: Any) -> Message:
        """A request on control and the content of its reply."""
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply: Message = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                answered: Message = reply["content"]
                return answered

    def close(self) -> None:
        self.client.stop_channels()
        if self._log is not None:
            self._log.close()


def start(log: Path | None = None, *arguments: str, kernel_name: str = "cellheap", **options: Any) -> Front:
    """A new kernel. What it writes to stderr goes to `log`."""
    manager = KernelManager(kernel_name=kernel_name)
    stderr = log.open("ab") if log is not None else None
    manager.start_kernel(extra_arguments=list(arguments), stderr=stderr, **options)
    return Front(manager, stderr)


def stop(front: Front) -> None:
    front.close()
    front.manager.shutdown_kernel(now=True)
