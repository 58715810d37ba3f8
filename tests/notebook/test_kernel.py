"""What a cell may do, and what its front end sees of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from tests.notebook.front import Front, stop

# C code that keeps the interpreter's lock.
IN_C = "import ctypes; print('begun', flush=True); ctypes.PyDLL(None).sleep(3)"


class TestOrder:
    """Messages and their order."""

    def test_a_cell_is_busy_input_output_result_idle(self, shared: Front) -> None:
        ran = shared.run("print('out'); 6 * 7")
        assert ran.kinds == ["busy", "execute_input", "stream", "execute_result", "idle"]
        assert ran.text() == "out\n"
        assert ran.result == "42"

    def test_output_of_every_kind_keeps_its_order(self, shared: Front) -> None:
        ran = shared.run(
            "import os, sys\n"
            "from IPython.display import display\n"
            "for i in range(3):\n"
            "    print('out', i)\n"
            "    print('err', i, file=sys.stderr)\n"
            "    display(i)"
        )
        assert ran.kinds == ["busy", "execute_input", *["stream", "stream", "display_data"] * 3, "idle"]

    def test_a_thousand_flushed_lines_all_arrive(self, shared: Front) -> None:
        ran = shared.run("for i in range(1000): print(i, flush=True)")
        assert ran.text() == "".join(f"{i}\n" for i in range(1000))

    def test_a_silent_cell_publishes_its_output_and_nothing_else(self, shared: Front) -> None:
        before = shared.run("1").reply["content"]["execution_count"]
        ran = shared.run("print('x'); 5", silent=True)
        assert ran.kinds == ["busy", "stream", "idle"]
        assert shared.run("1").reply["content"]["execution_count"] == before + 1

    @pytest.mark.parametrize("silent", [False, True])
    def test_a_cell_is_known_to_run_while_it_does(self, shared: Front, silent: bool, tmp_path: Path) -> None:
        os.mkfifo(pipe := tmp_path / "pipe")
        request = shared.client.execute(f"open({str(pipe)!r}).read()", silent=silent)
        shared.published(
            lambda message: (
                message["parent_header"].get("msg_id") == request
                and message["content"].get("execution_state") == "busy"
            )
        )
        pipe.write_text("go on")
        assert shared.done(request).status == "ok"

    def test_an_error_aborts_what_is_queued_and_nothing_later(self, shared: Front) -> None:
        failing = shared.client.execute(
            "import asyncio\n"
            "come = asyncio.Event()\n"
            "get_ipython().kernel.comm_manager.register_target('come', lambda *_: come.set())\n"
            "await come.wait()\n"
            "1 / 0"
        )
        queued = [shared.client.execute("'never'") for _ in range(3)]
        info = shared.client.kernel_info()
        shared.published(
            lambda message: (
                message["msg_type"] == "execute_input" and message["parent_header"]["msg_id"] == failing
            )
        )
        # Comm messages pass the queue while a cell awaits: what was sent before this one has come then.
        opened = shared.client.session.msg("comm_open", {"comm_id": "c", "target_name": "come", "data": {}})
        shared.client.shell_channel.send(opened)
        ran = shared.done(failing)
        later = shared.client.execute("'later'")
        assert ran.status == "error"
        assert ran.of("error")[0]["ename"] == "ZeroDivisionError"
        assert [shared.done(request).status for request in queued] == ["aborted"] * 3
        assert shared.done(info).status == "ok"
        assert shared.done(later).result == "'later'"

    def test_cells_sent_right_after_an_error_run(self, shared: Front) -> None:
        for _ in range(20):
            assert shared.run("1 / 0").status == "error"
            assert shared.run("'runs'").result == "'runs'"

    def test_without_stop_on_error_the_queue_goes_on(self, shared: Front) -> None:
        failing = shared.client.execute("1 / 0", stop_on_error=False)
        queued = shared.client.execute("'still'")
        assert shared.done(failing).status == "error"
        assert shared.done(queued).result == "'still'"

    def test_a_cell_is_a_task_of_the_loop(self, shared: Front) -> None:
        code = "import asyncio; asyncio.current_task() in asyncio.all_tasks()"
        assert shared.run(code).result == "True"
        assert shared.run(f"await asyncio.sleep(0); {code}").result == "True"
        begun = "begun = []; loop = asyncio.get_running_loop(); loop.call_soon(begun.append, 1)"
        queued = [shared.client.execute(begun), shared.client.execute("begun")]
        # Between two cells the loop goes on, in a queue as well.
        assert [shared.done(request) for request in queued][1].result == "[1]"

    def test_a_loop_whose_tasks_others_make_asks_them_for_cells(self, shared: Front) -> None:
        code = (
            "made = []\n"
            "def make(loop, work, **options):\n"
            "    made.append(work)\n"
            "    return asyncio.Task(work, loop=loop, **options)\n"
            "loop.set_task_factory(make)"
        )
        assert shared.run(code).status == "ok"
        assert shared.run("len(made)").result == "1"
        assert shared.run("loop.set_task_factory(None)").status == "ok"

    def test_an_unknown_request_is_busy_and_idle(self, shared: Front) -> None:
        message = shared.client.session.msg("nonsense_request", {})
        shared.client.shell_channel.send(message)
        wanted = message["header"]["msg_id"]
        states = [
            shared.published(lambda m: m["parent_header"].get("msg_id") == wanted)["content"]
            for _ in range(2)
        ]
        assert [state["execution_state"] for state in states] == ["busy", "idle"]

    def test_a_request_with_bad_content_is_answered_with_an_error(self, shared: Front) -> None:
        message = shared.client.session.msg("history_request", {"no": "such argument"})
        shared.client.shell_channel.send(message)
        ran = shared.done(message["header"]["msg_id"])
        assert ran.status == "error"
        assert ran.reply["content"]["ename"] == "TypeError"

    def test_two_front_ends_see_each_others_cells(self, shared: Front) -> None:
        other = shared.another()
        request = shared.client.execute("print('for all')")
        shared.done(request)
        seen = other.published(
            lambda m: m["parent_header"].get("msg_id") == request and m["msg_type"] == "stream"
        )
        assert seen["content"]["text"] == "for all\n"
        other.close()


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
