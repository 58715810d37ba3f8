"""Every kind of chart where people look at it: JupyterLab and Notebook 7, light and dark, trusted and not, and
nbconvert's page. `make screenshots` runs this and keeps the pictures in out/lab."""

import base64
import re
from collections.abc import Iterator

import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.lab import pictures
from tests.lab.conftest import SHOTS, Lab

FRONTS = {"lab": "doc/tree", "notebook": "notebooks"}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
VIEWS = [(front, theme, True) for front in FRONTS for theme in THEMES] + [
    (front, "light", False) for front in FRONTS
]
IMAGE = re.compile(r'<img alt="(?P<alt>[^"]*)"[^>]* src="data:image/svg\+xml;base64,(?P<data>[^"]+)"')
#: Texts of a drawing that leave it, and pairs that overlap by more than a pixel.
MISPLACED = """() => {
    const card = document.querySelector("svg").getBoundingClientRect();
    const texts = [...document.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    const out = texts.filter(([, box]) => box.left < card.left - 1 || box.right > card.right + 1
        || box.top < card.top - 1 || box.bottom > card.bottom + 1).map(([words]) => words);
    // Lines of text under each other touch by their ascents alone.
    const meet = (a, b) => a.left + 1 < b.right && b.left + 1 < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom;
    const pairs = texts.flatMap(([one, a], at) => texts.slice(at + 1).filter(([, b]) => meet(a, b))
        .map(([other]) => `${one} | ${other}`));
    return {count: texts.length, out, pairs};
}"""


@pytest.fixture(scope="module")
def shown() -> NotebookNode:
    """The notebook of charts, run once by our kernel."""
    return pictures.made()


@pytest.fixture(scope="module")
def written(shown: NotebookNode, lab: Lab) -> dict[bool, str]:
    """The file of it that is trusted, and the one that is not."""
    names = {True: "pictures.ipynb", False: "pictures-untrusted.ipynb"}
    for trusted, name in names.items():
        pictures.write(shown, lab.folder / name, lab.folder.parent / "data", trusted)
    return names


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_viewport_size({"width": 1000, "height": 7600})
    yield opened
    opened.close()


def drawings(notebook: NotebookNode) -> list[tuple[str, str]]:
    """What each chart says of itself, and its SVG."""
    outputs = (output for cell in notebook.cells for output in cell.outputs)
    html = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    return [(found["alt"], base64.b64decode(found["data"]).decode()) for found in IMAGE.finditer(html)]


def is_whole(image: Locator) -> bool:
    """Whether the image has arrived, with something in it, and lies in its output from side to side."""
    return bool(
        image.evaluate("""image => image.decode().then(() => {
            const box = image.getBoundingClientRect(), around = image.parentElement.getBoundingClientRect();
            return image.naturalWidth > 0 && box.height > 20 && box.width > 100
                && box.left >= around.left && box.right <= around.right + 1 && image.alt.length > 20;
        })""")
    )


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"pictures-{name}.png")


@pytest.mark.parametrize(
    ("front", "theme", "trusted"),
    VIEWS,
    ids=[f"{front}-{theme}-{'trusted' if trusted else 'untrusted'}" for front, theme, trusted in VIEWS],
)
def test_every_chart_is_seen_whole(
    page: Page, lab: Lab, written: dict[bool, str], front: str, theme: str, trusted: bool
) -> None:
    lab.set_theme(THEMES[theme])
    page.goto(f"{lab.url}/{FRONTS[front]}/{written[trusted]}")
    charts = page.locator(".jp-OutputArea-output img")
    expect(charts).to_have_count(pictures.CHARTS + (not trusted))
    expect(page.locator(".jp-OutputArea-output iframe")).to_have_count(int(trusted))
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "light").lower())
    for at in range(charts.count()):
        assert is_whole(charts.nth(at)), charts.nth(at).get_attribute("alt")
    lab.set_theme(THEMES["light"])
    shoot(page, f"{front}-{theme}{'' if trusted else '-untrusted'}")


def test_nbconverts_page_has_every_chart(page: Page, shown: NotebookNode) -> None:
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(shown)
    # It is to be read offline: without the scripts that the page would fetch.
    page.set_content(re.sub(r"<script[^>]* src=[^>]*></script>", "", html), wait_until="domcontentloaded")
    charts = page.locator(".jp-OutputArea-output img")
    expect(charts).to_have_count(pictures.CHARTS)
    for at in range(pictures.CHARTS):
        assert is_whole(charts.nth(at)), charts.nth(at).get_attribute("alt")
    shoot(page, "nbconvert")


def test_no_label_is_clipped_or_lies_on_another(page: Page, shown: NotebookNode) -> None:
    charts = drawings(shown)
    assert len(charts) == pictures.CHARTS + 1
    for alt, svg in charts:
        page.set_content(f"<body style='margin: 20px'>{svg}</body>")
        found = page.evaluate(MISPLACED)
        assert found["out"] == [], (alt, found)
        assert found["pairs"] == [], (alt, found)
        assert found["count"] > 2 or "while" in alt, "a chart has words, but for the small one after a cell"


def test_every_output_is_small(shown: NotebookNode) -> None:
    for cell in shown.cells:
        for output in cell.outputs:
            assert len(output.get("data", {}).get("text/html", "")) < 50_000, cell.source
