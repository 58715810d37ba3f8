"""Kernels and browsers in the environment that holds the packages. `make ecosystem`."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.lab.conftest import Lab, OpenNotebook, browser, lab  # noqa: F401 # Fixtures.
from tests.notebook.front import Front, Ran, start, stop

#: Where each front end opens a notebook.
PATHS = {"lab": "doc/tree", "notebook": "notebooks"}

#: Whether the notebook's kernel has said to this page that it is idle. The two front ends show it in different ways.
CONNECTED = """async path => {
    const sessions = await (await fetch("/api/sessions")).json();
    return sessions.some(session => session.path === path && session.kernel.connections > 0
        && session.kernel.execution_state === "idle");
}"""


@pytest.fixture(scope="session", autouse=True)
def _nobodys_profile(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    """One kernel for a file. CELLHEAP_ECOSYSTEM_KERNEL=python3 asks ipykernel the same."""
    front = start(kernel_name=os.environ.get("CELLHEAP_ECOSYSTEM_KERNEL", "cellheap")).ready()
    yield front
    stop(front)


def ok(ran: Ran) -> Ran:
    """What ran without an error."""
    assert ran.status == "ok", "\n".join(ran.reply["content"]["traceback"])
    return ran


class Opened(OpenNotebook):
    """A notebook of the test's own cells, in JupyterLab or Notebook 7."""

    def run(self, at: int) -> Locator:
        """Runs a cell as a person does and waits for its end; the cell."""
        cell = self.begin(at)
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"))
        return cell

    def begin(self, at: int) -> Locator:
        """Again where nothing comes of it: a page that is still being built drops keys."""
        cell = self.cells.nth(at)
        for again in (True, True, False):
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            try:
                expect(cell.locator(".jp-InputPrompt")).not_to_have_text("[ ]:", timeout=15_000)
                break
            except AssertionError:
                if not again:
                    raise
        return cell


Opener = Callable[..., Opened]


@pytest.fixture
def opened(lab: Lab, browser: BrowserContext) -> Iterator[Opener]:  # noqa: F811
    """Opens a notebook of these cells, and closes it and its kernel when the test ends."""
    pages = []

    def opener(name: str, *cells: str, kind: str = "lab") -> Opened:
        write(lab.folder / f"{name}.ipynb", cells)
        page = browser.new_page()
        pages.append(page)
        page.goto(f"{lab.url}/{PATHS[kind]}/{name}.ipynb{'?reset' if kind == 'lab' else ''}")
        notebook = Opened(page)
        expect(notebook.cells).to_have_count(len(cells))
        page.wait_for_function(CONNECTED, arg=f"{name}.ipynb")
        expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
        if kind == "lab":
            expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        return notebook

    yield opener
    for page in pages:
        page.close()


def write(path: Path, cells: tuple[str, ...]) -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    spec = {"name": "cellheap", "display_name": "Python 3 (cellheap)", "language": "python"}
    notebook.metadata["kernelspec"] = spec
    nbformat.write(notebook, path)
