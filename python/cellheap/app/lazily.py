"""Which modules wait for their first use, and what of them is asked for before. A list; `lazy` acts on it.

A module belongs here if a start imports it for something else, nothing of it is used before the first cell,
and running it later cannot fail where it would have run at once (see NEEDS). Each was looked at; names that
are not listed run their module when they are asked for: with another version of a library a start is slower.
"""

import sys

LAZY = (
    # For its `session`: all of jupyter_client's clients and managers, and what adapts old messages.
    "jupyter_client",
    "jupyter_client.adapter",
    "jupyter_client.localinterfaces",
    # Sockets where our wire is, and signatures, which it writes.
    "zmq",
    "zmq.asyncio",
    "zmq.eventloop",
    "zmq.eventloop.zmqstream",
    "hashlib",
    "hmac",
    # TLS for asyncio, escapes and colours for tornado's log, folders of other systems, a server for logging.
    "ssl",
    "asyncio.sslproto",
    "html",
    "urllib.parse",
    "curses",
    "platformdirs",
    "socketserver",
    "platform",
    # What reads dates and versions that nobody has sent yet, pickles and prints what nobody asked for.
    "dateutil.parser",
    "dateutil.tz",
    "packaging.version",
    "pickle",
    "pprint",
    "shutil",
    # What most notebooks never begin to debug. (Not bdb: IPython imports it for each statement that it runs.)
    "pdb",
    "IPython.core.debugger",
)
# By module, the extension without which it cannot be imported, where Python may have been built without.
NEEDS = {"ssl": "_ssl", "curses": "_curses"}

# What is asked of them at a start. It is in a module that is there anyway,
ELSEWHERE = {("jupyter_client", "write_connection_file"): "jupyter_client.connect"}
# or is a number,
VALUES = {("pickle", "DEFAULT_PROTOCOL"): 5 if sys.version_info >= (3, 14) else 4}
# or is a number that has a name and a type there,
CONSTANTS = {("zmq", "NOBLOCK"): 1, ("zmq", "SUB"): 2, ("zmq", "REQ"): 3, ("zmq", "DEALER"): 5}
# or is nothing but called, much later,
CALLED = {
    ("dateutil.parser", "isoparse"),
    ("dateutil.tz", "tzlocal"),
    ("hmac", "compare_digest"),
    ("html", "escape"),
    ("jupyter_client.adapter", "adapt"),
    ("jupyter_client.localinterfaces", "localhost"),
    ("packaging.version", "Version"),
    ("pickle", "loads"),
    ("pprint", "pformat"),
    ("shutil", "get_terminal_size"),
}
# or is a class that others name.
CLASSES = {
    ("hmac", "HMAC"),
    ("socketserver", "StreamRequestHandler"),
    ("socketserver", "ThreadingTCPServer"),
    ("zmq", "Context"),
    ("zmq", "MessageTracker"),
    ("zmq.eventloop.zmqstream", "ZMQStream"),
}


def has_stand_in(module: str, name: str) -> bool:
    """Whether the kernel's own modules can take this without the module's having run."""
    asked = module, name
    return any(asked in names for names in (VALUES, CONSTANTS, CALLED, CLASSES))
