"""The tour as a person sees it: JupyterLab, our kernel, every cell run, the charts in the page."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from tests.lab.conftest import Lab, OpenNotebook

Opener = Callable[[str], OpenNotebook]


@pytest.fixture(scope="module")
def tour(open_notebook: Opener) -> OpenNotebook:
    """The tour in JupyterLab, run by our kernel from the menu and saved."""
    notebook = open_notebook("tour.ipynb")
    expect(notebook.kernel_name).to_have_text("Python 3 (cellheap)")
    notebook.run_all()
    notebook.save()
    return notebook


def drawn_height(image: Locator) -> float:
    """The height on the page of an image whose pixels have arrived."""
    image.scroll_into_view_if_needed()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    box = image.bounding_box()
    assert box is not None
    return box["height"]


def test_every_cell_runs_and_the_chart_is_seen(tour: OpenNotebook) -> None:
    expect(tour.errors).to_have_count(0)
    assert drawn_height(tour.charts.last) > 100
    tour.shoot("light", tour.charts.last)


@pytest.mark.usefixtures("tour")
def test_the_chart_is_seen_in_the_dark(open_notebook: Opener, lab: Lab) -> None:
    lab.set_theme("JupyterLab Dark")
    notebook = open_notebook("tour.ipynb")
    lab.set_theme("JupyterLab Light")
    expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    assert drawn_height(notebook.charts.last) > 100
    notebook.shoot("dark", notebook.charts.last)


@pytest.mark.usefixtures("tour")
def test_the_chart_is_seen_where_the_notebook_is_not_trusted(open_notebook: Opener, lab: Lab) -> None:
    untrusted_copy(lab.folder / "tour.ipynb", lab.folder / "untrusted.ipynb")
    assert not any(trust_of_cells(lab, "untrusted.ipynb"))
    notebook = open_notebook("untrusted.ipynb")
    assert drawn_height(notebook.charts.last) > 100
    notebook.shoot("untrusted", notebook.charts.last)


def untrusted_copy(executed: Path, copy: Path) -> None:
    """The same cells and outputs in a notebook whose signature the server has never seen."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata["copied"] = True
    nbformat.write(notebook, copy)


def trust_of_cells(lab: Lab, name: str) -> list[bool]:
    """What the server tells the front end of each code cell."""
    with urllib.request.urlopen(f"{lab.url}/api/contents/{name}") as answer:
        cells = json.load(answer)["content"]["cells"]
    return [cell["metadata"]["trusted"] for cell in cells if cell["cell_type"] == "code"]
