"""The tour as a person sees it: JupyterLab, our kernel, every cell run, the charts in the page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.lab.conftest import Lab, OpenNotebook, use_theme

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


def test_the_chart_is_seen_in_the_dark(tour: OpenNotebook, lab: Lab) -> None:
    with lab.own_theme():
        use_theme(tour.page, "Dark")
        assert drawn_height(tour.charts.last) > 100
        tour.shoot("dark", tour.charts.last)
