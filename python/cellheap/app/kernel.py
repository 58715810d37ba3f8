"""ipykernel's Python kernel, fed by our wire. Owns the dispatch of requests; what they do stays ipykernel's.

The wire publishes busy and idle and keeps the queue; here a request becomes a call of its handler.
"""

import _signal  # type: ignore[import-not-found]
import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from IPython.core.error import StdinNotImplementedError
from tornado.ioloop import IOLoop
from traitlets import Any as AnyTrait
from traitlets import Float

from cellheap import _core
from cellheap.app import info, quiet, remembered, tokens
from cellheap.app.debug import Inspector, not_yet
from cellheap.app.early import early
from cellheap.app.lanes import Lane
from cellheap.app.session import WireSession
from cellheap.app.subshells import Subshells
from cellheap.app.transform import Once

Message = dict[str, Any]

_SIGINT = int(signal.SIGINT)


class Kernel(IPythonKernel):
    """The kernel behind `get_ipython().kernel`."""

    wire = AnyTrait()
    session: WireSession
    # Handles of the wire; ipykernel asks for ZMQStreams.
    shell_stream = AnyTrait(allow_none=True)
    control_stream = AnyTrait(allow_none=True)
    debugpy_stream = AnyTrait(allow_none=True)
    # The wire keeps the order of output and replies: nothing to wait for.
    _execute_sleep = Float(0.0).tag(config=True)
    # A string would be imported when the kernel is made, and debugpy with it.
    debugger_class = AnyTrait()

    def __init__(self, **kwargs: Any) -> None:
        with not_yet():
            super().__init__(**kwargs)
        remembered.adopt()
        quiet.adopt(self.log)
        tokens.adopt(self.shell)
        self._inspector = Inspector(self)
        self._once = Once(self.shell)
        self._subshells = self.shell_channel_thread.manager = Subshells(self)

    def start(self) -> None:
        """Attach to the wire: what is queued comes now."""
        if self.shell:
            self.shell.exit_now = False
        self.io_loop = self.shell_stream.io_loop = IOLoop.current()
        self._aborted: set[str | None] = set()
        control = self.control_thread.io_loop.asyncio_loop
        self._control_lock = asyncio.Lock()
        Lane(self, "control", self._control_lock).serve(control)
        shell = Lane(self, "shell", self._main_asyncio_lock)
        # For who asks what holds the value of a ContextVar; the one that ipykernel has is a copy.
        self.cells_context = shell.context
        shell.serve(asyncio.get_event_loop())
        self.shell_stream.is_open = shell.is_open
        self.control_thread.start()
        self.wire.inform(self.session.pack(self.kernel_info))
        self.wire.attach()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # What is asked for from here on was not meant by an interrupt before.
        self._unwanted = early.take() and bool(self.shell_stream.flush())

    async def dispatch_shell(
        self,
        msg: tuple[list[bytes], Message],
        /,
        subshell_id: str | None = None,
        *,
        concurrent: bool = False,
    ) -> None:
        """Call the handler of a request that came on shell."""
        idents, message = msg
        self.set_parent(idents, message, channel="shell")
        stream, kind = self.shell_stream, message["msg_type"]
        if kind == "execute_request" and subshell_id is None and self._aborting:
            self._send_abort_reply(stream, message, idents)
            return
        wanted = self.should_handle(stream, message, idents)
        if not (await wanted if inspect.isawaitable(wanted) else wanted):
            return
        handler = self.shell_handlers.get(kind)
        if handler is None:
            self.log.warning("Unknown message type: %r", kind)
            return
        if concurrent:
            await self._call(handler, stream, idents, message)
            return
        self._hook(self.pre_handler_hook)
        try:
            await self._call(handler, stream, idents, message)
        except KeyboardInterrupt:
            self.log.error("An interrupt reached the kernel outside the cell.")
        finally:
            self._hook(self.post_handler_hook)

    async def process_control(self, msg: tuple[list[bytes], Message]) -> None:
        """Call the handler of a request that came on control. One at a time."""
        idents, message = msg
        self.set_parent(idents, message, channel="control")
        handler = self.control_handlers.get(message["msg_type"])
        if handler is None:
            self.log.error("Unknown control message type: %r", message["msg_type"])
        else:
            await self._call(handler, self.control_stream, idents, message)

    async def _call(self, handler: Any, stream: Any, idents: list[bytes], message: Message) -> None:
        """An error in a handler is logged and answered; it never ends the kernel."""
        try:
            result = handler(stream, idents, message)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            self.log.exception("A handler of %s failed", message["msg_type"])
            self._refuse(stream, idents, message, str(error), type(error).__name__)
        for output in (sys.stdout, sys.stderr):
            if output is not None:
                output.flush()

    # As ipykernel's, by the functions that `signal` wraps: its enumerations take longer than the calls.
    def pre_handler_hook(self) -> None:
        self.saved_sigint_handler = _signal.signal(_SIGINT, signal.default_int_handler)

    def post_handler_hook(self) -> None:
        _signal.signal(_SIGINT, self.saved_sigint_handler)

    def _hook(self, hook: Any) -> None:
        """Hooks set signal handlers, which fails where others have replaced them."""
        try:
            hook()
        except Exception:
            self.log.debug("A handler hook failed", exc_info=True)

    def _refuse(
        self, stream: Any, idents: list[bytes], message: Message, why: str, name: str = "NotImplementedError"
    ) -> None:
        """Answer a request that cannot be served. A comm message has no reply."""
        kind = message["msg_type"]
        if kind.endswith("_request"):
            content = {"status": "error", "ename": name, "evalue": why, "traceback": []}
            reply = kind.removesuffix("request") + "reply"
            self.session.send(stream, reply, content, parent=message, ident=idents)

    @contextmanager
    def _cancel_on_sigint(self, future: "asyncio.Future[Any]") -> Iterator[None]:
        """An interrupt cancels a cell that awaits, and wakes the loop, which may wait in the system."""
        loop = asyncio.get_running_loop()
        previous = signal.getsignal(signal.SIGINT)
        loop.add_signal_handler(signal.SIGINT, future.cancel)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, previous)

    async def do_execute(self, *args: Any, **kwargs: Any) -> Message:
        """Run a cell.

        What is queued behind one that fails is aborted before a front end can know of it: what it sends after
        that is run.
        """
        if self._unwanted:
            self._unwanted = False
            args, kwargs = (), {"code": "raise KeyboardInterrupt", "silent": True, "store_history": False}
        self._once.begin()
        try:
            reply: Message = await super().do_execute(*args, **kwargs)
        finally:
            self._once.end()
        parent = self.get_parent("shell")
        request = parent.get("content", {})
        if reply["status"] == "error" and not request.get("silent") and request.get("stop_on_error", True):
            subshell_id = parent["header"].get("subshell_id")
            self.wire.abort_queue(subshell_id or "shell")
            self._aborted.add(subshell_id)
        return reply

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """After the reply that tells of an error."""
        if subshell_id not in self._aborted:
            self.wire.abort_queue(subshell_id or "shell")
        self._aborted.discard(subshell_id)
        if subshell_id is None and self.stop_on_error_timeout:
            self._aborting = True
            self.io_loop.call_later(self.stop_on_error_timeout, setattr, self, "_aborting", False)

    def _input_request(self, prompt: str, ident: list[bytes], parent: Message, password: bool = False) -> str:
        """Ask the front end for a line. An interrupt ends the wait."""
        if self.wire.is_child():
            raise StdinNotImplementedError("a forked process cannot ask for input")
        self.wire.purge_answers()
        content = {"prompt": prompt, "password": password}
        self.session.send(self.stdin_socket, "input_request", content, parent, ident=ident)
        try:
            answer = self.wire.answer(self.session.unpack)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Interrupted by user") from None
        value = str(answer["content"].get("value", ""))
        if value == "\x04":
            raise EOFError
        return value

    async def shutdown_request(self, stream: Any, ident: list[bytes], parent: Message) -> None:
        """What comes of it. On control the wire has replied already, whatever holds Python's lock."""
        parent["content"].setdefault("restart", False)
        replied = stream is self.control_stream
        await super().shutdown_request(None if replied else stream, ident, parent)

    async def _at_shutdown(self) -> None:
        """As ipykernel's, which imports all of zmq to flush control. The wire has sent what it was given."""
        try:
            await self._progressively_terminate_all_children()
        except Exception:
            self.log.exception("Child processes could not be ended")
        if self._shutdown_message is not None:
            self.session.send(self.iopub_socket, self._shutdown_message, ident=self._topic("shutdown"))

    def _process_children(self) -> list[Any]:
        """ipykernel looks through all processes of the system for them. Mostly there are none."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return []
        found: list[Any] = super()._process_children()
        return found

    async def do_shutdown(self, restart: bool) -> Message:
        """The end was asked for: whatever comes of it, nothing is to be told of it."""
        _core.box_end()
        reply = super().do_shutdown(restart)
        return await reply if inspect.isawaitable(reply) else reply  # type: ignore[no-any-return]

    async def do_debug_request(self, msg: Message) -> Message:
        return await self._inspector.answer(msg)

    @property
    def debugger(self) -> Any:
        """ipykernel's debugger, which imports debugpy; None where that is not installed."""
        return self._inspector.debugger

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What the wire says already, with what is known by now: the user's configuration, IPython's tip."""
        return {**info.kernel_info(), "banner": self.banner, "help_links": self.help_links}

    @property
    def _supports_kernel_subshells(self) -> bool:
        return True

    async def create_subshell_request(self, socket: Any, ident: list[bytes], parent: Message) -> None:
        reply = {"status": "ok", "subshell_id": self._subshells.create()}
        self.session.send(socket, "create_subshell_reply", reply, parent, ident)

    async def delete_subshell_request(self, socket: Any, ident: list[bytes], parent: Message) -> None:
        await self._subshells.delete(str(parent["content"]["subshell_id"]))
        self.session.send(socket, "delete_subshell_reply", {"status": "ok"}, parent, ident)

    async def list_subshell_request(self, socket: Any, ident: list[bytes], parent: Message) -> None:
        reply = {"status": "ok", "subshell_id": self._subshells.list_subshell()}
        self.session.send(socket, "list_subshell_reply", reply, parent, ident)
