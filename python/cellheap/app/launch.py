"""From the command line to a running kernel. The wire answers before anything slow is imported.

Owns that order; imports no IPython, jupyter_client, zmq or tornado before the wire is bound.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

from cellheap import _core
from cellheap.app import DRAIN, connection
from cellheap.app.early import early
from cellheap.app.info import kernel_info
from cellheap.app.tracing import tracing
from cellheap.blackbox import black_box
from cellheap.collector import resting

if TYPE_CHECKING:
    from cellheap.app.application import KernelApp

# Arguments that print something and exit: no kernel is wanted.
_NO_KERNEL = (
    "-h",
    "--help",
    "--help-all",
    "--version",
    "--show-config",
    "--show-config-json",
    "--generate-config",
)


def launch(arguments: Sequence[str]) -> None:
    """Run the kernel until it is shut down."""
    stderr = os.dup(2)  # Where to say why the start failed, captured or not.
    # An interrupt is for a cell. Cells may wait already: it is remembered for them.
    signal.signal(signal.SIGINT, early.note)
    if any(argument.split("=")[0] in _NO_KERNEL for argument in arguments):
        _application(None, "", arguments)
        return
    try:
        file = connection.prepare(arguments)
        session, ident = str(uuid4()), str(uuid4())
        user = os.environ.get("USER", "username")
        wire = _core.Kernel(file, json.dumps(kernel_info()).encode(), session, user, ident)
    except (_core.ConnectionError, OSError) as error:
        sys.exit(f"cellheap: {error}")
    black_box.begin(wire.connection_file)
    _core.lookout_by_wire(wire)
    tracing.begin(file)
    try:
        app = _application(wire, session, arguments, ident)
    except BaseException as error:
        _give_up(wire, error, stderr)
    finally:
        tracing.started()
    app.start()


def _application(
    wire: "_core.Kernel | None", session: str, arguments: Sequence[str], ident: str = ""
) -> "KernelApp":
    from cellheap.app.lazy import waiting

    with resting(), waiting():
        from cellheap.app.application import KernelApp

    app: KernelApp = KernelApp.instance(wire=wire, wire_session=session, wire_ident=ident)
    app.initialize(list(arguments))
    return app


def _give_up(wire: _core.Kernel, error: BaseException, stderr: int) -> NoReturn:
    """The shell cannot start. Whoever asked something is told so; then the process ends."""
    import traceback

    # A wrong option or configuration has been explained already.
    explained = isinstance(error, SystemExit)
    why = "its options or its configuration are wrong" if explained else str(error) or type(error).__name__
    wire.fail(type(error).__name__, f"The kernel could not start: {why}")
    with os.fdopen(stderr, "w") as original:
        if not explained:
            traceback.print_exception(error, file=original)
        print(f"cellheap: the kernel could not start: {why}", file=original)
    wire.close(DRAIN)
    sys.exit(1)
