"""The debugger over the wire, as JupyterLab's panel drives it: one kernel, real debugpy."""

from typing import Any

import pytest

from tests.notebook.front import Front

CODE = """
def double(n):
    text = 'ü€' * n
    return len(text) * 2

x = double(3)
print('Größe', x)
"""


class Panel:
    """What the panel asks."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self._seq = 0

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self._seq += 1
        reply = self.front.command(
            "debug_request", type="request", seq=self._seq, command=command, arguments=arguments
        )
        assert reply["request_seq"] == self._seq
        return reply

    def body(self, command: str, **arguments: Any) -> Any:
        reply = self.ask(command, **arguments)
        assert reply["success"], reply
        return reply["body"]

    def event(self, name: str) -> dict[str, Any]:
        message = self.front.published(
            lambda m: m["msg_type"] == "debug_event" and m["content"]["event"] == name
        )
        content: dict[str, Any] = message["content"]
        return content

    def stopped(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for a stop. The thread, and its frames."""
        thread = self.event("stopped")["body"]["threadId"]
        return thread, self.body("stackTrace", threadId=thread)["stackFrames"]

    def variables(self, frame: dict[str, Any]) -> dict[str, str]:
        scopes = self.body("scopes", frameId=frame["id"])["scopes"]
        (local,) = (scope for scope in scopes if scope["name"] == "Locals")
        found = self.body("variables", variablesReference=local["variablesReference"])["variables"]
        return {variable["name"]: variable["value"] for variable in found}

    def start(self) -> None:
        assert self.ask("initialize", clientID="tests", adapterID="python", pathFormat="path")["success"]
        assert self.ask("attach")["success"]
        assert self.ask("configurationDone")["success"]

    def breakpoints(self, code: str, *lines: int) -> str:
        path: str = self.body("dumpCell", code=code)["sourcePath"]
        wanted = [{"line": line} for line in lines]
        answered = self.body("setBreakpoints", source={"path": path}, breakpoints=wanted)["breakpoints"]
        assert [(found["line"], found["verified"]) for found in answered] == [(line, True) for line in lines]
        return path


@pytest.fixture(scope="module")
def panel(shared: Front) -> Panel:
    panel = Panel(shared)
    assert panel.body("debugInfo")["isStarted"] is False
    panel.start()
    return panel


class TestBefore:
    """What is answered without a debugger that runs."""

    def test_what_needs_it_is_refused_with_a_reason(self, fresh: Front) -> None:
        reply = Panel(fresh).ask("stackTrace", threadId=1)
        assert (reply["success"], reply["message"]) == (False, "the debugger is not started")
        assert Panel(fresh).ask("disconnect")["success"]

    def test_it_starts_while_a_cell_runs(self, fresh: Front) -> None:
        request = fresh.client.execute("print('begun', flush=True); input()", allow_stdin=True)
        fresh.says("begun")
        Panel(fresh).start()
        fresh.asked()
        fresh.client.input("")
        assert fresh.done(request).status == "ok"

    def test_it_is_advertised(self, shared: Front) -> None:
        reply = shared.reply(shared.client.kernel_info())
        assert reply["content"]["supported_features"] == ["kernel subshells", "debugger"]


class TestStops:
    """Breakpoints and steps."""

    def test_a_cell_stops_steps_and_goes_on(self, panel: Panel) -> None:
        path = panel.breakpoints(CODE, 4)
        info = panel.body("debugInfo")
        assert info["breakpoints"] == [{"source": path, "breakpoints": [{"line": 4}]}]
        request = panel.front.client.execute(CODE)
        thread, frames = panel.stopped()
        assert (frames[0]["name"], frames[0]["line"]) == ("double", 4)
        assert panel.body("debugInfo")["stoppedThreads"] == [thread]
        assert panel.variables(frames[0]) == {"n": "3", "text": "'ü€ü€ü€'"}
        assert panel.body("evaluate", expression="text * 2", frameId=frames[0]["id"], context="repl")[
            "result"
        ] == repr("ü€" * 6)
        rich = panel.body("richInspectVariables", variableName="text", frameId=frames[0]["id"])
        assert rich["data"]["text/plain"] == "'ü€ü€ü€'"
        panel.ask("stepOut", threadId=thread)
        thread, frames = panel.stopped()
        panel.ask("next", threadId=thread)
        thread, frames = panel.stopped()
        assert frames[0]["line"] == 7
        panel.ask("continue", threadId=thread)
        assert panel.front.done(request).text() == "Größe 12\n"
        assert panel.body("source", source={"path": path})["content"] == CODE

    def test_it_stops_on_an_exception(self, panel: Panel) -> None:
        assert panel.ask("setExceptionBreakpoints", filters=["raised"])["success"]
        request = panel.front.client.execute("def fails():\n    raise ValueError('on purpose')\nfails()")
        thread, frames = panel.stopped()
        assert (frames[0]["name"], frames[0]["line"]) == ("fails", 2)
        assert panel.ask("setExceptionBreakpoints", filters=[])["success"]
        panel.ask("continue", threadId=thread)
        assert panel.front.done(request).reply["content"]["ename"] == "ValueError"

    def test_control_answers_while_a_cell_stands(self, panel: Panel) -> None:
        code = "z = 1\nz += 1\n"
        panel.breakpoints(code, 2)
        request = panel.front.client.execute(code)
        thread, _ = panel.stopped()
        assert panel.front.command("usage_request")["pid"] > 0
        assert panel.front.command("kernel_info_request")["status"] == "ok"
        panel.ask("continue", threadId=thread)
        assert panel.front.done(request).status == "ok"

    def test_variables_are_seen_without_a_stop(self, panel: Panel) -> None:
        panel.front.run("seen = {'a': [1, 2]}")
        found = {v["name"]: v for v in panel.body("inspectVariables")["variables"]}
        assert found["seen"]["value"] == "{'a': [1, 2]}"
        inner = panel.body("variables", variablesReference=found["seen"]["variablesReference"])
        assert "'a'" in {variable["name"] for variable in inner["variables"]}
        rich = panel.body("richInspectVariables", variableName="seen")
        assert rich["data"]["text/plain"] == "{'a': [1, 2]}"

    def test_the_memory_of_a_cell_that_stood_is_still_known(self, panel: Panel) -> None:
        code = "kept = bytes(2_000_000)\nafter = 1\n"
        panel.breakpoints(code, 2)
        request = panel.front.client.execute(code)
        thread, _ = panel.stopped()
        panel.ask("continue", threadId=thread)
        number = panel.front.done(request).reply["content"]["execution_count"]
        lines = f"import cellheap; [l.live for l in cellheap.cells[{number}].lines if l.live >= 1_000_000]"
        assert panel.front.run(lines).result == "[2000033]"

    def test_it_ends_and_starts_again(self, panel: Panel) -> None:
        assert panel.ask("disconnect", restart=False, terminateDebuggee=True)["success"]
        assert panel.body("debugInfo")["isStarted"] is False
        ran = panel.front.run(CODE)
        assert ran.text() == "Größe 12\n"
        panel.start()
        panel.breakpoints(CODE, 6)
        request = panel.front.client.execute(CODE)
        thread, frames = panel.stopped()
        assert frames[0]["line"] == 6
        panel.ask("continue", threadId=thread)
        assert panel.front.done(request).status == "ok"
