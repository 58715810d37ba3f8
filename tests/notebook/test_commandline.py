"""`-f FILE` is read without argparse: what comes of it is what traitlets makes of it."""

from typing import Any

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


def test_the_kernel_runs_on_that_file(fresh: Front) -> None:
    app = "get_ipython().kernel.parent"
    file = fresh.run(f"{app}.connection_file").result
    assert fresh.run(f"{app}.cli_config.KernelApp.connection_file").result == file
