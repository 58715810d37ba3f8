"""A cell runs into its limit in JupyterLab: the error is read, and the cells after it run."""

from collections.abc import Callable

import nbformat
from playwright.sync_api import expect

from tests.lab.conftest import Lab, OpenNotebook

Opener = Callable[[str], OpenNotebook]

CELLS = [
    "import numpy as np\nmeasurements = np.ones(2_000_000)",
    "%memtrace limit 64 MiB",
    "rows = []\nwhile True:\n    rows.append([1, 'measured'])",
    "del rows\nmeasurements.sum()",
]


def test_the_limit_is_read_and_the_notebook_goes_on(open_notebook: Opener, lab: Lab) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    cells[2].metadata["tags"] = ["raises-exception"]
    kernel = {"name": "cellheap", "display_name": "Python 3 (cellheap)"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, lab.folder / "limit.ipynb")
    notebook = open_notebook("limit.ipynb")
    notebook.run_all()
    stopped, after = notebook.cells.nth(2), notebook.cells.nth(3)
    error = stopped.locator(".jp-OutputArea-output")
    expect(error).to_contain_text("CellMemoryLimit")
    expect(error).to_contain_text("In[3], line 3")
    expect(error).to_contain_text("What holds the most:")
    expect(error).to_contain_text("measurements (ndarray, 15.3 MiB)")
    expect(after.locator(".jp-OutputArea-output")).to_contain_text("2000000.0")
    notebook.shoot("limit", after)
