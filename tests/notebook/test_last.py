"""The black box: a kernel that is killed or crashes tells at its next start what it was doing. Real kernels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file
from jupyter_client.manager import KernelManager

from tests.notebook.deaths import Mortal, again, die, last_words, left_beside, process_of, wait_for_end
from tests.notebook.front import Front, start, stop

Starting = Callable[..., Front]

#: Cells that end the process on their third line, and what is said of them.
ENDS = {
    "kill": (
        "import os, signal\nbig = bytearray(50_000_000)\nos.kill(os.getpid(), signal.SIGKILL)",
        "was killed",
    ),
    "segv": ("import ctypes\nbig = bytearray(50_000_000)\nctypes.string_at(0)", "crashed (SIGSEGV)"),
    "abort": ("import os\nbig = bytearray(50_000_000)\nos.abort()", "crashed (SIGABRT)"),
    "bus": (
        "import ctypes, mmap, tempfile\nf = tempfile.TemporaryFile(); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096); f.truncate(0)\nm[0]",
        "crashed (SIGBUS)",
    ),
}


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    kernel = Mortal(start(tmp_path_factory.mktemp("mortal") / "log").ready())
    yield kernel
    stop(kernel.front)


@pytest.mark.parametrize("end", ENDS)
def test_the_next_start_tells_the_cell_and_the_line_once(mortal: Mortal, end: str) -> None:
    cell, said = ENDS[end]
    number = mortal.next
    told = mortal.dies(cell)
    assert said in told, told
    assert f"in {number}, line 3, " in told, told
    assert last_words(mortal.front.run("y = 3")) == ""
    assert last_words(mortal.front.run("%memtrace last")) == told
    assert mortal.front.run("import cellheap; cellheap.last().line").result == "3"


def test_an_end_by_exit_looks_like_a_kill(mortal: Mortal) -> None:
    """Its line asked for no memory, and nobody looked in time: the cell is known for sure."""
    number = mortal.next
    told = mortal.dies("import os\nbig = bytearray(50_000_000)\nos._exit(0)")
    assert f"was killed in {number}, line " in told, told
    assert "or code called os._exit" in told, told


def test_the_line_of_a_function_of_another_cell_is_told(mortal: Mortal) -> None:
    where = mortal.next
    mortal.front.run("import ctypes\ndef f(n):\n    return ctypes.string_at(n)")
    number = mortal.next
    told = mortal.dies("def g():\n    f(0)\n\ng()")
    assert f"crashed (SIGSEGV) in {number}, {where}, line 3 in f" in told, told


def test_a_thread_that_crashes_is_the_one_that_is_told_of(mortal: Mortal) -> None:
    number = mortal.next
    told = mortal.dies(
        "import ctypes, threading\ndef work():\n    x = 1\n    ctypes.string_at(0)\nt = threading.Thread(target=work)\nt.start()\nt.join()"
    )
    assert f"crashed (SIGSEGV) in {number}, line 4 in work" in told, told


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="3.12 counts calls through C, and ends them before the stack does"
)
def test_a_stack_that_overflows_is_told_of(mortal: Mortal) -> None:
    """A handler has a stack of its own."""
    cell = """import ctypes, resource, sys
def deeper():
    back()
back = ctypes.CFUNCTYPE(None)(deeper)
sys.setrecursionlimit(10**6)
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
back()"""
    number = mortal.next
    told = mortal.dies(cell)
    assert f"crashed (SIGSEGV) in {number}, line 3 in deeper" in told, told


def test_kill_from_outside_tells_where_the_cell_stood(fresh: Front) -> None:
    """The line is looked at while it runs: a cell that waits on a line is found there."""
    fresh.client.execute("import time\nprint('here', flush=True)\ntime.sleep(3600)")
    fresh.says("here")
    seen_standing(fresh, 3)
    os.kill(process_of(fresh).pid, signal.SIGKILL)
    wait_for_end(fresh)
    second = again(fresh)
    told = last_words(second.run("1"))
    second.close()
    assert "was killed in In[1], line 3, " in told, told


def seen_standing(front: Front, line: int) -> None:
    """Until the box itself says that line: its page is text."""
    box = Path(front.manager.connection_file).parent / left_beside(front)[0]
    while f'"line":{line},'.encode() not in box.read_bytes():
        os.sched_yield()


def test_faulthandler_says_what_it_says_and_the_box_too(starting: Starting, tmp_path: Path) -> None:
    for when in ("before", "after"):
        environment = {**os.environ, **({"PYTHONFAULTHANDLER": "1"} if when == "before" else {})}
        front = starting(env=environment).ready()
        if when == "after":
            front.run("import faulthandler, sys; faulthandler.enable(file=sys.__stderr__)")
        front.run("import ctypes")
        die(front, "x = 1\nctypes.string_at(0)")
        second = again(front)
        told = last_words(second.run("1"))
        second.close()
        assert "crashed (SIGSEGV) in In[2" in told or "crashed (SIGSEGV) in In[3" in told, (when, told)
        assert "line 2, " in told, (when, told)
        assert "Fatal Python error: Segmentation fault" in (tmp_path / "log").read_text(), when
        (tmp_path / "log").write_text("")


def test_a_signal_that_the_user_handles_is_no_crash(fresh: Front) -> None:
    ran = fresh.run(
        "import os, signal\nseen = []\nsignal.signal(signal.SIGFPE, lambda *a: seen.append(a[0]))\nos.kill(os.getpid(), signal.SIGFPE)\nseen"
    )
    assert ran.result == "[<Signals.SIGFPE: 8>]" or ran.result == "[8]"
    assert fresh.run("1 + 1").result == "2"


@pytest.mark.parametrize("end", ["shutdown", "restart", "term", "interrupt", "quit"])
def test_an_end_that_was_asked_for_leaves_nothing(fresh: Front, end: str) -> None:
    fresh.run("x = 1")
    assert len(left_beside(fresh)) == 1
    process = process_of(fresh)
    if end in ("shutdown", "restart"):
        assert fresh.command("shutdown_request", restart=end == "restart")["status"] == "ok"
    elif end == "term":
        process.send_signal(signal.SIGTERM)
    elif end == "interrupt":
        fresh.manager.interrupt_kernel()
        assert fresh.run("2").status == "ok"
        fresh.command("shutdown_request", restart=False)
    else:
        fresh.client.execute("quit()")
        fresh.command("shutdown_request", restart=False)
    wait_for_end(fresh)
    assert left_beside(fresh) == []


def test_a_server_that_loses_patience_tells_nothing_of_it(fresh: Front) -> None:
    """A cell holds Python's lock: the server sends SIGTERM, then SIGKILL."""
    fresh.client.execute("print('here', flush=True)\nsum(range(10**12))")
    fresh.says("here")
    process_of(fresh).send_signal(signal.SIGTERM)
    wait_for_end(fresh)
    assert left_beside(fresh) == []


def test_words_that_nobody_read_are_told_by_the_start_after(fresh: Front) -> None:
    """A server starts a dead kernel by itself; the person then restarts it before running anything."""
    die(fresh, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    second = again(fresh)
    second.command("shutdown_request", restart=True)
    wait_for_end(second)
    third = again(second)
    told = last_words(third.run("1"))
    assert "was killed in In[1], line 2, " in told, told
    third.command("shutdown_request", restart=False)
    wait_for_end(third)
    assert left_beside(third) == []
    third.close()


def test_two_kernels_do_not_mix(starting: Starting) -> None:
    one, two = starting().ready(), starting().ready()
    one.run("a = 1")
    two.run("b = 1")
    two.run("b = 2")
    die(one, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    die(two, "import os\n\nos.abort()")
    again_one, again_two = again(one), again(two)
    told = [last_words(front.run("1")) for front in (again_one, again_two)]
    again_one.close()
    again_two.close()
    assert "was killed in In[2], line 2, " in told[0], told
    assert "crashed (SIGABRT) in In[3], line 3, " in told[1], told


def test_the_box_holds_names_of_code_and_no_data(fresh: Front) -> None:
    fresh.run("secret = 'do not tell' * 1000\nnames = [secret.upper() for _ in range(100)]")
    box = Path(fresh.manager.connection_file).parent / left_beside(fresh)[0]
    assert box.stat().st_mode & 0o777 == 0o600
    text = box.read_bytes()
    assert b"In[1]" in text
    assert b"do not tell" not in text
    assert b"secret" not in text


def test_a_forked_child_that_dies_is_nobodys_end(mortal: Mortal) -> None:
    mortal.front.run(
        "import os, signal\nfor end in (signal.SIGTERM, signal.SIGSEGV):\n    child = os.fork()\n    if not child:\n        os.kill(os.getpid(), end)\n    os.waitpid(child, 0)"
    )
    assert len(left_beside(mortal.front)) == 1
    number = mortal.next
    told = mortal.dies("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert f"was killed in {number}, line 2, " in told, told


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")
@pytest.mark.parametrize("folder", ["full", "read-only"])
def test_without_room_there_is_one_line_and_no_box(folder: str, tmp_path: Path) -> None:
    mount = tmp_path / "runtime"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", mount], check=True)
    log = tmp_path / "log"
    try:
        file = mount / "kernel.json"
        write_connection_file(str(file))
        if folder == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
        command = [sys.executable, "-m", "cellheap", "-f", str(file)]
        with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
            manager = KernelManager(connection_file=str(file))
            manager.load_connection_file()
            front = Front(manager).ready()
            assert front.run("x = bytearray(10**6)\n1 + 1").result == "2"
            said = front.run("%memtrace last").text()
            assert "nothing to tell. No black box is written" in said
            assert left_beside(front) == []
            front.close()
            process.terminate()
        (line,) = (line for line in log.read_text().splitlines() if "black box" in line)
        assert line.startswith("cellheap: No black box is written: ")
    finally:
        subprocess.run(["umount", mount], check=True)


def test_under_load_ext_the_box_lies_beside_that_kernels_file() -> None:
    front = start(kernel_name="python3").ready()
    try:
        front.run("%load_ext cellheap")
        front.run("x = 1")
        die(front, "import ctypes\nctypes.string_at(0)")
        second = again(front)
        assert last_words(second.run("x = 1")) == ""
        told = last_words(second.run("%load_ext cellheap"))
        second.close()
        assert "crashed (SIGSEGV) in In[3], line 2, " in told, told
    finally:
        front.manager.shutdown_kernel(now=True)


def test_an_extension_that_is_loaded_again_tells_of_no_other_kernel() -> None:
    front = start(kernel_name="python3").ready()
    try:
        front.run("%load_ext cellheap")
        assert last_words(front.run("%reload_ext cellheap")) == ""
        front.run("%unload_ext cellheap")
        assert last_words(front.run("%load_ext cellheap")) == ""
        assert last_words(front.run("x = 1")) == ""
        die(front, "import ctypes\nctypes.string_at(0)")
        second = again(front)
        told = last_words(second.run("%load_ext cellheap"))
        second.close()
        assert "crashed (SIGSEGV) in In[6], line 2, " in told, told
    finally:
        front.manager.shutdown_kernel(now=True)


def test_in_a_terminal_it_says_what_is_not_there() -> None:
    code = "get_ipython().run_line_magic('memtrace', 'last')"
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--ext=cellheap", "--no-banner", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "nothing to tell" in ran.stdout
    assert "there is none here" in ran.stdout


def test_last_is_data(mortal: Mortal) -> None:
    mortal.dies("import os\nbig = bytearray(30_000_000)\nos.abort()")
    last = json.loads(mortal.front.run("last = %memtrace last\nprint(last.json)").text())
    assert last["kind"] == "last"
    assert last["end"] == "crashed"
    assert last["signal"] == "SIGABRT"
    assert last["now"]["place"]["line"] == 3
    assert last["now"]["live"] >= 30_000_000
    assert last["now"]["rss"] >= 30_000_000
    assert last["words"]["limits"][0]["bytes"] > 0
