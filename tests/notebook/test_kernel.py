"""What a cell may do, and what its front end sees of it."""

from collections.abc import Iterator

import pytest
from jupyter_client.manager import KernelManager

from tests.notebook.front import Front, stop

# C code that keeps the interpreter's lock.
IN_C = "import ctypes; print('begun', flush=True); ctypes.PyDLL(None).sleep(3)"


class TestOutput:
    """Text from everywhere."""

    def test_what_c_and_child_processes_write_is_the_cells(self, shared: Front) -> None:
        ran = shared.run(
            "import ctypes, os, subprocess\n"
            "os.write(1, b'by descriptor\\n')\n"
            "os.system('echo by a shell; echo by its stderr >&2')\n"
            "subprocess.run(['echo', 'by a child'])\n"
            "ctypes.CDLL(None).printf(b'by printf\\n');"
        )
        assert sorted(ran.text().splitlines()) == ["by a child", "by a shell", "by descriptor", "by printf"]
        assert ran.text("stderr") == "by its stderr\n"

    def test_what_c_wrote_comes_before_what_is_printed_after_it(self, shared: Front) -> None:
        ran = shared.run(
            "import ctypes, os\n"
            "for n in range(50):\n"
            "    ctypes.CDLL(None).printf(b'C %d\\n', n); print('Python', n); os.write(1, b'descriptor\\n')"
        )
        assert ran.text() == "".join(f"C {n}\nPython {n}\ndescriptor\n" for n in range(50))

    def test_system_commands_show_their_output_and_code(self, shared: Front) -> None:
        ran = shared.run("!echo shown; exit 3\n_exit_code")
        assert ran.text().split() == ["shown"]
        assert ran.result == "3"

    def test_a_thread_that_outlives_its_cell_prints_into_the_latest(self, shared: Front) -> None:
        shared.run(
            "import threading\n"
            "go, done = threading.Event(), threading.Event()\n"
            "def work():\n"
            "    print('first')\n"
            "    go.wait(); print('second'); done.set()\n"
            "thread = threading.Thread(target=work); thread.start()"
        )
        assert shared.run("go.set(); done.wait();").text() == "second\n"

    def test_an_asyncio_task_prints_into_its_own_cell(self, shared: Front) -> None:
        request = shared.client.execute(
            "import asyncio\n"
            "go = asyncio.Event()\n"
            "async def work():\n"
            "    await go.wait(); print('from the task')\n"
            "task = asyncio.ensure_future(work())"
        )
        shared.done(request)
        shared.run("go.set(); await task")
        late = shared.published(lambda m: m["content"].get("text") == "from the task\n")
        assert late["parent_header"]["msg_id"] == request

    def test_streams_are_files_as_ipykernels_are(self, shared: Front) -> None:
        ran = shared.run(
            "import io, sys\n"
            "assert sys.stdout.writable() and not sys.stdout.isatty() and not sys.stdout.closed\n"
            "assert sys.stdout.name == 'stdout' and sys.stderr.name == 'stderr'\n"
            "assert sys.stdout.write('four') == 4\n"
            "sys.stdout.writelines(['a', 'b'])\n"
            "print('\\ud800 lone', end='')\n"
            "try: sys.stdout.write(b'bytes')\n"
            "except TypeError: print(' refused', end='')"
        )
        assert ran.status == "ok"
        assert ran.text().startswith("fourab")
        assert ran.text().endswith(" lone refused")

    def test_a_closed_stream_refuses(self, fresh: Front) -> None:
        ran = fresh.run(
            "import sys; sys.stderr.close()\ntry: sys.stderr.write('x')\nexcept ValueError as e: print(e)"
        )
        assert "closed" in ran.text()

    def test_a_hook_sees_a_streams_messages(self, shared: Front) -> None:
        ran = shared.run(
            "import sys\n"
            "kept = []\n"
            "sys.stdout.register_hook(kept.append)\n"
            "print('kept', end='')\n"
            "sys.stdout.unregister_hook(kept.append)\n"
            "kept[0]['content']['text']"
        )
        assert ran.text() == ""
        assert ran.result == "'kept'"

    def test_third_parties_send_through_the_kernels_sockets(self, shared: Front) -> None:
        ran = shared.run(
            "kernel = get_ipython().kernel\n"
            "kernel.session.send(kernel.iopub_socket, 'display_data', {'data': {'text/plain': 'sent'},"
            " 'metadata': {}}, parent=kernel.get_parent(), ident=b'display_data',"
            " buffers=[b'ab', memoryview(b'c')])\n"
            "parts = kernel.session.serialize(kernel.session.msg('stream', {'name': 'stdout', 'text': 'raw'},"
            " parent=kernel.get_parent()), ident=b'stream')\n"
            "kernel.iopub_thread.send_multipart(parts)\n"
            "kernel.send_response(kernel.iopub_socket, 'stream', {'name': 'stderr', 'text': 'response'})"
        )
        (shown,) = (m for m in ran.published if m["msg_type"] == "display_data")
        assert [bytes(buffer) for buffer in shown["buffers"]] == [b"ab", b"c"]
        assert ran.text() == "raw"
        assert ran.text("stderr") == "response"

    def test_numpy_buffers_go_out_whole_and_noncontiguous_ones_are_refused(self, shared: Front) -> None:
        send = "kernel.session.send(kernel.iopub_socket, 'display_data', {'data': {}, 'metadata': {}},"
        ran = shared.run(
            "import numpy as np; kernel = get_ipython().kernel\n"
            f"{send} parent=kernel.get_parent(), buffers=[np.arange(3, dtype='<i4'), np.zeros((0, 2)),"
            " np.asfortranarray([[1, 2], [3, 4]], dtype='i1')])\n"
            f"try: {send} buffers=[np.arange(9)[::2]])\n"
            "except ValueError as error: print(error)"
        )
        (shown,) = (m for m in ran.published if m["msg_type"] == "display_data")
        sizes = [bytes(buffer) for buffer in shown["buffers"]]
        assert sizes == [b"\0\0\0\0\1\0\0\0\2\0\0\0", b"", b"\1\3\2\4"]
        assert "not contiguous" in ran.text()


class TestAwait:
    """Cells that await."""

    def test_context_variables_stay_from_cell_to_cell(self, shared: Front) -> None:
        shared.run("from contextvars import ContextVar; v = ContextVar('v'); v.set('kept');")
        assert shared.run("v.get()").result == "'kept'"

    def test_a_comm_message_arrives_while_a_cell_awaits_it(self, shared: Front) -> None:
        opening = shared.run(
            "import asyncio, comm\n"
            "arrived = asyncio.get_event_loop().create_future()\n"
            "c = comm.create_comm(target_name='t')\n"
            "def take(message):\n"
            "    print('handled')\n"
            "    arrived.set_result(message['content']['data'])\n"
            "c.on_msg(take)"
        )
        comm_id = opening.of("comm_open")[0]["comm_id"]
        request = shared.client.execute("print('awaiting', flush=True); (await arrived)['n'] + 1")
        queued = shared.client.execute("'after'")
        shared.says("awaiting")
        message = shared.client.session.msg("comm_msg", {"comm_id": comm_id, "data": {"n": 41}})
        shared.client.shell_channel.send(message)
        assert shared.done(request).result == "42"
        assert shared.done(queued).result == "'after'"
        shared.published(lambda m: m["content"].get("text") == "handled\n")

    def test_output_after_a_comm_message_is_still_the_cells(self, shared: Front) -> None:
        opening = shared.run(
            "import asyncio, comm\n"
            "came = asyncio.Event()\n"
            "c = comm.create_comm(target_name='t')\n"
            "c.on_msg(lambda message: came.set())"
        )
        comm_id = opening.of("comm_open")[0]["comm_id"]
        request = shared.client.execute("print('awaiting', flush=True); await came.wait(); print('mine')")
        shared.says("awaiting")
        shared.client.shell_channel.send(
            shared.client.session.msg("comm_msg", {"comm_id": comm_id, "data": {}})
        )
        assert "mine" in shared.done(request).text()

    def test_a_front_end_opens_a_comm_and_is_answered(self, shared: Front) -> None:
        shared.run(
            "import comm\n"
            "def opened(c, message):\n"
            "    c.send({'got': message['content']['data'], 'size': message['buffers'][0].nbytes},"
            " buffers=[message['buffers'][0]])\n"
            "comm.get_comm_manager().register_target('echo', opened)"
        )
        message = shared.client.session.msg(
            "comm_open", {"comm_id": "a", "target_name": "echo", "data": {"x": 1}}
        )
        shared.client.session.send(shared.client.shell_channel.socket, message, buffers=[b"\0" * 9])
        answer = shared.published(lambda m: m["msg_type"] == "comm_msg")
        assert answer["content"]["data"] == {"got": {"x": 1}, "size": 9}
        assert [bytes(buffer) for buffer in answer["buffers"]] == [b"\0" * 9]

    def test_a_guis_event_loop_gives_way_to_requests(self, fresh: Front) -> None:
        fresh.run(
            "import time\n"
            "from ipykernel.eventloops import register_integration\n"
            "turns = 0\n"
            "@register_integration('ours')\n"
            "def loop(kernel):\n"
            "    global turns\n"
            "    while not kernel.shell_stream.flush(limit=1):\n"
            "        turns += 1\n"
            "        if turns == 1: print('turning', flush=True)\n"
            "        time.sleep(kernel._poll_interval)"
        )
        fresh.run("%gui ours")
        fresh.says("turning")
        before = int(fresh.run("turns").result)
        assert before > 0
        # Those that wait when the loop is entered, also the one that is taken already.
        requests = [fresh.client.execute(str(n)) for n in range(100)]
        assert [fresh.done(request).result for request in requests] == [str(n) for n in range(100)]
        fresh.run("%gui")
        assert fresh.run("'after'").result == "'after'"


class TestLock:
    """What is answered while a cell holds the interpreter's lock."""

    def test_heartbeat_and_control_are_answered(self, shared: Front) -> None:
        request = shared.client.execute(IN_C)
        shared.says("begun")
        assert shared.beat(patience=1) == b"alive?"
        assert shared.command("kernel_info_request")["status"] == "ok"
        assert shared.done(request).status == "ok"


class TestQuestions:
    """input and getpass."""

    def test_input_asks_and_returns_the_answer(self, shared: Front) -> None:
        request = shared.client.execute("print('before'); input('name? ')", allow_stdin=True)
        assert shared.asked() == {"prompt": "name? ", "password": False}
        shared.client.input("Ada")
        assert shared.done(request).result == "'Ada'"

    def test_getpass_asks_for_a_password(self, shared: Front) -> None:
        request = shared.client.execute("import getpass; getpass.getpass('word? ')", allow_stdin=True)
        assert shared.asked() == {"prompt": "word? ", "password": True}
        shared.client.input("secret")
        assert shared.done(request).result == "'secret'"

    def test_an_answer_that_came_unasked_is_forgotten(self, shared: Front) -> None:
        shared.client.input("stale")
        # Another socket, so it may be late: what is answered after it has come after it.
        shared.run("1")
        request = shared.client.execute("input()", allow_stdin=True)
        shared.asked()
        shared.client.input("fresh")
        assert shared.done(request).result == "'fresh'"

    def test_end_of_file_is_an_eof_error(self, shared: Front) -> None:
        request = shared.client.execute("input()", allow_stdin=True)
        shared.asked()
        shared.client.input("\x04")
        assert shared.done(request).reply["content"]["ename"] == "EOFError"

    def test_a_front_end_that_cannot_be_asked_is_not(self, shared: Front) -> None:
        ran = shared.run("input()", allow_stdin=False)
        assert ran.reply["content"]["ename"] == "StdinNotImplementedError"


class TestControl:
    """What control answers."""

    def test_usage_names_the_process(self, shared: Front) -> None:
        assert shared.command("usage_request")["pid"] == shared.process_id()


class TestIpc:
    """The other transport."""

    @pytest.fixture
    def over_ipc(self) -> Iterator[Front]:
        manager = KernelManager(kernel_name="cellheap", transport="ipc")
        manager.start_kernel()
        front = Front(manager).ready()
        yield front
        stop(front)

    def test_cells_run_over_ipc(self, over_ipc: Front) -> None:
        assert over_ipc.run("print('by ipc'); 1").text() == "by ipc\n"
