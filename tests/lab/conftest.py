"""A real JupyterLab in a real browser. Owns the server, the browser and the notebook as a person sees it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    Response,
    TimeoutError,
    expect,
    sync_playwright,
)

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "out/lab"
# The tour's slowest cell on a busy machine, in milliseconds.
PATIENCE = 180_000

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Every cell in the page, scrolled to or not, and no question about news.
SETTINGS: dict[str, dict[str, object]] = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

# The folders that Jupyter would share with the person's own server.
KINDS = ("config", "data", "runtime")


@dataclass
class Lab:
    """A running server: where it answers and the folder that it serves."""

    url: str
    folder: Path
    settings: Path

    def set_theme(self, name: str) -> None:
        write_settings(self.settings, "apputils-extension/themes", {"theme": name})

    @contextlib.contextmanager
    def own_theme(self) -> Iterator[None]:
        """The next page is light again, whatever was chosen in this one."""
        try:
            yield
        finally:
            self.set_theme("JupyterLab Light")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a free port, with settings, signatures and notebooks of its own."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder)
    settings = home / "config/lab/user-settings/@jupyterlab"
    for plugin, values in SETTINGS.items():
        write_settings(settings, plugin, values)
    port = free_port()
    with subprocess.Popen(
        [
            *[sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"],
            *["--ip=127.0.0.1", f"--port={port}", "--port-retries=0"],
            *["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"],
        ],
        env=os.environ
        | {f"JUPYTER_{kind.upper()}_DIR": str(home / kind) for kind in ("config", "data", "runtime")},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            wait_until_up(server)
            yield Lab(f"http://127.0.0.1:{port}", folder, settings)
        finally:
            server.terminate()


def write_settings(folder: Path, plugin: str, values: dict[str, object]) -> None:
    file = folder / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(server: subprocess.Popen[str]) -> None:
    """Reads the server's log up to the line that says where it answers, and drains the rest."""
    assert server.stderr is not None
    log = []
    for line in server.stderr:
        log.append(line)
        if "is running at:" in line:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return
    raise RuntimeError("JupyterLab ended before it answered:\n" + "".join(log))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser test needs chromium: `make test-lab` installs it"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            args=FLAGS,
            ignore_default_args=["--headless"],
            viewport={"width": 1280, "height": 1000},
        )
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield context
        context.close()


class OpenNotebook:
    """One notebook in JupyterLab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def cells(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell")

    @property
    def charts(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-OutputArea-output img")

    @property
    def errors(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-RenderedText[data-mime-type*=stderr]")

    @property
    def kernel_name(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel-toolbar .jp-KernelName")

    def choose(self, menu: str, entry: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=entry).first.click()

    def run_all(self) -> None:
        """Runs every cell from the menu and waits until the last has its number and none is waiting."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        self.choose("Run", "Run All Cells")
        last = self.cells.last.locator(".jp-InputPrompt")
        expect(last).to_have_text(f"[{self.cells.count()}]:")
        expect(self.page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(0)

    def save(self) -> None:
        with self.page.expect_response(is_saved):
            self.choose("File", "Save Notebook")

    def shoot(self, name: str, of: Locator | None = None) -> None:
        """Keeps a screenshot in out/lab, of the window or scrolled to one thing."""
        if of is not None:
            of.scroll_into_view_if_needed()
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


def command(page: Page, words: str) -> None:
    """Asks for a command by its words, from the palette. It lists what there is as it opens; some commands come late, and
    a page that is not ready yet lets the keys go by."""
    item = page.locator(".lm-CommandPalette-item", has_text=words).first
    while True:
        page.keyboard.press("Control+Shift+C")
        try:
            page.locator(".lm-CommandPalette-input").fill(words, timeout=10_000)
            item.click(timeout=10_000)
        except TimeoutError:
            page.keyboard.press("Escape")
        else:
            return


def use_theme(page: Page, name: str) -> None:
    """Light or Dark, when JupyterLab shows the page again: it hides it and then covers it meanwhile."""
    command(page, f"Use Theme: JupyterLab {name}")
    is_light = "true" if name == "Light" else "false"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def is_saved(answer: Response) -> bool:
    return answer.request.method == "PUT" and "/api/contents/" in answer.url


@pytest.fixture(scope="session")
def open_notebook(lab: Lab, browser: BrowserContext) -> Iterator[Callable[[str], OpenNotebook]]:
    pages = []

    def opened(name: str) -> OpenNotebook:
        page = browser.new_page()
        pages.append(page)
        page.goto(f"{lab.url}/doc/tree/{name}?reset")
        notebook = OpenNotebook(page)
        expect(notebook.cells.first).to_be_visible()
        return notebook

    yield opened
    for page in pages:
        page.close()
