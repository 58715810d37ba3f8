"""Subshells (JEP 91): more than one cell at once on the variables of one notebook."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.notebook.front import Front, Ran


def ask(front: Front, kind: str, content: dict[str, Any], subshell: str | None) -> str:
    """Send a request to a subshell. Its id."""
    message = front.client.session.msg(kind, content)
    message["header"]["subshell_id"] = subshell
    front.client.shell_channel.send(message)
    return str(message["header"]["msg_id"])


def execute(front: Front, code: str, subshell: str | None) -> str:
    return ask(front, "execute_request", {"code": code}, subshell)


def both(front: Front, *requests: str) -> list[Ran]:
    """What came of requests that run at the same time, in their order."""
    published: dict[str, list[dict[str, Any]]] = {request: [] for request in requests}
    open_requests = set(requests)
    while open_requests:
        message = front.published(lambda m: m["parent_header"].get("msg_id") in requests)
        of = message["parent_header"]["msg_id"]
        published[of].append(message)
        if message["content"].get("execution_state") == "idle":
            open_requests.remove(of)
    replies: dict[str, dict[str, Any]] = {}
    while len(replies) < len(requests):
        reply = front.client.get_shell_msg(timeout=60)
        replies[reply["parent_header"]["msg_id"]] = reply
    return [Ran(replies[request], published[request]) for request in requests]


@pytest.fixture
def subshell(shared: Front) -> Iterator[str]:
    name = shared.command("create_subshell_request")["subshell_id"]
    yield name
    shared.command("delete_subshell_request", subshell_id=name)


class TestLives:
    """Making and ending them."""

    def test_they_are_made_listed_and_ended(self, shared: Front) -> None:
        before = shared.run("import threading; threading.active_count()").result
        names = [shared.command("create_subshell_request")["subshell_id"] for _ in range(2)]
        assert shared.command("list_subshell_request") == {"status": "ok", "subshell_id": names}
        for name in names:
            assert shared.command("delete_subshell_request", subshell_id=name) == {"status": "ok"}
        assert shared.command("list_subshell_request")["subshell_id"] == []
        assert shared.run("threading.active_count()").result == before

    def test_one_that_is_not_there_is_named(self, shared: Front) -> None:
        reply = shared.command("delete_subshell_request", subshell_id="none")
        assert (reply["status"], reply["evalue"]) == ("error", "Unknown subshell_id 'none'")
        ran = shared.done(execute(shared, "1", "none"))
        assert ran.kinds == ["busy", "idle"]
        assert ran.reply["content"]["ename"] == "UnknownSubshellError"

    def test_one_that_is_busy_ends_when_its_cell_does_and_nobody_waits_for_it(self, shared: Front) -> None:
        name = shared.command("create_subshell_request")["subshell_id"]
        shared.run("import threading; go = threading.Event()")
        running = execute(shared, "print('begun', flush=True); go.wait(60); print('done')", name)
        queued = execute(shared, "'never'", name)
        shared.says("begun")
        assert shared.command("delete_subshell_request", subshell_id=name) == {"status": "ok"}
        assert shared.done(queued).reply["content"]["ename"] == "UnknownSubshellError"
        (ended, _) = both(shared, running, shared.client.execute("go.set()"))
        assert ended.status == "ok"
        assert ended.text() == "done\n"

    def test_the_magic_lists_them(self, shared: Front, subshell: str) -> None:
        assert subshell in shared.run("%subshell").text()
        assert f"subshell id: {subshell}" in shared.done(execute(shared, "%subshell", subshell)).text()


class TestCells:
    """What runs in them."""

    def test_a_cell_runs_while_the_shell_is_busy(self, shared: Front, subshell: str) -> None:
        shared.run("import threading; a, b = threading.Event(), threading.Event()")
        main = shared.client.execute("a.set(); assert b.wait(60); 'main'")
        side = execute(shared, "assert a.wait(60); b.set(); 'side'", subshell)
        ran = both(shared, main, side)
        assert [r.result for r in ran] == ["'main'", "'side'"]

    def test_output_of_python_and_of_c_is_the_cells(self, shared: Front, subshell: str) -> None:
        shared.run("import os, threading; a, b = threading.Event(), threading.Event()")
        main = shared.client.execute("print('main', flush=True); assert b.wait(60)")
        shared.says("main")
        code = "print('side'); os.system('echo by a child'); b.set()"
        of_main, of_side = both(shared, main, execute(shared, code, subshell))
        assert of_main.text() == ""
        assert sorted(of_side.text().splitlines()) == ["by a child", "side"]

    def test_an_error_aborts_the_queue_of_its_subshell_alone(self, shared: Front, subshell: str) -> None:
        requests = [execute(shared, code, subshell) for code in ("1 / 0", "'aborted'")]
        requests.append(shared.client.execute("'runs'"))
        assert [ran.status for ran in both(shared, *requests)] == ["error", "aborted", "ok"]

    def test_context_variables_are_the_subshells_own(self, shared: Front, subshell: str) -> None:
        shared.run("from contextvars import ContextVar; v = ContextVar('v', default=0); v.set(1);")
        shared.done(execute(shared, "v.set(2);", subshell))
        assert shared.run("v.get()").result == "1"
        assert shared.done(execute(shared, "v.get()", subshell)).result == "2"

    def test_a_cell_may_ask(self, shared: Front, subshell: str) -> None:
        request = ask(shared, "execute_request", {"code": "input('who? ')", "allow_stdin": True}, subshell)
        assert shared.asked()["prompt"] == "who? "
        shared.client.input("me")
        assert shared.done(request).result == "'me'"

    def test_its_memory_is_its_own_cells(self, shared: Front, subshell: str) -> None:
        """Two cells that run at once; each made what it says."""
        shared.run("import threading, cellheap; a, b = threading.Event(), threading.Event()")
        main = shared.client.execute("a.set(); assert b.wait(60); x = bytes(3_000_000)")
        side = execute(shared, "assert a.wait(60); y = bytes(5_000_000); b.set()", subshell)
        assert [ran.status for ran in both(shared, main, side)] == ["ok", "ok"]
        # Both took the same number: the notebook has one counter.
        grown = "sorted(round(c.net / 1e6) for c in cellheap.overview().cells if c.net >= 1_000_000)"
        assert shared.run(grown).result == "[3, 5]"


class TestComms:
    """Widgets."""

    def test_an_answer_goes_to_the_shell_that_asked(self, shared: Front, subshell: str) -> None:
        """Also while the main shell, where the comm was made, is busy."""
        opening = shared.run("import asyncio, comm, threading; c = comm.create_comm(target_name='t')")
        comm_id = opening.of("comm_open")[0]["comm_id"]
        shared.run("go = threading.Event()")
        main = shared.client.execute("assert go.wait(60)")
        side = execute(
            shared,
            "came = asyncio.get_running_loop().create_future()\n"
            "c.on_msg(lambda m: came.set_result(m['content']['data']['content']['value']))\n"
            "c.send({'content': {'id': 'q', 'ask': 1}})\n"
            "value = await came; go.set(); value",
            subshell,
        )
        shared.published(lambda m: m["msg_type"] == "comm_msg")
        answer = {"comm_id": comm_id, "data": {"content": {"id": "q", "value": 42}}}
        ask(shared, "comm_msg", answer, None)
        _, ran = both(shared, main, side)
        assert ran.result == "42"
