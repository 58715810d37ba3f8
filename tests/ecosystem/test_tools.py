"""Tools around a kernel: magics that ask or run programs, clusters, runners of notebooks."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.ecosystem.conftest import ok
from tests.notebook.front import Front


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A notebook of this kernel."""
    cells = [new_code_cell("x = 20"), new_code_cell("print(x * 2 + 2)\nx")]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "cellheap", "display_name": "cellheap", "language": "python"}
    path = tmp_path / "notebook.ipynb"
    nbformat.write(notebook, path)
    return path


def run(*command: str, typed: str = "") -> str:
    """A module's command; what it printed."""
    command = (sys.executable, "-m", *command)
    done = subprocess.run(command, input=typed, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed(path: Path) -> str:
    outputs = nbformat.read(path, as_version=4).cells[-1].outputs
    return "".join(output.get("text", "") for output in outputs)


def test_bash_and_pip_run(front: Front) -> None:
    assert front.run("%%bash\nfor n in 1 2; do echo line $n; done").text() == "line 1\nline 2\n"
    assert "ipykernel" in ok(front.run("%pip list")).text()


def test_post_mortem_debugging_asks_and_answers(front: Front) -> None:
    front.run("def fails(n): return n / 0\nfails(7)")
    request = front.client.execute("%debug", allow_stdin=True)
    answers = iter(["p n", "up", "q"])
    for answer in answers:
        assert "ipdb>" in front.asked()["prompt"]
        front.client.input(answer)
    assert "7" in ok(front.done(request)).text()


def test_autoreload_sees_a_module_change(front: Front, tmp_path: Path) -> None:
    module = tmp_path / "reloaded_here.py"
    module.write_text("def answer(): return 1\n")
    ok(front.run(f"%load_ext autoreload\n%autoreload 2\nimport sys; sys.path.insert(0, {str(tmp_path)!r})"))
    assert front.run("import reloaded_here; reloaded_here.answer()").result == "1"
    module.write_text("def answer(): return 41 + 1  # longer\n")
    assert front.run("reloaded_here.answer()").result == "42"
    ok(front.run("%autoreload 0"))


def test_a_dask_client_computes(front: Front) -> None:
    code = (
        "from dask.distributed import Client\n"
        "client = Client(processes=False, n_workers=1, dashboard_address=None)\n"
        "total = client.submit(sum, range(10)).result(); client.close(); total"
    )
    assert ok(front.run(code)).result == "45"


def test_an_ipyparallel_client_computes(front: Front) -> None:
    code = (
        "import ipyparallel\n"
        "with ipyparallel.Cluster(n=2, log_level=40) as rc:\n"
        "    squares = rc[:].map_sync(lambda n: n * n, range(4))\n"
        "squares"
    )
    assert ok(front.run(code)).result == "[0, 1, 4, 9]"


def test_papermill_runs_a_notebook_with_parameters(written: Path, tmp_path: Path) -> None:
    done = tmp_path / "done.ipynb"
    run("papermill", str(written), str(done), "-p", "x", "5", "-k", "cellheap")
    assert printed(done) == "12\n"


def test_nbconvert_executes_a_notebook(written: Path) -> None:
    run("nbconvert", "--to", "notebook", "--execute", "--inplace", str(written))
    assert printed(written) == "42\n"


def test_the_console_runs_cells() -> None:
    said = run(
        "jupyter_console", "--kernel", "cellheap", "--simple-prompt", typed="6 * 7\nprint('said')\nexit\n"
    )
    assert "42" in said
    assert "said" in said
