"""Runs a notebook through the installed kernel and asks the kernel afterwards. Owns the kernel's process.

Knows Jupyter's tools; what a lesson claims is known to its test.
"""

from __future__ import annotations

import ast
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

PATIENCE = 300
VERSION = "__import__('platform').python_version()"
NUMBERS = "application/vnd.cellheap.v1+json"


class Run:
    """A notebook that was run top to bottom, and its kernel, which is still there."""

    def __init__(self, path: Path, notebook: NotebookNode, client: NotebookClient) -> None:
        self.path = path
        self.notebook = notebook
        self.cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
        self._client = client

    def number(self, cell: str) -> int:
        """The N of In[N]."""
        return int(self.cells[cell].execution_count)

    def value(self, expression: str) -> Any:
        """An expression's value in the kernel, now: numbers, text, and tuples, lists and dicts of them."""
        asked = nbformat.v4.new_code_cell(f"print(repr({expression}))")
        self.notebook.cells.append(asked)
        try:
            self._client.execute_cell(asked, len(self.notebook.cells) - 1, store_history=False)
        finally:
            self.notebook.cells.pop()
        return ast.literal_eval("".join(output.text for output in asked.outputs))

    def report(self, cell: str) -> dict[str, Any]:
        """`cellheap.cells[N]` of this cell, as it is now: its totals in `["cell"]`, and its `["lines"]`."""
        told = self.value(f"__import__('cellheap').cells[{self.number(cell)}].to_dict()")
        assert isinstance(told, dict)
        return told

    def totals(self, cell: str) -> dict[str, Any]:
        """allocated, freed, net, peak, live, live_at_end, temporary and so on of this cell."""
        totals = self.report(cell)["cell"]
        assert isinstance(totals, dict)
        return totals

    def shown(self, cell: str) -> dict[str, Any]:
        """The raw numbers of the one report that this cell has shown."""
        (numbers,) = (
            output.data[NUMBERS] for output in self.cells[cell].outputs if NUMBERS in output.get("data", {})
        )
        return dict(numbers)

    def text(self, cell: str) -> str:
        """All that this cell has shown, as a terminal would show it."""
        return "".join(map(plain, self.cells[cell].outputs))

    def result(self, cell: str) -> str:
        """The value that this cell has shown."""
        (value,) = (
            output.data["text/plain"]
            for output in self.cells[cell].outputs
            if output.output_type == "execute_result"
        )
        return str(value)

    def error(self, cell: str) -> tuple[str, str]:
        """The name and the message of the error that this cell has raised."""
        (error,) = (output for output in self.cells[cell].outputs if output.output_type == "error")
        return str(error.ename), str(error.evalue)


def plain(output: NotebookNode) -> str:
    """An output as text."""
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}\n"
    return f"{output.data.get('text/plain', '')}\n"


@contextlib.contextmanager
def run(path: Path) -> Iterator[Run]:
    """Runs every cell in a new kernel, in the notebook's folder and with nobody's profile; the kernel ends
    with the block. An error of a cell that is not tagged `raises-exception` ends it."""
    notebook = nbformat.read(path, as_version=4)
    # The folder is where a person's Jupyter would run it.
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=PATIENCE, resources=resources, record_timing=False)
    with (
        tempfile.TemporaryDirectory() as profile,
        client.setup_kernel(env=os.environ | {"IPYTHONDIR": profile}),
    ):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        ran = Run(path, notebook, client)
        notebook.metadata["language_info"] = {"name": "python", "version": ran.value(VERSION)}
        yield ran
