"""Loading, loading again, unloading and reloading, in terminal IPython and in kernels."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cellheap import _core
from cellheap.extension import load_ipython_extension
from cellheap.recorder import active

from tests.notebook.shells import FORGET_NAMES, Kernel, Terminal, terminal, texts


@pytest.fixture
def notebook() -> Iterator[Terminal]:
    with terminal(load=False) as shell:
        yield shell


def added(notebook: Terminal) -> dict[str, object]:
    """All places of a shell to which an extension can add."""
    shell = notebook.shell
    return {
        "events": {event: list(callbacks) for event, callbacks in shell.events.callbacks.items()},
        "line magics": set(shell.magics_manager.magics["line"]),
        "cell magics": set(shell.magics_manager.magics["cell"]),
        "transformers": list(shell.input_transformer_manager.line_transforms),
        "matchers": len(shell.Completer.matchers),
        "settings": [part for part in shell.configurables if type(part).__module__.startswith("cellheap")],
        "names": set(shell.user_ns),
    }


def test_loading_twice_is_harmless(notebook: Terminal) -> None:
    notebook.run("%load_ext cellheap")
    once = added(notebook)
    load_ipython_extension(notebook.shell)
    notebook.run("%load_ext cellheap").raise_error()
    assert {**added(notebook), "names": 0} == {**once, "names": 0}
    notebook.run("%memtrace").raise_error()


def test_unloading_takes_everything_away(notebook: Terminal) -> None:
    before = added(notebook)
    notebook.run("%load_ext cellheap")
    notebook.run("%memtrace on")
    notebook.run("%unload_ext cellheap").raise_error()
    assert {**added(notebook), "names": 0} == {**before, "names": 0}
    assert not _core.tracing()
    assert active() is None
    notebook.run("pass")
    assert notebook.shown == []
    notebook.run("%memtrace")
    assert "`%memtrace` not found" in notebook.complaint


def test_reloading_records_again(notebook: Terminal) -> None:
    notebook.run("%load_ext cellheap")
    notebook.run("%reload_ext cellheap").raise_error()
    assert _core.tracing()
    notebook.run("x = [0] * 1000")
    notebook.run("r = %memtrace 3").raise_error()
    assert notebook.names["r"].live >= 8000


def test_reloading_forgets_no_cells_name(notebook: Terminal) -> None:
    notebook.run("%load_ext cellheap")
    notebook.run("x = [0] * 1000")
    notebook.run("%reload_ext cellheap").raise_error()
    notebook.run("r = %memtrace 2").raise_error()
    assert "most of the peak is of In[2], line 1" in " ".join(str(notebook.names["r"]).split())


def test_a_cell_that_was_seen_in_part_has_not_run_again(notebook: Terminal) -> None:
    notebook.run("%load_ext cellheap")
    notebook.run("%reload_ext cellheap").raise_error()
    notebook.run("r = %memtrace report").raise_error()
    assert "ran again" not in str(notebook.names["r"])


def test_another_shell_takes_it_over(notebook: Terminal) -> None:
    notebook.run("%load_ext cellheap")
    first = added(notebook)
    with terminal() as other:
        assert added(notebook) != first
        other.run("x = [0] * 1000")
        other.run("r = %memtrace 2").raise_error()


def ipython(code: str, **environment: str) -> str:
    """What a fresh terminal IPython prints."""
    command = [sys.executable, "-m", "IPython", "--colors=nocolor", "--no-banner", "-c", code]
    ran = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )
    return ran.stdout + ran.stderr


def test_nothing_is_recorded_where_the_environment_says_off() -> None:
    code = "%load_ext cellheap\n%memtrace"
    assert "Nothing was recorded in this process so far: `%memtrace start`" in ipython(
        code, CELLHEAP_TRACE="off"
    )
    code = (
        "%load_ext cellheap\n%memtrace start\nx = [0] * 1000\nr = %memtrace\nprint(r.cells[-1].live >= 8000)"
    )
    assert "True" in ipython(code, CELLHEAP_TRACE="off")


def test_importing_us_does_not_import_ipython() -> None:
    code = "import sys, cellheap; print(dir(cellheap)); print({'IPython', 'traitlets'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    offered, imported = ran.stdout.splitlines()
    assert "overview" in offered
    assert imported == "set()"


def test_the_magics_work_in_kernels(kernel: Kernel) -> None:
    reply, outputs = kernel.run("%%memtrace\nimport asyncio\nawait asyncio.sleep(0)\nx = [0] * 1000")
    assert reply["status"] == "ok"
    (shown,) = [output["content"]["data"] for output in outputs if output["type"] == "display_data"]
    numbers = shown["application/vnd.cellheap.v1+json"]
    assert {line["line"] for line in numbers["lines"] if line["live"] >= 8000} == {4}
    assert shown["text/html"].startswith("<div")
    _, outputs = kernel.run("%memtrace")
    assert "In[2]" in texts(outputs)[0]


def test_a_raising_body_gives_an_error_reply_and_its_report(kernel: Kernel) -> None:
    reply, outputs = kernel.run("%%memtrace\nx = [0] * 1000\n1 / 0")
    assert (reply["status"], reply["ename"]) == ("error", "ZeroDivisionError")
    assert [output["type"] for output in outputs] == ["error", "display_data"]
    assert " failed: " in texts(outputs)[0]


def test_a_mistake_is_an_error_reply_and_one_line(kernel: Kernel) -> None:
    reply, outputs = kernel.run("%%memtrace --nothing\nran = 1")
    assert reply["status"] == "error"
    text = "".join(output["content"].get("text", "") for output in outputs)
    assert len(text.strip().splitlines()) == 1
    assert kernel.value("'ran' in globals()") == "False"


def test_an_empty_cell_reads_nothing_in_kernels(kernel: Kernel) -> None:
    kernel.run("%memtrace on")
    kernel.run(f"import cellheap\n{FORGET_NAMES}")
    kernel.run("pass")
    reply, _ = kernel.run("pass")
    kernel.run("%memtrace off")
    cell = f"cellheap.cells[{reply['execution_count']}].cell"
    assert kernel.value(f"({cell}.allocated, {cell}.net, {cell}.live)") == "(0, 0, 0)"
