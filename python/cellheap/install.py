"""`python -m cellheap install`: puts a kernelspec of this interpreter where a Jupyter server looks.

Owns that command. Knows nothing of the kernel that it names.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from tempfile import TemporaryDirectory

from jupyter_client.kernelspec import KernelSpecManager

NAME = "cellheap"


class InstallError(Exception):
    """What kept the kernelspec from being installed, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command. Returns the exit status."""
    options = parser().parse_args(argv)
    prefix = sys.prefix if options.sys_prefix else options.prefix
    try:
        where = install(name=options.name, user=options.user, prefix=prefix)
    except InstallError as error:
        print(f"cellheap install: {error}", file=sys.stderr)
        return 1
    print(f"Installed the kernel {where.name!r} in {where}")
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cellheap install",
        description=f"Install a kernelspec that starts cellheap with this interpreter ({sys.executable}). "
        "Needed where the Jupyter server runs in another environment; without an option it is for all users.",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="for this user alone")
    place.add_argument(
        "--prefix", metavar="DIR", help="under DIR/share/jupyter/kernels, such as that of a conda environment"
    )
    place.add_argument("--sys-prefix", action="store_true", help="under this environment's own prefix")
    parser.add_argument("--name", metavar="N", default=NAME, help="the kernel's name (default: %(default)s)")
    return parser


def install(name: str = NAME, user: bool = False, prefix: str | None = None) -> Path:
    """Installs the kernelspec under `name` and returns its folder."""
    with TemporaryDirectory(prefix="cellheap-") as folder:
        for file in shipped():
            shutil.copy(file, folder)
        name_interpreter(Path(folder, "kernel.json"), name)
        try:
            return Path(KernelSpecManager().install_kernel_spec(folder, name, user=user, prefix=prefix))
        except ValueError as error:
            raise InstallError(
                f"{name!r} is no name for a kernel: letters, digits, '-', '.' and '_' are"
            ) from error
        except OSError as error:
            advice = "" if user or prefix else ": try --user"
            raise InstallError(f"cannot write {error.filename} ({error.strerror}){advice}") from error


def shipped() -> list[Path]:
    """The kernelspec's files as the wheel installed them."""
    try:
        paths = [Path(str(path.locate())) for path in files(NAME) or [] if path.match(f"kernels/{NAME}/*")]
    except PackageNotFoundError:
        paths = []
    if not any(path.name == "kernel.json" and path.exists() for path in paths):
        raise InstallError("the wheel's kernelspec is missing; install cellheap anew with pip")
    return paths


def name_interpreter(spec: Path, name: str) -> None:
    """This interpreter by its full path, since `python` is another one in another environment."""
    content = json.loads(spec.read_text(encoding="utf-8"))
    content["argv"][0] = sys.executable
    if name != NAME:
        content["display_name"] = f"Python 3 ({name})"
    spec.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
