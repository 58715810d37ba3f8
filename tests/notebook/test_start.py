"""How the kernel starts: the wire first, IPython later or never."""

import gc
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cellheap.collector import resting
from jupyter_client.blocking.client import BlockingKernelClient

from tests.notebook.front import PATIENCE, Front

Starting = Callable[..., Front]

# Holds the import of IPython until somebody writes to the FIFO named by the environment.
HOLD = """
import os, sys

class Hold:
    def find_spec(self, name, path=None, target=None):
        if name == "IPython":
            sys.meta_path.remove(self)
            with open(os.environ["HOLD"]) as fifo:
                exec(fifo.read())

sys.meta_path.insert(0, Hold())
"""


class Held:
    """An environment in which the import of IPython waits."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "hold"
        os.mkfifo(self.fifo)
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(HOLD)
        self.environment = os.environ | {"HOLD": str(self.fifo), "PYTHONPATH": str(site)}

    def release(self, code: str = "") -> None:
        """Let the import go on, after it has run this."""
        self.fifo.write_text(code)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def exit_status(front: Front) -> int:
    process: subprocess.Popen[bytes] = front.manager.provisioner.process  # type: ignore[union-attr]
    return process.wait(PATIENCE)


def kernel_info(front: Front) -> dict[str, Any]:
    content: dict[str, Any] = front.reply(front.client.kernel_info())["content"]
    return content


def test_heartbeat_and_kernel_info_are_answered_while_ipython_is_imported(
    starting: Starting, held: Held
) -> None:
    front = starting(env=held.environment)
    assert front.beat() == b"alive?"
    assert kernel_info(front)["implementation"] == "ipython"
    queued = front.client.execute("6 * 7")
    assert kernel_info(front)["status"] == "ok"
    held.release()
    assert front.done(queued).result == "42"


def test_an_interrupt_during_the_start_ends_what_waits_then_and_nothing_later(
    starting: Starting, held: Held
) -> None:
    front = starting(env=held.environment)
    assert kernel_info(front)["status"] == "ok"
    queued = front.client.execute("print('never')")
    assert kernel_info(front)["status"] == "ok"
    assert front.command("interrupt_request") == {"status": "ok"}
    held.release()
    ran = front.done(queued)
    assert ran.reply["content"]["ename"] == "KeyboardInterrupt"
    assert ran.text() == ""
    assert front.run("'later'").result == "'later'"


def test_kernel_info_is_what_ipykernel_says(starting: Starting, held: Held) -> None:
    front = starting(env=held.environment)
    early = kernel_info(front)
    held.release()
    theirs = eval(
        front.ready()
        .run(
            "from ipykernel.ipkernel import IPythonKernel\n"
            "IPythonKernel.kernel_info.fget(get_ipython().kernel)"
        )
        .result
    )
    late = kernel_info(front)
    for ours in (early, late):
        for field in ("implementation", "implementation_version", "language_info", "help_links"):
            assert ours[field] == theirs[field]
        assert ours["protocol_version"] == "5.5"
        assert ours["supported_features"] == theirs["supported_features"]
    # IPython ends its banner with a tip that it draws by lot.
    assert theirs["banner"].startswith(early["banner"])
    assert late["banner"].startswith(early["banner"])


def test_kernel_info_says_what_is_configured(starting: Starting) -> None:
    links = "[{'text': 'Ours', 'url': 'https://example.org'}]"
    front = starting(f"--IPythonKernel.help_links={links}", "--InteractiveShell.banner1=Welcome").ready()
    assert front.run("1").status == "ok"
    info = kernel_info(front)
    assert info["help_links"] == [{"text": "Ours", "url": "https://example.org"}]
    assert info["banner"].startswith("Welcome")


def test_a_shell_that_cannot_start_is_said_to_whoever_asks(
    starting: Starting, held: Held, tmp_path: Path
) -> None:
    front = starting(env=held.environment)
    kernel_info(front)
    # What is published before the front end has subscribed, it misses.
    front.published(lambda message: message["msg_type"] == "iopub_welcome")
    queued = front.client.execute("1 + 1")
    # What is answered after it says that it has come.
    kernel_info(front)
    held.release("raise RuntimeError('broken on purpose')")
    ran = front.done(queued)
    assert ran.status == "error"
    assert ran.reply["content"]["ename"] == "RuntimeError"
    assert "broken on purpose" in ran.reply["content"]["evalue"]
    assert exit_status(front) == 1
    assert "the kernel could not start: broken on purpose" in (tmp_path / "log").read_text()


def test_a_bad_option_is_one_line_and_no_kernel(starting: Starting, tmp_path: Path) -> None:
    front = starting("--InteractiveShell.colors=['nonsense']", "--IPKernelApp.no_stdout=perhaps")
    assert exit_status(front) == 1
    assert "no_stdout" in (tmp_path / "log").read_text()


def test_a_kernel_that_died_while_it_started_is_followed_by_one_that_does_not_record(
    starting: Starting, held: Held, tmp_path: Path
) -> None:
    front = starting(env=held.environment)
    with held.fifo.open("w"):  # Not before IPython is being imported.
        os.kill(front.manager.provisioner.pid, signal.SIGKILL)  # type: ignore[union-attr]
        exit_status(front)
    for recording in ("False", "True"):
        front.manager.restart_kernel(now=True)
        held.release()
        front.ready()
        assert front.run("import cellheap._core; cellheap._core.tracing()").result == recording
    said = [line for line in (tmp_path / "log").read_text().splitlines() if "not recorded" in line]
    assert said == [
        "cellheap: Memory is not recorded: the kernel before this one died while it started;"
        " restart to record."
    ]


def test_recording_is_on_unless_the_environment_says_off(starting: Starting) -> None:
    recording = "import cellheap._core; cellheap._core.tracing()"
    assert starting().ready().run(recording).result == "True"
    off = starting(env=os.environ | {"CELLHEAP_TRACE": "off"}).ready()
    assert off.run(recording).result == "False"


def test_ipython_is_configured_as_in_ipykernel(starting: Starting, tmp_path: Path) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "first.py").write_text("import gc\nfrom_startup = gc.isenabled()")
    (profile / "ipython_kernel_config.py").write_text(
        "import gc\nc.InteractiveShellApp.exec_lines = [f'from_config = {gc.isenabled()}']\n"
        "c.IPythonKernel.help_links = []"
    )
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    front = starting("--matplotlib=inline", "--no-automagic", env=environment).ready()
    assert (
        front.run("from_startup, from_config, get_ipython().kernel.help_links").result == "(True, True, [])"
    )
    assert front.run("get_ipython().config['IPKernelApp'] is not None").result == "True"


def test_the_collector_rests_while_modules_are_imported_and_is_then_as_it_was() -> None:
    def fail() -> None:
        with resting():
            assert not gc.isenabled()
            raise ImportError

    gc.freeze()
    frozen = gc.get_freeze_count()
    for before in (gc.disable, gc.enable):
        before()
        enabled = gc.isenabled()
        with pytest.raises(ImportError):
            fail()
        assert gc.isenabled() == enabled
    assert gc.get_freeze_count() == frozen
    gc.unfreeze()
    kept: list[object] = []
    with resting():
        kept.append(kept)
    assert any(thing is kept for thing in gc.get_objects(generation=2))


def test_what_answers_questions_is_imported_with_the_first_and_charges_nothing(fresh: Front) -> None:
    loaded = "[name for name in sys.modules if name in ('cellheap.api', 'cellheap.records')]"
    assert fresh.run(f"import sys; {loaded}").result == "[]"
    number = fresh.run("%memtrace").reply["content"]["execution_count"]
    assert fresh.run(loaded).result != "[]"
    # OpenSSL takes as much memory as all of ours.
    fresh.run("%gcclear\n%memtrace live\n%memtrace report\n%memtrace vars\n%memtrace why number")
    assert fresh.run("'_hashlib' in sys.modules").result == "False"
    assert int(fresh.run(f"import cellheap; cellheap.cells[{number}].cell.allocated").result) < 500


def test_what_is_imported_then_leaves_no_garbage_to_be_found_as_the_notebooks() -> None:
    """A class that a decorator makes anew can leave the first one in a cycle."""
    program = """
import gc
import ipykernel.kernelapp, ipykernel.zmqshell, cellheap.extension
gc.collect(); gc.disable(); gc.set_debug(gc.DEBUG_SAVEALL)
import cellheap.api, cellheap.choosing, cellheap.questions, cellheap.stopping, cellheap.summary
gc.collect()
print([thing for thing in gc.garbage if isinstance(thing, type)])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_modules_of_the_working_directory_do_not_stand_in_for_the_standard_librarys(
    starting: Starting, tmp_path: Path
) -> None:
    for name in ("random", "json", "argparse", "uuid", "signal"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a notebook’s own module')")
    (tmp_path / "mine.py").write_text("here = 'yes'")
    front = starting(cwd=str(tmp_path)).ready()
    assert front.run("import mine; mine.here").result == "'yes'"


def test_the_kernels_own_signs_are_ipykernels(shared: Front) -> None:
    """What libraries look at to know that they run in a notebook."""
    signs = {
        "type(get_ipython()).__name__": "ZMQInteractiveShell",
        "type(get_ipython()).__module__": "ipykernel.zmqshell",
        "sys.stdout.__class__.__module__": "ipykernel.iostream",
        "'IPKernelApp' in get_ipython().config": True,
        "__import__('ipykernel.connect').get_connection_file().endswith('.json')": True,
        "os.environ['MPLBACKEND']": "module://matplotlib_inline.backend_inline",
        "sys.stdout.isatty()": False,
        "sys.stdout.encoding": "UTF-8",
        "isinstance(sys.stdout, __import__('ipykernel.iostream').iostream.OutStream)": True,
        "sorted(thread.name for thread in threading.enumerate() if thread.name == 'Control')": ["Control"],
    }
    shared.run("import os, sys, threading")
    for expression, value in signs.items():
        assert eval(shared.run(expression).result) == value, expression


def test_a_missing_connection_file_is_made_for_its_owner_alone_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "cellheap", "-f", str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if f"--existing {file}" in line:
            break
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    client.shutdown()
    assert process.wait(PATIENCE) == 0
    client.stop_channels()
    assert not file.exists()
