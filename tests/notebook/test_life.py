"""Interrupts, processes and the end: what signals, forks and parents do to a kernel."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from tests.notebook.front import PATIENCE, Front


def wait_for_sleep(front: Front) -> None:
    """Until the main thread waits in the system. A signal just before is CPython's to lose: it asks, then waits."""
    pid = front.manager.provisioner.pid  # type: ignore[union-attr]
    while Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()


class TestInterrupt:
    """Interrupts, by signal and by message."""

    @pytest.fixture(params=["signal", "message"])
    def interrupt(self, request: pytest.FixtureRequest, shared: Front) -> Callable[[], None]:
        if request.param == "signal":
            return lambda: os.kill(shared.manager.provisioner.pid, signal.SIGINT)  # type: ignore[union-attr]

        def send() -> None:
            assert shared.command("interrupt_request")["status"] == "ok"

        return send

    @pytest.mark.parametrize(
        ("code", "error", "waits"),
        [
            ("import time; print('begun', flush=True); time.sleep(60)", "KeyboardInterrupt", True),
            ("print('begun', flush=True)\nwhile True: pass", "KeyboardInterrupt", False),
            ("print('begun', flush=True); sum(1 for _ in iter(int, 1))", "KeyboardInterrupt", False),
            (
                "import asyncio; print('begun', flush=True); await asyncio.sleep(60)",
                "CancelledError",
                False,
            ),
            (
                "import threading; print('begun', flush=True); threading.Event().wait()",
                "KeyboardInterrupt",
                True,
            ),
        ],
        ids=["sleep", "loop", "builtin", "await", "lock"],
    )
    def test_it_ends_a_cell(
        self, shared: Front, interrupt: Callable[[], None], code: str, error: str, waits: bool
    ) -> None:
        request = shared.client.execute(code)
        shared.says("begun")
        if waits:
            wait_for_sleep(shared)
        interrupt()
        ran = shared.done(request)
        assert ran.status == "error"
        assert ran.reply["content"]["ename"] == error
        assert shared.run("'alive'").result == "'alive'"

    def test_it_ends_a_question(self, shared: Front, interrupt: Callable[[], None]) -> None:
        request = shared.client.execute("input('? ')", allow_stdin=True)
        assert shared.asked()["prompt"] == "? "
        interrupt()
        ran = shared.done(request)
        assert ran.reply["content"]["ename"] == "KeyboardInterrupt"
        assert shared.run("'alive'").result == "'alive'"

    def test_it_does_nothing_while_no_cell_runs(self, shared: Front, interrupt: Callable[[], None]) -> None:
        interrupt()
        assert shared.run("'alive'").result == "'alive'"


class TestProcesses:
    """Forks, children, parents."""

    def test_a_forked_child_prints_into_the_cell_and_ends_with_it(self, shared: Front) -> None:
        before = shared.process_id()
        ran = shared.run(
            "import os\n"
            "child = os.fork()\n"
            "if child == 0: print('from the child')\n"
            "else: print('status', os.waitpid(child, 0)[1])"
        )
        assert sorted(ran.text().splitlines()) == ["from the child", "status 0"]
        assert ran.kinds.count("idle") == 1
        assert shared.process_id() == before

    def test_a_forked_child_displays_into_the_cell(self, shared: Front) -> None:
        ran = shared.run(
            "import os\n"
            "from IPython.display import HTML, display\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    display(HTML('<b>child</b>')); os._exit(7)\n"
            "os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])"
        )
        assert ran.of("display_data")[0]["data"]["text/html"] == "<b>child</b>"
        assert ran.result == "7"

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_multiprocessing_works(self, shared: Front, method: str) -> None:
        ran = shared.run(
            "import math, multiprocessing\n"
            f"context = multiprocessing.get_context('{method}')\n"
            "with context.Pool(2) as pool: squares = pool.map(math.factorial, range(5))\n"
            f"worker = context.Process(target=print, args=('printed by {method}',))\n"
            "worker.start(); worker.join()\n"
            "squares, worker.exitcode"
        )
        assert ran.result == "([1, 1, 2, 6, 24], 0)"
        assert ran.text() == f"printed by {method}\n"

    def test_a_child_cannot_ask(self, shared: Front) -> None:
        ran = shared.run(
            "import os\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    try: input()\n"
            "    except Exception as error: print(type(error).__name__)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0);",
            allow_stdin=True,
        )
        assert ran.text() == "StdinNotImplementedError\n"

    @pytest.mark.parametrize("seen", ["status", "stream"], ids=["as it starts", "as a cell runs"])
    def test_the_kernel_ends_when_its_parent_is_killed_and_leaves_no_black_box(self, seen: str) -> None:
        parent = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from jupyter_client.manager import start_new_kernel as start\n"
                "manager, client = start(kernel_name='cellheap')\n"
                "client.execute('print(1); import time; time.sleep(3600)')\n"
                f"while client.get_iopub_msg(timeout={PATIENCE})['msg_type'] != {seen!r}: pass\n"
                "print(manager.provisioner.pid, manager.connection_file, flush=True); input()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert parent.stdout is not None
        number, file = parent.stdout.readline().decode().split()
        connection = Path(file)
        box = connection.with_name(f".{connection.name}.blackbox")
        assert box.exists() or seen == "status"
        kernel = os.pidfd_open(int(number))
        parent.kill()
        poller = zmq.Poller()
        poller.register(kernel, zmq.POLLIN)
        assert poller.poll(PATIENCE * 1000), "the kernel outlives its parent"
        assert not box.exists(), "nobody died of memory"
        connection.unlink()
        parent.communicate()


class TestEnd:
    """Shutdown and restart."""

    def test_exit_handlers_run_and_are_heard(self, fresh: Front) -> None:
        fresh.run("import atexit; atexit.register(print, 'the last word', flush=True);")
        reply = fresh.command("shutdown_request", restart=False)
        assert reply == {"status": "ok", "restart": False}
        fresh.says("the last word")
        assert fresh.manager.provisioner.process.wait(PATIENCE) == 0  # type: ignore[union-attr]

    def test_nothing_is_imported_for_it(self, fresh: Front) -> None:
        """Whoever restarts a kernel waits for its end: with what sends by ZeroMQ and what looks through all of the
        system's processes that took twice as long."""
        fresh.run("import atexit, sys; before = set(sys.modules)")
        fresh.run("atexit.register(lambda: print('new:', *sys.modules.keys() - before, flush=True));")
        fresh.command("shutdown_request", restart=True)
        told = fresh.published(lambda m: "new:" in m["content"].get("text", ""))
        assert told["content"]["text"].strip() == "new:"

    def test_shutdown_is_announced_on_iopub(self, fresh: Front) -> None:
        fresh.command("shutdown_request", restart=True)
        announced = fresh.published(lambda m: m["msg_type"] == "shutdown_reply")
        assert announced["content"]["restart"] is True

    def test_history_outlives_a_restart(self, fresh: Front) -> None:
        fresh.run("remembered = 'across restarts'")
        fresh.manager.restart_kernel()
        fresh.ready()
        ran = fresh.run("remembered")
        assert ran.reply["content"]["ename"] == "NameError"
        request = fresh.client.history(hist_access_type="search", pattern="remembered =*", raw=True, n=1)
        assert [entry[2] for entry in fresh.done(request).reply["content"]["history"]] == [
            "remembered = 'across restarts'"
        ]

    def test_cells_run_on_while_the_history_cannot_be_written(self, fresh: Front) -> None:
        """Another process holds the database; what was typed meanwhile is saved when it lets go."""
        file = fresh.run("print(get_ipython().history_manager.hist_file)").text().strip()
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            typed = [f"'while it is held', {n}" for n in range(20)]
            assert [fresh.run(code).status for code in typed] == ["ok"] * len(typed)
            database.execute("ROLLBACK")
        fresh.manager.restart_kernel()
        fresh.ready()
        request = fresh.client.history(hist_access_type="search", pattern="'while it is held'*", raw=True)
        assert [entry[2] for entry in fresh.done(request).reply["content"]["history"]] == typed

    def test_exit_in_a_cell_ends_the_kernel(self, fresh: Front) -> None:
        assert fresh.run("exit").reply["content"]["payload"][0]["source"] == "ask_exit"
        assert fresh.manager.provisioner.process.wait(PATIENCE) == 0  # type: ignore[union-attr]
