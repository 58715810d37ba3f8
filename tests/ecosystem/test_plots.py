"""Plots and tables: what they show is what they show in ipykernel."""

import pytest

from tests.ecosystem.conftest import ok
from tests.notebook.front import Front

SHOWN = {
    "matplotlib": ("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);", "image/png"),
    "plotly": (
        "import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[1, 2])).show()",
        "application/vnd.plotly.v1+json",
    ),
    "altair": (
        "import altair as alt, pandas as pd\n"
        "display(alt.Chart(pd.DataFrame({'a': [1, 2]})).mark_bar().encode(x='a'))",
        "text/html",
    ),
    "bokeh": (
        "from bokeh.io import output_notebook, show\nfrom bokeh.plotting import figure\n"
        "output_notebook(hide_banner=True)\np = figure(); p.line([1, 2], [1, 2]); show(p)",
        "application/vnd.bokehjs_exec.v0+json",
    ),
    "rich": ("from rich import print as rprint\nrprint('[bold]loud[/bold]')", "text/html"),
    "polars": ("import polars as pl\ndisplay(pl.DataFrame({'a': [1, 2]}))", "text/html"),
    "pandas": ("import pandas as pd\ndisplay(pd.DataFrame({'a': [1, 2]}))", "text/html"),
}


@pytest.mark.parametrize("library", SHOWN)
def test_it_shows(front: Front, library: str) -> None:
    code, wanted = SHOWN[library]
    ran = ok(front.run(code))
    kinds = [kind for content in ran.of("display_data") for kind in content["data"]]
    assert any(kind.startswith(wanted) for kind in kinds), kinds


def test_bokeh_pushes_into_what_it_showed(front: Front) -> None:
    ran = ok(
        front.run(
            "from bokeh.io import push_notebook\n"
            "handle = show(p, notebook_handle=True)\n"
            "p.title.text = 'changed'; push_notebook(handle=handle)"
        )
    )
    assert ran.of("comm_msg")
