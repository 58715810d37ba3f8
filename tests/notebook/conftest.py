"""Kernels for the tests. Each is the installed `cellheap` kernel in a process of its own."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.front import Front, start, stop
from tests.notebook.shells import KERNELS, Kernel, Terminal, kernel_of, terminal


@pytest.fixture(scope="session", autouse=True)
def _nobodys_profile(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No startup files, history or configuration of the person who runs the tests."""
    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One kernel for all tests of a file that leave it as it was."""
    front = start(tmp_path_factory.mktemp("kernel") / "log").ready()
    yield front
    stop(front)


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Front]]:
    """Starts kernels that are stopped when the test ends. Their stderr is `log` in the test's folder."""
    fronts = []

    def begin(*arguments: str, **options: Any) -> Front:
        fronts.append(start(tmp_path / "log", *arguments, **options))
        return fronts[-1]

    yield begin
    for front in fronts:
        stop(front)


@pytest.fixture
def fresh(starting: Callable[..., Front]) -> Front:
    """A kernel of the test's own, ready."""
    return starting().ready()


@pytest.fixture
def notebook() -> Iterator[Terminal]:
    """IPython in this process, with the magics. What other tests have loaded is not collected anew each time."""
    gc.freeze()
    try:
        with terminal() as shell:
            yield shell
    finally:
        gc.unfreeze()


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """Plain ipykernel and ours, with the magics."""
    with kernel_of(request.param) as running:
        yield running
