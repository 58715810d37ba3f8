"""Which connection file is meant, as ipykernel reads its command line.

The wire is bound from that file before IPython's configuration is read: what the command line says of the
connection is written into it.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser

_PORTS = ("shell", "iopub", "stdin", "control", "hb")
_TEXTS = ("ip", "transport", "Session.key", "Session.signature_scheme")


def prepare(arguments: Sequence[str]) -> str:
    """The path of the file. It holds what the command line says of the connection; it may not exist yet."""
    given = _given(arguments)
    path = _path(given.pop("f", f"kernel-{os.getpid()}.json"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if given:
        _write(path, given)
    return str(path)


def _given(arguments: Sequence[str]) -> dict[str, Any]:
    match arguments:
        case ["-f", name]:  # As servers say it: answering them waits for no module that parses.
            return {"f": name}
    options, _ = _parser().parse_known_args(list(arguments))
    return {name: value for name, value in vars(options).items() if value is not None}


def _parser() -> "ArgumentParser":
    from argparse import ArgumentParser

    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-f", "--f", "--IPKernelApp.connection_file", dest="f")
    for name in _PORTS:
        parser.add_argument(f"--{name}", f"--IPKernelApp.{name}_port", dest=f"{name}_port", type=int)
    for name in _TEXTS:
        owned = [] if "." in name else [f"--IPKernelApp.{name}"]
        parser.add_argument(f"--{name}", *owned, dest=name.removeprefix("Session."))
    return parser


def _path(name: str) -> Path:
    """A bare name that is not in this directory is in Jupyter's runtime directory."""
    path = Path(name)
    if path.name == name and not path.exists():
        from jupyter_core.paths import jupyter_runtime_dir

        path = Path(jupyter_runtime_dir(), name)
    return path.absolute()


def _write(path: Path, given: dict[str, object]) -> None:
    try:
        fields = json.loads(path.read_text()) if path.exists() else {}
    except ValueError:
        return  # The wire says what is wrong with it.
    if "key" not in fields:
        given = {"key": os.urandom(16).hex(), "signature_scheme": "hmac-sha256", **given}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({**fields, **given}, file, indent=1)
