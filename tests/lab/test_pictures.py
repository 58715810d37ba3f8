"""Every kind of chart where people look at it: JupyterLab and Notebook 7, light and dark, trusted and not, and
nbconvert's page. `make screenshots` runs this and keeps the pictures in out/lab."""

import json
import re
from collections.abc import Iterator

import pytest
from cellheap import _core
from cellheap.fitting import OUTPUT_LIMIT, sent
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from playwright.sync_api import BrowserContext, Page, expect

from tests.lab import pictures
from tests.lab.conftest import SHOTS, Lab, command, use_theme
from tests.lab.drawings import all_whole, in_html, labels_apart, words_in_their_boxes

FRONTS = {"lab": "doc/tree", "notebook": "notebooks"}


@pytest.fixture(scope="module")
def shown() -> NotebookNode:
    """The notebook of charts, run once by our kernel."""
    return pictures.made()


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_viewport_size({"width": 1000, "height": 7600})
    yield opened
    opened.close()


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"pictures-{name}.png")


def every_chart_is_seen(page: Page, trusted: bool) -> None:
    charts = page.locator(".jp-OutputArea-output img")
    expect(page.locator(".jp-OutputArea-output iframe")).to_have_count(int(trusted))
    expect(charts).to_have_count(pictures.CHARTS + (not trusted))
    all_whole(charts)


def a_click_looks_closer(page: Page) -> None:
    """Into the flame graph, which can be where the notebook is trusted."""
    graph = page.locator(".jp-OutputArea-output iframe").content_frame
    library = graph.locator("#frames g", has_text=re.compile(r"json/decoder.py, line 3(53|60)")).first
    whole, small = (graph.locator("#frames").bounding_box(), library.locator("rect").bounding_box())
    assert whole is not None
    assert small is not None
    assert small["width"] < whole["width"] * 0.9
    library.click()
    expect(graph.locator("#unzoom")).to_be_visible()
    large = library.locator("rect").bounding_box()
    assert large is not None
    assert large["width"] > whole["width"] * 0.98


@pytest.mark.parametrize("front", FRONTS)
def test_every_chart_is_seen_whole(page: Page, lab: Lab, shown: NotebookNode, front: str) -> None:
    """As a teacher looks at a file that came from somebody else: not trusted, then trusted, then in the dark."""
    name = f"pictures-{front}.ipynb"
    pictures.write(shown, lab.folder / name)
    page.goto(f"{lab.url}/{FRONTS[front]}/{name}")
    every_chart_is_seen(page, trusted=False)
    expect(page.locator(".jp-OutputArea-output", has_text="<img")).to_have_count(0)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true")
    shoot(page, f"{front}-light-untrusted")
    command(page, "Trust Notebook")
    page.locator(".jp-Dialog").get_by_role("button", name="Trust").click()
    every_chart_is_seen(page, trusted=True)
    shoot(page, f"{front}-light")
    with lab.own_theme():
        use_theme(page, "Dark")
        every_chart_is_seen(page, trusted=True)
        shoot(page, f"{front}-dark")
    a_click_looks_closer(page)


def test_nbconverts_page_has_every_chart(page: Page, shown: NotebookNode) -> None:
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(shown)
    # It is to be read offline: without the scripts that the page would fetch.
    page.set_content(re.sub(r"<script[^>]* src=[^>]*></script>", "", html), wait_until="domcontentloaded")
    every_chart_is_seen(page, trusted=True)
    shoot(page, "nbconvert")


def test_no_label_is_clipped_or_lies_on_another(page: Page, shown: NotebookNode) -> None:
    outputs = (output for cell in shown.cells for output in cell.outputs)
    charts = in_html("".join(output.get("data", {}).get("text/html", "") for output in outputs))
    assert len(charts) == pictures.CHARTS + 1
    for alt, svg in charts:
        labels = labels_apart(page, alt, svg)
        assert labels > 2 or "while" in alt, "a chart has words, but for the small one after a cell"


def test_long_names_are_cut_where_their_box_ends(page: Page) -> None:
    long = f"a_{'very_' * 12}long_name['{'k' * 60}'][5]"
    steps = [{"words": long, "name": long, "number": 1}, {"words": "[5]", "name": long, "number": 2}]
    chains = {"title": long, "target": long, "chains": [{"root": long, "note": long, "steps": steps}]}
    svg = _core.chart_chains(json.dumps(chains))
    assert svg.count("…") >= 5
    labels_apart(page, long, svg)
    words_in_their_boxes(page, svg)


def test_every_output_is_small(shown: NotebookNode) -> None:
    for cell in shown.cells:
        for output in cell.outputs:
            assert sent(output.get("data", {})) <= OUTPUT_LIMIT, cell.source
