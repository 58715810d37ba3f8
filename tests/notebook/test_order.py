"""Messages and their order."""

import os
from pathlib import Path

import pytest

from tests.notebook.front import Front


def test_a_cell_is_busy_input_output_result_idle(shared: Front) -> None:
    ran = shared.run("print('out'); 6 * 7")
    assert ran.kinds == ["busy", "execute_input", "stream", "execute_result", "idle"]
    assert ran.text() == "out\n"
    assert ran.result == "42"


def test_output_of_every_kind_keeps_its_order(shared: Front) -> None:
    ran = shared.run(
        "import os, sys\n"
        "from IPython.display import display\n"
        "for i in range(3):\n"
        "    print('out', i)\n"
        "    print('err', i, file=sys.stderr)\n"
        "    display(i)"
    )
    assert ran.kinds == ["busy", "execute_input", *["stream", "stream", "display_data"] * 3, "idle"]


def test_a_thousand_flushed_lines_all_arrive(shared: Front) -> None:
    ran = shared.run("for i in range(1000): print(i, flush=True)")
    assert ran.text() == "".join(f"{i}\n" for i in range(1000))


def test_a_silent_cell_publishes_its_output_and_nothing_else(shared: Front) -> None:
    before = shared.run("1").reply["content"]["execution_count"]
    ran = shared.run("print('x'); 5", silent=True)
    assert ran.kinds == ["busy", "stream", "idle"]
    assert shared.run("1").reply["content"]["execution_count"] == before + 1


@pytest.mark.parametrize("silent", [False, True])
def test_a_cell_is_known_to_run_while_it_does(shared: Front, silent: bool, tmp_path: Path) -> None:
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


def test_an_error_aborts_what_is_queued_and_nothing_later(shared: Front) -> None:
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


def test_cells_sent_right_after_an_error_run(shared: Front) -> None:
    for _ in range(20):
        assert shared.run("1 / 0").status == "error"
        assert shared.run("'runs'").result == "'runs'"


def test_without_stop_on_error_the_queue_goes_on(shared: Front) -> None:
    failing = shared.client.execute("1 / 0", stop_on_error=False)
    queued = shared.client.execute("'still'")
    assert shared.done(failing).status == "error"
    assert shared.done(queued).result == "'still'"


def test_a_cell_is_a_task_of_the_loop(shared: Front) -> None:
    code = "import asyncio; asyncio.current_task() in asyncio.all_tasks()"
    assert shared.run(code).result == "True"
    assert shared.run(f"await asyncio.sleep(0); {code}").result == "True"
    begun = "begun = []; loop = asyncio.get_running_loop(); loop.call_soon(begun.append, 1)"
    queued = [shared.client.execute(begun), shared.client.execute("begun")]
    # Between two cells the loop goes on, in a queue as well.
    assert [shared.done(request) for request in queued][1].result == "[1]"


def test_a_loop_whose_tasks_others_make_asks_them_for_cells(shared: Front) -> None:
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


def test_an_unknown_request_is_busy_and_idle(shared: Front) -> None:
    message = shared.client.session.msg("nonsense_request", {})
    shared.client.shell_channel.send(message)
    wanted = message["header"]["msg_id"]
    states = [
        shared.published(lambda m: m["parent_header"].get("msg_id") == wanted)["content"] for _ in range(2)
    ]
    assert [state["execution_state"] for state in states] == ["busy", "idle"]


def test_a_request_with_bad_content_is_answered_with_an_error(shared: Front) -> None:
    message = shared.client.session.msg("history_request", {"no": "such argument"})
    shared.client.shell_channel.send(message)
    ran = shared.done(message["header"]["msg_id"])
    assert ran.status == "error"
    assert ran.reply["content"]["ename"] == "TypeError"


def test_two_front_ends_see_each_others_cells(shared: Front) -> None:
    other = shared.another()
    request = shared.client.execute("print('for all')")
    shared.done(request)
    seen = other.published(
        lambda m: m["parent_header"].get("msg_id") == request and m["msg_type"] == "stream"
    )
    assert seen["content"]["text"] == "for all\n"
    other.close()
