"""A notebook that shows every kind of chart once, run by our kernel. Knows no browser."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

#: What each cell is run for, and how many charts it shows.
CELLS = {
    "imports": ("import gc, json\ngc.disable()", 0),
    "texts": ("texts = [str(number) * 40 for number in range(40_000)]", 0),
    "table": (
        'def parse(rows):\n    return json.loads("[" + "1.25," * rows + "0]")\n\n'
        "table = parse(200_000)\nview = memoryview(bytearray(4_000_000))\nshared = [table]",
        0,
    ),
    "gone": ("del texts\nsmall = [bytes(300) for _ in range(30_000)]\nsparse = small[::40]", 0),
    "failed": ("def load():\n    rows = [0] * 600_000\n    return rows[600_000]\n\nload()", 0),
    "cycle": (
        "class Node:\n    pass\n\none, two, three = Node(), Node(), Node()\n"
        "one.next, two.next, three.next = two, three, one\none.rows = [0] * 200_000\n"
        "del one, two, three, small",
        0,
    ),
    "summary": ("%memtrace on\nmore = list(range(90_000))", 1),
    "off": ("%memtrace off", 0),
    "cells": ("%memtrace", 2),
    "report": ("%memtrace report", 1),
    "cell": ("%memtrace 3", 2),
    "variables": ("%memtrace vars", 1),
    "holders": ("%memtrace why table", 1),
    "ring": ("%gcclear --cycles 1", 1),
    "map": ("%memtrace live --map", 1),
    "flame": ("%memtrace flame 3", 1),
}
#: The charts of a trusted notebook; its flame graph is a frame.
CHARTS = sum(charts for _, charts in CELLS.values()) - 1


def made() -> NotebookNode:
    """The notebook with its outputs."""
    spec = {"name": "cellheap", "display_name": "Python 3 (cellheap)", "language": "python"}
    cells = [new_code_cell(source) for source, _ in CELLS.values()]
    notebook: NotebookNode = new_notebook(cells=cells, metadata={"kernelspec": spec})
    NotebookClient(notebook, timeout=120, allow_errors=True, kernel_name="cellheap").execute()
    return notebook


def write(notebook: NotebookNode, file: Path) -> None:
    """Into a file that no signature knows."""
    copy = nbformat.from_dict(notebook | {"metadata": notebook.metadata | {"copy": file.stem}})
    nbformat.write(copy, file)
