"""Much at once: output that nobody reads yet, queues, large buffers. Nothing is lost, nothing is kept."""

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from tests.notebook.front import PATIENCE, Front

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
        lines = 15_000
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

    def test_queued_executes_are_answered_in_order(self, fresh: Front) -> None:
        count = 2000
        requests = [fresh.client.execute(f"print({n}); {n}") for n in range(count)]
        replies = [fresh.client.get_shell_msg(timeout=PATIENCE) for _ in requests]
        assert [reply["parent_header"]["msg_id"] for reply in replies] == requests


class TestBuffers:
    """Large buffers of comms."""

    def test_a_large_buffer_passes_both_ways(self, fresh: Front) -> None:
        size = 40_000_000
        fresh.run(
            "import comm, zlib\n"
            "def opened(c, message):\n"
            "    (buffer,) = message['buffers']\n"
            "    c.send({'size': len(buffer), 'sum': zlib.crc32(buffer)}, buffers=[buffer])\n"
            "comm.get_comm_manager().register_target('echo', opened)"
        )
        payload = os.urandom(MIB) * (size // MIB)
        session = fresh.client.session
        message = session.msg("comm_open", {"comm_id": "a", "target_name": "echo", "data": {}})
        session.send(fresh.client.shell_channel.socket, message, buffers=[payload])
        answer = fresh.published(lambda m: m["msg_type"] == "comm_msg")

        assert answer["content"]["data"] == {"size": len(payload), "sum": zlib.crc32(payload)}
        assert bytes(answer["buffers"][0]) == payload


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
