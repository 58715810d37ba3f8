"""A flame graph in JupyterLab: it can be looked at closer where the notebook is trusted, and is a picture where not."""

import re
from collections.abc import Callable

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from tests.lab.conftest import Lab, OpenNotebook
from tests.lab.test_tour import drawn_height, untrusted_copy

Opener = Callable[[str], OpenNotebook]
SOURCE = """\
import json
def make(n):
    return json.loads("[" + "1000000," * n + "0]")
kept = make(20_000)
more = [0] * 90_000"""


@pytest.fixture(scope="module")
def flame(open_notebook: Opener, lab: Lab) -> OpenNotebook:
    """A notebook that shows a flame graph, run by our kernel and saved."""
    spec = {"name": "cellheap", "display_name": "Python 3 (cellheap)", "language": "python"}
    cells = [new_code_cell(SOURCE), new_code_cell("%memtrace flame 1")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), lab.folder / "flame.ipynb")
    notebook = open_notebook("flame.ipynb")
    notebook.run_all()
    notebook.save()
    return notebook


def test_a_click_looks_closer(flame: OpenNotebook) -> None:
    expect(flame.errors).to_have_count(0)
    expect(flame.charts).to_have_count(0)
    graph = flame.page.locator(".jp-OutputArea-output iframe").content_frame
    library = graph.locator("#frames g", has_text=re.compile(r"json/decoder.py, line 3(53|60)")).first
    whole, small = (graph.locator("#frames").bounding_box(), library.locator("rect").bounding_box())
    flame.shoot("flame")
    assert whole is not None
    assert small is not None
    assert small["width"] < whole["width"] * 0.9
    library.click()
    expect(graph.locator("#unzoom")).to_be_visible()
    large = library.locator("rect").bounding_box()
    assert large is not None
    assert large["width"] > whole["width"] * 0.98


@pytest.mark.usefixtures("flame")
def test_an_untrusted_notebook_shows_the_picture(open_notebook: Opener, lab: Lab) -> None:
    untrusted_copy(lab.folder / "flame.ipynb", lab.folder / "flame-untrusted.ipynb")
    notebook = open_notebook("flame-untrusted.ipynb")
    assert drawn_height(notebook.charts.last) > 80
    expect(notebook.page.locator(".jp-OutputArea-output iframe")).to_have_count(0)
    output = notebook.page.locator(".jp-OutputArea-output").last
    assert "<img" not in output.inner_text()
    notebook.shoot("flame-untrusted", notebook.charts.last)
