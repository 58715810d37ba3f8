"""`make demo`: runs the tour headless through the kernel, prints its memory table and writes the page.

Knows Jupyter's tools and nothing of cellheap: what it shows is what the notebook's cells have shown.
"""

import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
TOUR = ROOT / "notebooks/tour.ipynb"
OUT = ROOT / "out"

# nbconvert's page less the scripts that it would fetch: it is to be read offline.
ALONE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


def main() -> int:
    notebook = nbformat.read(TOUR, as_version=4)
    print(
        f"Running {TOUR.relative_to(ROOT)} through the kernel {notebook.metadata.kernelspec.display_name!r}"
    )
    try:
        run(notebook)
    except CellExecutionError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1

    shown = last_output(notebook)
    page = to_page(notebook)
    charts = page.count('src="data:image/svg+xml;base64,')
    if not charts:
        print("The tour has run, but no cell has shown a chart.", file=sys.stderr)
        return 1
    OUT.mkdir(exist_ok=True)
    nbformat.write(notebook, OUT / "tour.ipynb")
    (OUT / "tour.html").write_text(page, encoding="utf-8")

    print(f"\n{shown['text/plain']}\n")
    print(f"The page, with {charts} charts: {OUT / 'tour.html'}")
    return 0


def run(notebook: NotebookNode) -> None:
    """Runs every cell, telling each as it starts and how long it took."""
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0
    since = time.monotonic()

    def starts(cell: NotebookNode, cell_index: int) -> None:
        nonlocal since
        since = time.monotonic()
        if cell.cell_type == "code":
            print(f"[{done + 1:2}/{total}] {title(cell.source):<56}", end="", flush=True)

    def ended(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        print(f"{time.monotonic() - since:6.2f} s")

    NotebookClient(
        notebook,
        timeout=600,
        resources={"metadata": {"path": str(TOUR.parent)}},
        on_cell_start=starts,
        on_cell_executed=ended,
    ).execute()


def title(source: str) -> str:
    """The first line of a cell that is not a cell magic."""
    lines = [line for line in source.splitlines() if not line.startswith("%%")]
    return lines[0][:55]


def last_output(notebook: NotebookNode) -> dict[str, str]:
    """What the last cell shows: the memory of all cells."""
    return dict(notebook.cells[-1].outputs[-1].data)


def to_page(notebook: NotebookNode) -> str:
    exporter = HTMLExporter(template_name="lab", extra_loaders=[DictLoader({"alone.html.j2": ALONE})])
    exporter.template_file = "alone.html.j2"
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": "cellheap: the tour"}})
    return str(page)


if __name__ == "__main__":
    sys.exit(main())
