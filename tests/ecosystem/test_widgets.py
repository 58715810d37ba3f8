"""Widgets, driven as a front end drives them: by comm messages."""

from typing import Any

from tests.ecosystem.conftest import ok
from tests.notebook.front import Front, Message


def model(front: Front, expression: str) -> str:
    return front.run(expression + ".model_id").result.strip("'")


def moved(front: Front, widget: str, **state: Any) -> list[Message]:
    """The front end changes a widget. What is published until the kernel is done with that."""
    data = {"method": "update", "state": state, "buffer_paths": []}
    message = front.client.session.msg("comm_msg", {"comm_id": model(front, widget), "data": data})
    front.client.shell_channel.send(message)
    request = message["header"]["msg_id"]
    published: list[Message] = []
    while not published or published[-1]["content"].get("execution_state") != "idle":
        published.append(front.published(lambda m: m["parent_header"].get("msg_id") == request))
    return published


def text(published: list[Message]) -> str:
    return "".join(message["content"].get("text", "") for message in published)


def test_a_slider_moves_and_its_callback_prints(front: Front) -> None:
    shown = ok(
        front.run(
            "import ipywidgets as w\n"
            "slider = w.IntSlider(3)\n"
            "slider.observe(lambda change: print('now', change['new']), 'value')\n"
            "slider"
        )
    )
    (content,) = shown.of("display_data") or shown.of("execute_result")
    assert "application/vnd.jupyter.widget-view+json" in content["data"]
    assert text(moved(front, "slider", value=7)) == "now 7\n"
    assert front.run("slider.value").result == "7"


def test_interact_calls_again_and_clears_its_output(front: Front) -> None:
    ok(
        front.run(
            "calls = []\n"
            "box = w.interactive(lambda n: calls.append(n) or print('n is', n), n=(0, 9))\n"
            "display(box)"
        )
    )
    published = moved(front, "box.children[0]", value=5)
    assert front.run("calls[-1]").result == "5"
    # What it prints is in its Output widget: as a state, or for the front end to take in.
    assert "n is 5" in str([message["content"] for message in published])


def test_an_output_widget_keeps_what_is_printed_in_it(front: Front) -> None:
    ran = ok(front.run("out = w.Output()\nwith out: print('inside')\nprint('outside')"))
    states = [content["data"].get("state", {}) for content in ran.of("comm_msg")]
    captured = [state["msg_id"] for state in states if "msg_id" in state]
    # The front end is told which request's output is the widget's, and when that ends.
    assert captured == [ran.reply["parent_header"]["msg_id"], ""]
    assert ran.text() == "inside\noutside\n"


def test_progress_bars_are_widgets(front: Front) -> None:
    ran = ok(front.run("from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass\ntqdm.__module__"))
    assert ran.result == "'tqdm.notebook'" or "tqdm" in ran.result
    opened = [c["data"]["state"].get("_model_name") for c in ran.of("comm_open")]
    assert "FloatProgressModel" in opened


def test_anywidget_has_its_state_and_takes_changes(front: Front) -> None:
    ok(
        front.run(
            "import anywidget, traitlets\n"
            "class Counter(anywidget.AnyWidget):\n"
            "    _esm = 'export default { render() {} }'\n"
            "    n = traitlets.Int(0).tag(sync=True)\n"
            "c = Counter(); c.observe(lambda change: print('n', change['new']), 'n'); c"
        )
    )
    assert text(moved(front, "c", n=4)) == "n 4\n"


def test_ipympl_draws_over_comms(front: Front) -> None:
    ran = ok(
        front.run(
            "%matplotlib ipympl\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots(); ax.plot([1, 2]);"
        )
    )
    models = [c["data"]["state"].get("_model_name") for c in ran.of("comm_open")]
    assert "MPLCanvasModel" in models
    ok(front.run("%matplotlib inline"))
