"""What the kernel remembers for ipykernel is what ipykernel would have worked out."""

from typing import Any

import pytest
from cellheap.app import remembered
from ipykernel import kernelbase

from tests.notebook.front import Front

NAMES = ["cell_id", "cell_meta"]


class Shell:
    def run(self, code: str, *, cell_id: str = "") -> None: ...

    def run_any(self, code: str, **options: Any) -> None: ...


@pytest.mark.parametrize("name", ["run", "run_any"])
def test_what_a_method_takes(name: str) -> None:
    for shell in (Shell(), Shell()):
        method = getattr(shell, name)
        anew = kernelbase._accepts_parameters(method, NAMES)  # type: ignore[no-untyped-call]
        assert remembered.accepts_parameters(method, NAMES) == anew


def test_a_function_that_took_its_place_is_asked_itself() -> None:
    shell = Shell()
    assert remembered.accepts_parameters(shell.run, NAMES) == {"cell_id": True, "cell_meta": False}
    shell.run = lambda code, cell_meta=None: None  # type: ignore[method-assign, assignment, misc]
    assert remembered.accepts_parameters(shell.run, NAMES)["cell_meta"]


def test_cells_have_the_file_names_that_a_debugger_computes(shared: Front) -> None:
    code = "import inspect; inspect.currentframe().f_code.co_filename  # gr\u00fc\u00df dich"
    shared.run("from ipykernel.compiler import get_tmp_hash_seed, murmur2_x86")
    for _ in range(2):
        name = shared.run(code).result
        hashed = shared.run(f"murmur2_x86.__wrapped__({code!r}, get_tmp_hash_seed())").result
        assert name.strip("'").endswith(f"/{hashed}.py")
