"""IPython's history of outputs, which `%notebook` saves: the kernel's quick `write` leaves in it what IPython's
own `_tee` does. Each cell runs both ways in one kernel.
"""

import ast
import json
from pathlib import Path
from typing import Any

import IPython
import pytest

from tests.notebook.front import Front
from tests.notebook.test_subshells import both, execute

pytestmark = pytest.mark.skipif(IPython.version_info < (9, 5), reason="IPython joined texts before 9.5")

SEEN = (
    "import json as _json\n"
    "def _seen(count):\n"
    "    manager = get_ipython().history_manager\n"
    "    outputs = [[o.output_type, o.bundle] for o in manager.outputs.get(count, ())]\n"
    "    failed = manager.exceptions.get(count)\n"
    "    return _json.dumps([outputs, failed and failed['ename']])\n"
)


@pytest.fixture(scope="module")
def front(shared: Front) -> Front:
    shared.run("import sys, io, threading, contextlib")
    shared.run(SEEN)
    return shared


def remembered(front: Front, code: str) -> Any:
    """What the history has of a cell, and what the cell itself streamed."""
    ran = front.run(code)
    return seen(front, ran.reply["content"]["execution_count"]), ran.text(), ran.text("stderr")


def seen(front: Front, count: int) -> Any:
    """The history's outputs of a cell, and the name of its error. Asked by no cell, which would have outputs too."""
    asked = front.run("", silent=True, user_expressions={"seen": f"_seen({count})"})
    return json.loads(
        ast.literal_eval(asked.reply["content"]["user_expressions"]["seen"]["data"]["text/plain"])
    )


CELLS = {
    "nothing": "pass",
    "prints": "for i in range(3): print(i, 'x', end='|')\nprint('', end='')",
    "both streams": "print(1)\nprint(2, file=sys.stderr)\nprint(3); print(4)",
    "displays between": "from IPython.display import display\nprint(1); display({'a': 1}); print(2)\n7",
    "an error": "print('before'); 1/0",
    "syntax error": "print('never'",
    "an interrupt": "print('before'); raise KeyboardInterrupt",
    "lone surrogate": "print('\\ud800' == '\\ud800', 'é', '\\U0001f980')",
    "a wrong type": "print('a')\ntry: sys.stdout.write(5)\nexcept TypeError as e: print('refused')",
    "capture": "%%capture out\nprint('hidden')",
    "capture inside": "from IPython.utils.capture import capture_output\n"
    "print(1)\nwith capture_output() as c: print(2); display(3)\nprint(c.stdout)",
    "redirected": "with contextlib.redirect_stdout(io.StringIO()) as f: print('in')\nprint(f.getvalue())",
    "redirected to the other": "with contextlib.redirect_stdout(sys.stderr): print('in')\nprint('out')",
    "a cell in a cell": "print('outer'); get_ipython().run_cell('print(1)'); print('outer again')",
    "a magic": "%xmode Context",
    "system": "!echo shouted\nprint('said')",
    "writelines": "sys.stdout.writelines(['a', 'b']); sys.stdout.flush()",
    "a thread": "t = threading.Thread(target=print, args=('from a thread',)); t.start(); t.join(); print('end')",
    "an await": "import asyncio\nprint(1)\nawait asyncio.sleep(0)\nprint(2)",
    "a write of its own": "sys.stdout.write = lambda text: None\nprint('unheard')",
    "text of a class of its own": "class Text(str): pass\nsys.stdout.write(Text('own')); None",
    "an echo": "sys.stdout.echo = io.StringIO(); print('twice'); echoed = sys.stdout.echo.getvalue()\n"
    "sys.stdout.echo = None\nprint(echoed)",
    "a hook": "kept = []\nhook = kept.append\nsys.stdout.register_hook(hook); print('kept')\n"
    "sys.stdout.unregister_hook(hook); print(len(kept), 'sent')",
}


@pytest.mark.parametrize("code", CELLS.values(), ids=CELLS)
def test_a_cell_leaves_what_ipython_leaves(front: Front, code: str) -> None:
    ours = remembered(front, code)
    front.run("_quick = vars(get_ipython()).pop('_tee')")
    theirs = remembered(front, code)
    front.run("get_ipython()._tee = _quick")
    assert ours == theirs
    assert remembered(front, "print('next')")[0] == [[["out_stream", {"stream": ["next", "\n"]}]], None]


def test_the_write_of_an_ended_cell_still_notes_under_that_cell(front: Front) -> None:
    (before, _, _) = remembered(front, "kept = sys.stdout.write; print('cell')")
    count = int(front.run("get_ipython().execution_count - 1").result) - 1
    assert front.run("kept('late'); print('now')").text() == "latenow\n"
    assert before == [[["out_stream", {"stream": ["cell", "\n"]}]], None]
    assert seen(front, count) == [[["out_stream", {"stream": ["cell", "\n", "late"]}]], None]


def test_a_stream_of_the_users_is_watched_by_ipython(front: Front) -> None:
    front.run("mine, theirs = io.StringIO(), sys.stdout\nsys.stdout = mine")
    ran = front.run("print('into mine')")
    front.run("sys.stdout = theirs")
    count = ran.reply["content"]["execution_count"]
    assert (ran.text(), front.run("mine.getvalue()").result) == ("", repr("into mine\n"))
    assert seen(front, count) == [[["out_stream", {"stream": ["into mine", "\n"]}]], None]


def test_cells_that_overlap_leave_nothing_behind(front: Front) -> None:
    name = front.command("create_subshell_request")["subshell_id"]
    front.run("begun, go = threading.Event(), threading.Event()")
    outer = front.client.execute("begun.set(); print('main'); go.wait(60); print('main ends')")
    inner = execute(front, "begun.wait(60); print('sub', flush=True); go.set()", name)
    both(front, outer, inner)
    front.command("delete_subshell_request", subshell_id=name)
    assert remembered(front, "print('after')")[0] == [[["out_stream", {"stream": ["after", "\n"]}]], None]
    assert front.run("'write' in vars(sys.stdout)", store_history=False).result == "True"


def test_a_print_calls_no_python(front: Front) -> None:
    front.run(
        "calls = []\n"
        "def printing():\n"
        "    print('quick')\n"
        "def profiled():\n"
        "    sys.setprofile(lambda frame, kind, _: calls.append((kind, frame.f_code.co_name)))\n"
        "    printing()\n"
        "    sys.setprofile(None)\n"
        "print('the first text of an output is noted in Python')\n"
        "profiled()"
    )
    assert front.run("[name for kind, name in calls if kind == 'call']").result == "['printing']"


def test_notebook_saves_what_was_printed(front: Front, tmp_path: Path) -> None:
    front.run("print('saved'); print('error', file=sys.stderr)")
    front.run(
        "sys.modules['rfc3987_syntax'] = None"
    )  # A grammar that nbformat's checks would take seconds for.
    front.run(f"%notebook {tmp_path}/saved.ipynb")
    cells = json.loads((tmp_path / "saved.ipynb").read_text())["cells"]
    (outputs,) = [cell["outputs"] for cell in cells if "'saved'" in "".join(cell["source"])]
    assert [(o["name"], "".join(o["text"])) for o in outputs] == [
        ("stdout", "saved\n"),
        ("stderr", "error\n"),
    ]
