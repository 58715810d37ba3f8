"""Much at once: output that nobody reads yet, queues, large buffers, restarts. Nothing is lost, nothing is kept.

`make load` runs the sizes that take minutes and judges times; without it the same tests are smaller.
"""

import os
import random
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.notebook.front import PATIENCE, Front, start, stop

LOAD = "CELLHEAP_LOAD" in os.environ
MIB = 1 << 20


def status(pid: int, field: str) -> int:
    """Bytes of a field of the kernel's status: VmRSS, or VmHWM, which begins anew with each cell."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


@contextmanager
def subscriber(front: Front, queue: int) -> Iterator[zmq.Socket[bytes]]:
    """A subscriber of iopub whose own queue holds so many messages. It has heard its welcome."""
    info = front.manager.get_connection_info()
    with zmq.Context() as context, context.socket(zmq.SUB) as reader:
        reader.setsockopt(zmq.LINGER, 0)
        reader.setsockopt(zmq.RCVHWM, queue)
        reader.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
        reader.subscribe(b"")
        assert reader.poll(PATIENCE * 1000), "no welcome"
        reader.recv_multipart()
        yield reader


def streamed(front: Front, request: str) -> int:
    """How many characters a request prints, up to its idle, none of them kept."""
    total = 0
    while True:
        message = front.client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["content"].get("name") == "stdout":
            total += len(message["content"]["text"])
        if message["content"].get("execution_state") == "idle":
            return total


class TestLateReaders:
    """Output for front ends that read late, or never."""

    def test_lines_wait_for_a_reader_that_begins_late(self, fresh: Front) -> None:
        lines = 15_000 if LOAD else 3_000
        with subscriber(fresh, queue=1000) as late:
            ran = fresh.run(f"for n in range({lines}): print(n, 'x' * 600, flush=True)")
            assert ran.status == "ok"
            text, states = "", [""]
            session = fresh.client.session
            while states[-1] != "idle":
                assert late.poll(PATIENCE * 1000), "the rest was lost"
                _, parts = session.feed_identities(late.recv_multipart())
                # Each client checks for replays; these were seen by the other one already.
                content = session.unpack(parts[4])
                text += content.get("text", "")
                states += [content[key] for key in ("execution_state",) if key in content]
            assert text == "".join(f"{n} {'x' * 600}\n" for n in range(lines))

    def test_who_never_reads_costs_the_others_nothing_and_the_kernel_a_bounded_sum(
        self, fresh: Front, tmp_path: Path
    ) -> None:
        self._one_of_three_never_reads(fresh)
        assert "it does not read" in (tmp_path / "log").read_text()

    def _one_of_three_never_reads(self, front: Front) -> None:
        pid = front.process_id()
        other = front.another()
        front.run("line = 'x' * 999_999")
        before = status(pid, "VmRSS")
        with subscriber(front, queue=1):
            request = front.client.execute("for _ in range(200): print(line)")
            assert streamed(front, request) == 200_000_000
            # Cells begin the high-water mark anew, and none has begun since.
            peak = status(pid, "VmHWM")
            assert streamed(other, request) == 200_000_000
            front.reply(request)
        assert peak - before <= 128 * MIB, f"{(peak - before) / MIB:.0f} MiB"
        # The kernel learns by and by that the subscriber has gone, and what waited for it goes then.
        deadline = time.monotonic() + 20
        while (after := status(pid, "VmRSS")) - before > 16 * MIB and time.monotonic() < deadline:
            assert front.run("'alive'").result == "'alive'"
        print(f"peak +{(peak - before) / MIB:.0f} MiB, after +{(after - before) / MIB:.0f} MiB")
        assert after - before <= 16 * MIB, f"{(after - before) / MIB:.0f} MiB stay"
        other.close()

    def test_a_writer_that_waits_can_be_interrupted(self, fresh: Front) -> None:
        """All front ends stand still: the cell waits, and Ctrl-C ends it."""
        with subscriber(fresh, queue=1):
            request = fresh.client.execute("n = 0\nwhile True: print('x' * 1_000_000); n += 1")
            fresh.says("x")
            assert fresh.command("interrupt_request") == {"status": "ok"}
            assert fresh.done(request).reply["content"]["ename"] == "KeyboardInterrupt"


class TestQueues:
    """Requests by the thousand."""

    def test_queued_executes_are_answered_in_order(self, shared: Front) -> None:
        count = 2000 if LOAD else 300
        requests = [shared.client.execute(f"print({n}); {n}") for n in range(count)]
        replies = [shared.client.get_shell_msg(timeout=PATIENCE) for _ in requests]
        assert [reply["parent_header"]["msg_id"] for reply in replies] == requests
        shown: list[str] = []
        while len(shown) < count:
            message = shared.client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "execute_result":
                shown.append(message["content"]["data"]["text/plain"])
        assert shown == [str(n) for n in range(count)]

    def test_a_session_of_many_cells_does_not_grow(self, shared: Front) -> None:
        cells = 10_000 if LOAD else 200
        pid = shared.process_id()

        def after(count: int) -> int:
            for _ in range(count):
                shared.run("total = sum(range(10)); total;", store_history=False)
            return status(pid, "VmRSS")

        before = after(100)
        grown = after(cells) - before
        print(f"{cells} cells: {grown / cells:.0f} bytes a cell")
        # The record of a finished cell takes 512 bytes at most. Pages are counted whole.
        assert grown <= cells * 512 + 4 * MIB


class TestBuffers:
    """Large buffers of comms."""

    def test_a_large_buffer_passes_both_ways(self, shared: Front) -> None:
        size = 200_000_000 if LOAD else 40_000_000
        shared.run(
            "import comm, zlib\n"
            "def opened(c, message):\n"
            "    (buffer,) = message['buffers']\n"
            "    c.send({'size': len(buffer), 'sum': zlib.crc32(buffer)}, buffers=[buffer])\n"
            "comm.get_comm_manager().register_target('echo', opened)"
        )
        payload = os.urandom(MIB) * (size // MIB)
        session = shared.client.session
        message = session.msg("comm_open", {"comm_id": "a", "target_name": "echo", "data": {}})
        session.send(shared.client.shell_channel.socket, message, buffers=[payload])
        answer = shared.published(lambda m: m["msg_type"] == "comm_msg")

        assert answer["content"]["data"] == {"size": len(payload), "sum": zlib.crc32(payload)}
        assert bytes(answer["buffers"][0]) == payload


class TestLives:
    """Many kernels, and many children of one."""

    def test_restarts_leave_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        runtime = tmp_path / "runtime"
        runtime.mkdir(mode=0o700)
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
        front = start(tmp_path / "log").ready()
        manager, processes = front.manager, []
        try:
            for _ in range(20 if LOAD else 2):
                processes.append(front.process_id())
                # The second has copies of the kernel's sockets.
                for child in ("__import__('subprocess').Popen(['sleep', '1000']).pid", "os.fork()"):
                    front.run(f"child = {child}\nif child == 0: __import__('time').sleep(1000)")
                    processes.append(int(front.run("child").result))
                manager.restart_kernel(now=False)
                front.ready()
            ports = [manager.shell_port, manager.iopub_port, manager.stdin_port]
            ports += [manager.control_port, manager.hb_port]
            manager.shutdown_kernel(now=False)
        finally:
            stop(front)
        assert [pid for pid in processes if Path(f"/proc/{pid}/exe").exists()] == []
        assert list(runtime.iterdir()) == []
        for port in ports:
            with socket.socket() as free:
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                free.bind(("127.0.0.1", port))

    def test_the_output_of_many_forked_children_arrives(self, shared: Front) -> None:
        ran = shared.run(
            "import os\n"
            "children = []\n"
            "for n in range(20):\n"
            "    child = os.fork()\n"
            "    if child == 0:\n"
            "        for line in range(200): print(n, line)\n"
            "        print(end='', flush=True); os._exit(0)\n"
            "    children.append(child)\n"
            "for child in children: os.waitpid(child, 0)"
        )
        said = ran.text().splitlines()
        assert sorted(said) == sorted(f"{n} {line}" for n in range(20) for line in range(200))


def test_a_client_that_pings_stays_connected(fresh: Front) -> None:
    """libzmq drops a connection on which its PING is not answered."""
    info = fresh.manager.get_connection_info()
    with zmq.Context() as context, context.socket(zmq.DEALER) as pinging:
        monitor = pinging.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        for option, value in (
            (zmq.HEARTBEAT_IVL, 50),
            (zmq.HEARTBEAT_TIMEOUT, 500),
            (zmq.HEARTBEAT_TTL, 500),
            (zmq.LINGER, 0),
        ):
            pinging.setsockopt(option, value)
        pinging.connect(f"tcp://{info['ip']}:{info['shell_port']}")
        assert not monitor.poll(2000), "the kernel or libzmq ended the connection"
        session = fresh.client.session
        session.send(pinging, session.msg("kernel_info_request", {}))
        assert pinging.poll(PATIENCE * 1000)
        pinging.disable_monitor()


# C code that keeps Python's lock for as long as the test needs.
HOLDING = {
    "sleep": "import ctypes; ctypes.PyDLL(None).sleep(1000)",
    "re": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "sum": "sum(range(10**10))",
}


@pytest.mark.parametrize("code", HOLDING if LOAD else ["sleep"])
def test_control_is_answered_while_c_code_holds_the_lock(code: str, starting: Callable[..., Front]) -> None:
    """By the wire itself. The last, the shutdown, shows that no Python has run: the kernel has not ended."""
    front = starting().ready()
    pid = front.process_id()
    request = front.client.execute(f"print('begun', flush=True); {HOLDING[code]}; print('returned')")
    front.says("begun")
    took: dict[str, float] = {}

    def ask(kind: str, **content: object) -> dict[str, Any]:
        since = time.perf_counter()
        reply = front.command(kind, **content)
        took[kind] = max(took.get(kind, 0), time.perf_counter() - since)
        return reply

    for _ in range(20):
        assert ask("kernel_info_request")["status"] == "ok"
        assert ask("usage_request")["pid"] == pid
    assert ask("shutdown_request", restart=False) == {"status": "ok", "restart": False}
    assert not front.has_ended(request)
    assert ask("interrupt_request") == {"status": "ok"}
    print(f"while {code} holds the lock, ms:", {kind: round(most * 1000, 1) for kind, most in took.items()})
    assert not LOAD or max(took.values()) <= 0.05


@pytest.mark.parametrize("channel", ["shell", "iopub", "stdin", "control", "hb"])
def test_random_bytes_are_nobodys_business(shared: Front, channel: str) -> None:
    info: dict[str, Any] = dict(shared.manager.get_connection_info())
    noise = random.Random(channel)
    greeting = b"\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL" + bytes(48)
    until = time.monotonic() + 10
    strangers = 0
    while time.monotonic() < until if LOAD else strangers < 20:
        strangers += 1
        with socket.create_connection((info["ip"], info[f"{channel}_port"])) as stranger:
            # Some get as far as the first command.
            begin = greeting if noise.random() < 0.5 else b""
            try:
                for _ in range(noise.randrange(1, 20)):
                    stranger.sendall(begin + noise.randbytes(noise.randrange(1, 2000)))
                    begin = b""
            except OSError:
                pass  # Dropped, as it should be.
    assert shared.run("'alive'").result == "'alive'"
    assert shared.command("kernel_info_request")["status"] == "ok"
    assert shared.beat() == b"alive?"
