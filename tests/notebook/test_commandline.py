"""`-f FILE` is read without argparse: what comes of it is what traitlets makes of it."""

import subprocess
import sys
from typing import Any

import cellheap
import pytest
from cellheap.app.application import KernelApp
from cellheap.app.commandline import OneFile
from ipykernel.kernelapp import IPKernelApp

from tests.notebook.front import Front

FILE = "/somewhere/kernel 1.json"


def loaders(argv: list[str]) -> tuple[Any, Any]:
    """Ours and traitlets'."""
    app = KernelApp()  # type: ignore[no-untyped-call]
    flags, aliases = app.flatten_flags()
    classes = list(app._classes_with_config_traits())
    ours = app._create_loader(argv, aliases, flags, classes=classes)
    return ours, IPKernelApp._create_loader(app, argv, aliases, flags, classes=classes)


@pytest.mark.parametrize("file", [FILE, "kernel.json", "~/kernel.json", "'quoted'", "a=b", ""])
def test_one_file_is_loaded_as_traitlets_loads_it(file: str) -> None:
    ours, theirs = loaders(["-f", file])
    assert type(ours) is OneFile
    config, same = ours.load_config(), theirs.load_config()
    assert (config, ours.extra_args) == (same, theirs.extra_args)
    ((name, section),) = config.items()
    assert type(section["connection_file"]) is type(same[name]["connection_file"])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["-f"],
        [f"-f={FILE}"],
        ["-f", "-x"],
        ["-f", "--debug"],
        ["--f", FILE],
        ["-f", FILE, "--debug"],
        ["--debug", "-f", FILE],
    ],
)
def test_all_else_is_traitlets(argv: list[str]) -> None:
    ours, theirs = loaders(argv)
    assert type(ours) is type(theirs)


def test_an_application_without_that_option_reads_its_own_way() -> None:
    app = KernelApp()  # type: ignore[no-untyped-call]
    assert type(app._create_loader(["-f", FILE], {}, {}, classes=[])) is not OneFile


def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a person types."""
    command = [sys.executable, "-m", "cellheap", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", ["instal", "report", "kernel.json"])
def test_an_unknown_command_is_one_line_and_no_kernel(command: str) -> None:
    ran = typed(command)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"cellheap: there is no command {command!r}: `install` puts the kernel where another environment's "
        "Jupyter finds it; without one a kernel starts\n"
    )


def test_version_and_help_are_of_cellheap() -> None:
    assert typed("--version").stdout.strip() == cellheap.__version__
    said = typed("--help").stdout
    assert said.startswith("cellheap: ")
    assert "python -m cellheap install" in said
    assert "ipython-kernel" not in said.split("Options")[0]


def test_the_kernel_runs_on_that_file(fresh: Front) -> None:
    app = "get_ipython().kernel.parent"
    file = fresh.run(f"{app}.connection_file").result
    assert fresh.run(f"{app}.cli_config.KernelApp.connection_file").result == file
