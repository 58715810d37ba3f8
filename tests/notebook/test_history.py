"""What was typed is in IPython's history, though the saving waits until a short cell is over. Read from the file itself."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from tests.notebook.front import Front


def typed(file: str) -> list[str]:
    with sqlite3.connect(file) as history:
        return [source for (source,) in history.execute("SELECT source FROM history ORDER BY session, line")]


def began(front: Front) -> str:
    """The path of the history, which the front end's kernel writes alone."""
    return front.run("hist = get_ipython().history_manager; print(hist.hist_file)").text().strip()


def test_cells_in_a_row_are_all_there_when_the_kernel_has_ended(
    starting: Callable[..., Front], tmp_path: Path
) -> None:
    front = starting(f"--HistoryManager.hist_file={tmp_path / 'history.sqlite'}").ready()
    file = began(front)
    for number in range(30):
        front.client.execute(f"x = {number}")
    front.run("x")
    front.client.shutdown(reply=True, timeout=60)
    assert front.manager.provisioner is not None
    front.manager.provisioner.process.wait(60)  # type: ignore[attr-defined]
    assert typed(file)[1:] == [f"x = {number}" for number in range(30)] + ["x"]


def test_a_cell_that_kills_the_kernel_is_in_the_history(
    starting: Callable[..., Front], tmp_path: Path
) -> None:
    front = starting(f"--HistoryManager.hist_file={tmp_path / 'history.sqlite'}").ready()
    file = began(front)
    code = (
        "import os, signal, sqlite3, time\n"
        f"saved = sqlite3.connect({file!r})\n"
        "found = \"SELECT 1 FROM history WHERE source LIKE '%never mind%'\"\n"
        "while not list(saved.execute(found)): time.sleep(0.02)  # Who reads keeps others from writing.\n"
        "os.kill(os.getpid(), signal.SIGKILL)  # never mind"
    )
    front.client.execute(code)
    assert front.manager.provisioner is not None
    front.manager.provisioner.process.wait(60)  # type: ignore[attr-defined]
    assert typed(file)[-1] == code


def test_what_waits_to_be_saved_is_found_at_once(starting: Callable[..., Front], tmp_path: Path) -> None:
    front = starting(f"--HistoryManager.hist_file={tmp_path / 'history.sqlite'}").ready()
    file = began(front)
    front.run("a_name_to_find = 1")
    reply = front.client.history(hist_access_type="tail", n=1, reply=True, timeout=60)
    assert "a_name_to_find" in reply["content"]["history"][-1][2]
    assert typed(file)[-1] == "a_name_to_find = 1"


def test_what_cannot_be_saved_now_is_saved_later(starting: Callable[..., Front], tmp_path: Path) -> None:
    front = starting(f"--HistoryManager.hist_file={tmp_path / 'history.sqlite'}").ready()
    file = began(front)
    front.run("import time\nhist.save_thread.db.execute('PRAGMA busy_timeout = 50'); None")
    usual = front.run("print(hist.save_flag.delay)").text()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    said = front.run(f"locked_out = 1\nwhile hist.save_flag.delay == {usual}: time.sleep(0.01)").text()
    assert "unexpected" not in said
    other.execute("COMMIT")
    other.close()
    while not any(source.startswith("locked_out") for source in typed(file)):
        time.sleep(0.05)


def test_the_thread_that_saves_is_no_cells_after_a_fork(
    starting: Callable[..., Front], tmp_path: Path
) -> None:
    """IPython ends it before a fork, and starts another in a cell that comes later."""
    front = starting(f"--HistoryManager.hist_file={tmp_path / 'history.sqlite'}").ready()
    file = began(front)
    front.run("import os, cellheap\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0); None")
    front.run("forked = 1")
    front.run("alive = hist.save_thread.is_alive()")
    while "forked = 1" not in typed(file):
        front.run("None")
    assert front.run("print(alive, hist.save_thread.is_alive())").text() == "True True\n"
    lines = "{line.function for number in cellheap.cells for line in cellheap.cells[number].lines}"
    assert "without notebook code" not in front.run(f"print({lines})").text()
    assert "malloc in libsqlite3" not in front.run("print(cellheap.live())").text()
