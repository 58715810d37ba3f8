"""What a person sees of a cell that fills memory: the live chart, the limit, the warning, and after its death the last
words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import nbformat
from playwright.sync_api import Locator, expect

from tests.lab import drawings
from tests.lab.conftest import Lab, OpenNotebook, use_theme
from tests.lab.drawings import all_whole, of_image

#: The lock is held in C code for most of the first and of the one that is warned.
CELLS = [
    """%%memtrace
import ctypes, os
big = [bytearray(60_000_000) for _ in range(4)]
sum(range(10**8))
ctypes.PyDLL(None).read(os.open("looked", os.O_RDWR), ctypes.create_string_buffer(1), 1)""",
    "import numpy as np\nmeasurements = np.ones(4_000_000)",
    "%memtrace limit 400 MiB",
    "rows = []\nwhile True:\n    rows.append([1, 'measured'])",
    "del rows\n%memtrace limit off\nmeasurements.sum()",
    """import ctypes, resource
pages = int(open('/proc/self/statm').read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 700_000_000, resource.RLIM_INFINITY))
more = bytearray(650_000_000)
ctypes.PyDLL(None).sleep(3)""",
    "import os, signal\nparts = [bytes(1_000_000) for _ in range(20)]\nos.kill(os.getpid(), signal.SIGKILL)",
    "'after'",
]


def test_the_chart_lives_memory_is_warned_of_and_the_end_is_told(
    lab: Lab, open_notebook: Callable[[str], OpenNotebook]
) -> None:
    write_notebook(lab)
    notebook = open_notebook("lookout.ipynb")
    expect(notebook.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    with lab.own_theme():
        the_chart_lives(notebook, lab)
        the_limit_is_read_and_the_notebook_goes_on(notebook)
        memory_is_warned_of(notebook)
        the_end_is_told(notebook)


def write_notebook(lab: Lab) -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook.metadata["kernelspec"] = {"name": "cellheap", "display_name": "Python 3 (cellheap)"}
    nbformat.write(notebook, lab.folder / "lookout.ipynb")
    os.mkfifo(lab.folder / "looked")


def run(notebook: OpenNotebook, at: int) -> Locator:
    """Starts a cell as a person does; its cell."""
    cell = notebook.cells.nth(at)
    cell.locator(".cm-content").click()
    notebook.page.keyboard.press("Shift+Enter")
    return cell


def the_chart_lives(notebook: OpenNotebook, lab: Lab) -> None:
    """The cell holds the lock until it was looked at, in the light and in the dark."""
    cell = run(notebook, 0)
    live = cell.locator('img[alt="Live bytes of In[1] so far"]')
    expect(live).to_be_visible()
    first = live.get_attribute("src")
    expect(live).not_to_have_attribute("src", first or "")
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[*]:")
    notebook.shoot("live")
    labels_apart(notebook, live)
    use_theme(notebook.page, "Dark")
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[*]:")
    notebook.shoot("live-dark")
    use_theme(notebook.page, "Light")
    (lab.folder / "looked").write_bytes(b".")
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:")
    expect(live).to_have_count(0)
    expect(cell.locator(".jp-OutputArea-output table").first).to_be_visible()
    notebook.shoot("live-done", cell.locator("img").first)


def the_limit_is_read_and_the_notebook_goes_on(notebook: OpenNotebook) -> None:
    for at in (1, 2, 3):
        run(notebook, at)
    # A warning may stand before it, where one looked just before the limit was reached.
    error = notebook.cells.nth(3).locator(".jp-OutputArea-output").last
    expect(error).to_contain_text("CellMemoryLimit")
    expect(error).to_contain_text("In[4], line 3")
    expect(error).to_contain_text("What holds the most:")
    expect(error).to_contain_text("measurements (ndarray, 30.5 MiB)")
    after = run(notebook, 4)
    expect(after.locator(".jp-OutputArea-output").last).to_contain_text("4000000.0")
    notebook.shoot("limit", after)


def memory_is_warned_of(notebook: OpenNotebook) -> None:
    cell = run(notebook, 5)
    said = cell.get_by_text("Memory is nearly used up")
    expect(said).to_be_visible()
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[*]:")
    notebook.shoot("warning", said)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[6]:")
    expect(said).to_have_count(1)


def the_end_is_told(notebook: OpenNotebook) -> None:
    run(notebook, 6)
    dialog = notebook.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text(re.compile("died|restart", re.IGNORECASE))
    dialog.get_by_role("button", name="Ok").click()
    cell = run(notebook, 7)
    told = cell.get_by_text("The kernel before this one was killed")
    expect(told).to_be_visible()
    expect(told).to_contain_text("in In[7], line 3")
    expect(cell.locator(".jp-OutputArea-output").last).to_contain_text("'after'")
    notebook.shoot("last", told)
    chart = cell.locator(".jp-OutputArea-output img")
    all_whole(chart)
    labels_apart(notebook, chart)
    use_theme(notebook.page, "Dark")
    notebook.shoot("last-dark", told)
    notebook.shoot("warning-dark", notebook.page.get_by_text("Memory is nearly used up").last)


def labels_apart(notebook: OpenNotebook, chart: Locator) -> None:
    """The labels of a chart, as it is now, are whole and apart."""
    alt, svg = of_image(chart)
    beside = notebook.page.context.new_page()
    drawings.labels_apart(beside, alt, svg)
    beside.close()
