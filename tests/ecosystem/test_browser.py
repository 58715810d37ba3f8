"""Widgets and plots as a person meets them: JupyterLab 4 and Notebook 7, our kernel, the mouse."""

import pytest
from playwright.sync_api import Locator, expect

from tests.ecosystem.conftest import Opener

KINDS = ["lab", "notebook"]

SLIDER = """import ipywidgets as w
slider, out = w.IntSlider(3, description='n'), w.Output()
@out.capture()
def moved(change): print('now', change['new'])
slider.observe(moved, 'value')
w.VBox([slider, out])"""

INTERACT = "@w.interact(times=(1, 9))\ndef squared(times=2): print('squared', times ** 2)"


def drag(handle: Locator, by: int) -> None:
    """With the mouse, in steps as a hand does it."""
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = handle.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + by, y, steps=5)
    mouse.up()


@pytest.mark.parametrize("kind", KINDS)
def test_a_slider_is_dragged_and_its_callback_prints(opened: Opener, kind: str) -> None:
    notebook = opened(f"slider-{kind}", SLIDER, "slider.value", INTERACT, kind=kind)
    cell = notebook.run(0)
    drag(cell.locator(".noUi-handle"), 60)
    said = cell.locator(".jp-OutputArea-output").get_by_text("now ")
    expect(said.first).to_be_visible()
    shown = cell.locator(".widget-readout").inner_text()
    assert int(shown) > 3
    expect(notebook.run(1).locator(".jp-OutputArea-output")).to_have_text(shown)
    expect(cell).to_contain_text(f"now {shown}")
    cell = notebook.run(2)
    expect(cell).to_contain_text("squared 4")
    drag(cell.locator(".noUi-handle"), 60)
    expect(cell).not_to_contain_text("squared 4")
    expect(cell).to_contain_text(f"squared {int(cell.locator('.widget-readout').inner_text()) ** 2}")
    notebook.shoot(f"ecosystem-slider-{kind}", cell)


@pytest.mark.parametrize("kind", KINDS)
def test_progress_bars_fill(opened: Opener, kind: str) -> None:
    notebook = opened(f"tqdm-{kind}", "from tqdm.auto import tqdm\nfor _ in tqdm(range(30)): pass", kind=kind)
    cell = notebook.run(0)
    expect(cell.locator(".widget-hprogress .progress-bar-success")).to_be_visible()
    expect(cell).to_contain_text("30/30")
    notebook.shoot(f"ecosystem-tqdm-{kind}", cell)


@pytest.mark.parametrize("kind", KINDS)
def test_ipympl_tells_where_the_mouse_is(opened: Opener, kind: str) -> None:
    """The mouse moves in the browser, the kernel says where that is, the browser shows it."""
    code = (
        "%matplotlib widget\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 3, 2]);"
    )
    notebook = opened(f"ipympl-{kind}", code, kind=kind)
    cell = notebook.run(0)
    # Of the two that lie over each other the upper one feels the mouse.
    canvas = cell.locator(".jupyter-matplotlib-canvas-div canvas").last
    canvas.hover(position={"x": 300, "y": 200})
    canvas.hover(position={"x": 310, "y": 210})
    footer = cell.locator(".jupyter-matplotlib-footer")
    expect(footer).to_contain_text("(x, y) = (")
    notebook.shoot(f"ecosystem-ipympl-{kind}", cell)


@pytest.mark.parametrize("kind", KINDS)
def test_plotly_bokeh_and_a_table_are_drawn(opened: Opener, kind: str) -> None:
    notebook = opened(
        f"plots-{kind}",
        "import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[1, 3, 2])).update_layout(height=250)",
        "from bokeh.io import output_notebook, show\nfrom bokeh.plotting import figure\nfrom bokeh.resources import INLINE\n"
        "output_notebook(INLINE)\np = figure(height=200); p.line([1, 2, 3], [1, 3, 2]); show(p)",
        "import pandas as pd\npd.DataFrame({'name': ['a', 'b'], 'n': [1, 2]})",
        kind=kind,
    )
    cell = notebook.run(0)
    expect(cell.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(cell.locator(".js-plotly-plot .bars path")).to_have_count(3)
    notebook.shoot(f"ecosystem-plotly-{kind}", cell)
    cell = notebook.run(1)
    expect(cell.locator(".bk-Figure canvas").first).to_be_visible()
    notebook.shoot(f"ecosystem-bokeh-{kind}", cell)
    expect(notebook.run(2).locator("table.dataframe td")).to_have_text(["a", "1", "b", "2"])


COUNTER = """import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''function render({ model, el }) {
        const button = document.createElement("button")
        const say = () => { button.textContent = "pressed " + model.get("value") }
        button.className = "counter"
        button.onclick = () => { model.set("value", model.get("value") + 1); model.save_changes() }
        model.on("change:value", say)
        say()
        el.appendChild(button)
    }
    export default { render }'''
    value = traitlets.Int(0).tag(sync=True)
counter = Counter(); counter"""


def test_tables_text_and_widgets_of_others_are_drawn(opened: Opener) -> None:
    notebook = opened(
        "others",
        "import polars as pl\npl.DataFrame({'city': ['Oslo', 'Rome'], 'n': [1, 2]})",
        "from rich import print as say\nsay('[bold red]loud[/bold red]')",
        COUNTER,
        "counter.value",
    )
    expect(notebook.run(0).locator("table.dataframe")).to_contain_text("Oslo")
    loud = notebook.run(1).locator(".jp-OutputArea-output span").get_by_text("loud")
    expect(loud).to_have_css("font-weight", "700")
    button = notebook.run(2).locator("button.counter")
    button.click()
    button.click()
    expect(button).to_have_text("pressed 2")
    expect(notebook.run(3).locator(".jp-OutputArea-output")).to_have_text("2")
    notebook.shoot("ecosystem-others")
