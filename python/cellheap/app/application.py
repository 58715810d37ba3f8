"""ipykernel's application on a wire that is bound already.

Owns what is made in place of sockets. Configuration, flags, startup files and the order of the start are its.
"""

import atexit
import pdb  # noqa: F401  # These wait until somebody debugs.
import sys
from typing import Any

import IPython.core.debugger  # noqa: F401
import jupyter_client
from ipykernel.control import ControlThread
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.profiledir import ProfileDir
from tornado.ioloop import IOLoop
from traitlets import Any as AnyTrait
from traitlets import DottedObjectName, Type, Unicode, default

from cellheap import _core
from cellheap.app import DRAIN, history, lazy, tee
from cellheap.app.commandline import one_file
from cellheap.app.kernel import Kernel
from cellheap.app.session import WireSession
from cellheap.app.sockets import Handle, IOPub, Requests
from cellheap.app.subshells import ShellChannelThread


class KernelApp(IPKernelApp):
    """`python -m cellheap`."""

    version = Unicode(_core.__version__)
    description = Unicode(
        "cellheap: a Python kernel for Jupyter that records the allocations of each cell.\n\n"
        "Front ends start it, as `python -m cellheap -f FILE`."
    )
    subcommand_description = Unicode("`python -m cellheap install --help` says more.")
    # For `--help` alone: `__main__` reads that word.
    subcommands = {  # noqa: RUF012
        "install": (
            "ipykernel.kernelspec.InstallIPythonKernelSpecApp",
            "Puts the kernel where another environment's Jupyter finds it.",
        )
    }
    classes = [Kernel, ZMQInteractiveShell, ProfileDir, WireSession]  # noqa: RUF012
    kernel_class: Any = Type(
        Kernel, klass="ipykernel.kernelbase.Kernel", help="The Kernel subclass to be used."
    ).tag(config=True)
    outstream_class = DottedObjectName(
        "cellheap.app.streams.OutStream", allow_none=True, help="The importstring for the OutStream factory"
    ).tag(config=True)

    # A name in its place would be imported with the application, and all of jupyter_client with it.
    blocking_class = AnyTrait()
    wire = AnyTrait()
    wire_session = Unicode()
    wire_ident = Unicode()

    @default("blocking_class")
    def _blocking_class(self) -> Any:
        return jupyter_client.BlockingKernelClient  # type: ignore[attr-defined]

    @default("session")
    def _wire_session(self) -> WireSession:
        return WireSession(parent=self, session=self.wire_session)

    @default("ip")
    def _ip_default(self) -> str:
        """What the wire has written counts; jupyter_client would look through all interfaces, with psutil."""
        return "127.0.0.1"

    def _create_loader(self, argv: Any, aliases: Any, *args: Any, **kwargs: Any) -> Any:
        return one_file(argv, aliases, type(self)) or super()._create_loader(argv, aliases, *args, **kwargs)

    def init_pdb(self) -> None:
        """IPython's debugger takes the place of pdb's when either is first used, and not before."""
        lazy.afterwards("pdb", lambda: lazy.run("IPython.core.debugger"))
        lazy.afterwards("IPython.core.debugger", super().init_pdb)

    def init_connection_file(self) -> None:
        """The wire has read it, or made it, and written the real ports."""
        self.connection_file = self.wire.connection_file
        self.load_connection_file()

    def init_poller(self) -> None:
        """The wire looks whether the parent lives."""

    def init_sockets(self) -> None:
        atexit.register(self.close)
        self.configure_tornado_logger()
        self.control_thread = ControlThread(daemon=True)
        self.shell_channel_thread = ShellChannelThread()
        self.shell_socket = Requests(self.wire, "shell", IOLoop.current())
        self.control_socket = Requests(self.wire, "control", self.control_thread.io_loop)
        self.stdin_socket = Handle(self.wire, "stdin")
        self.iopub_socket = self.iopub_thread = IOPub(self.wire, IOLoop.current())

    def init_signal(self) -> None:
        """Interrupts are ignored from when the kernel serves; what comes before is remembered."""

    def init_heartbeat(self) -> None:
        """Beats since the wire was bound."""

    def write_connection_file(self, **_: Any) -> None:
        """Written by the wire."""

    def init_io(self) -> None:
        if self.capture_fd_output:
            sys.stdout.flush()
            sys.stderr.flush()
            stdout, stderr = self.wire.capture()
            self.iopub_thread.originals = {"stdout": stdout, "stderr": stderr}
        super().init_io()

    def init_kernel(self) -> None:
        self.kernel = kernel = self.kernel_class.instance(
            parent=self,
            wire=self.wire,
            session=self.session,
            ident=self.wire_ident,
            control_stream=self.control_socket,
            shell_stream=self.shell_socket,
            control_thread=self.control_thread,
            shell_channel_thread=self.shell_channel_thread,
            iopub_thread=self.iopub_thread,
            iopub_socket=self.iopub_socket,
            stdin_socket=self.stdin_socket,
            log=self.log,
            profile_dir=self.profile_dir,
            user_ns=self.user_ns,
        )
        kernel.record_ports({f"{name}_port": port for name, port in self._ports.items()})
        self.displayhook.get_execution_count = lambda: kernel.execution_count

    def init_shell(self) -> None:
        super().init_shell()
        history.adopt(self.shell)
        tee.adopt(self.shell)

    def init_extensions(self) -> None:
        """Ours comes first: a user's may look at what it brings."""
        shell: Any = self.shell
        try:
            with _core.own():  # What IPython does for it too.
                shell.extension_manager.load_extension("cellheap")
        except Exception:
            self.log.exception("cellheap's magics cannot be loaded")
        super().init_extensions()

    def close(self) -> None:
        """The last that this process does: everything that was said still reaches its readers."""
        _core.box_end()
        self.reset_io()
        if self.control_thread.is_alive():
            self.control_thread.stop()
            self.control_thread.join(DRAIN)
        self.wire.close(DRAIN)
