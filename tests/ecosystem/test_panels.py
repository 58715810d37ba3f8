"""JupyterLab's debugger panel and jupyter-resource-usage's panel of the kernel, worked by hand."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ecosystem.conftest import Opened, Opener

CODE = """def total(numbers):
    found = 0
    for number in numbers:
        found += number
    return found

total([2, 40])"""


def set_breakpoint(notebook: Opened, at: int, line: int) -> None:
    """A click into the gutter before the line."""
    marks = notebook.cells.nth(at).locator(
        ".cm-lineNumbers .cm-gutterElement", has_text=re.compile(f"^{line}$")
    )
    box = marks.bounding_box()
    assert box is not None
    gutter = notebook.cells.nth(at).locator(".cm-gutter.cm-breakpoint-gutter").bounding_box()
    assert gutter is not None
    notebook.page.mouse.click(gutter["x"] + gutter["width"] / 2, box["y"] + box["height"] / 2)


def test_the_debugger_stops_shows_variables_and_goes_on(opened: Opener) -> None:
    notebook = opened("debugger", CODE, "'after'")
    page = notebook.page
    # Its name is another one until the kernel has said that it has a debugger.
    page.get_by_role("button", name="Enable Debugger").click()
    expect(page.locator(".jp-DebuggerVariables")).to_be_visible()
    expect(notebook.cells.first.locator(".cm-gutter.cm-breakpoint-gutter")).to_be_visible()
    set_breakpoint(notebook, 0, 4)
    expect(page.locator(".jp-DebuggerBreakpoint")).to_have_count(1)

    cell = notebook.begin(0)
    variables = page.locator(".jp-DebuggerVariables")
    expect(page.locator(".jp-DebuggerCallstackFrame").first).to_contain_text("total")
    expect(variables).to_contain_text("found")
    expect(variables).to_contain_text("number")
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[*]:")
    expect(cell.locator(".jp-DebuggerEditor-highlight")).to_be_visible()
    notebook.shoot("ecosystem-debugger-stopped")

    page.locator("[data-command='debugger:next']").click()
    frame = page.locator(".jp-DebuggerCallstackFrame").first
    expect(frame).to_contain_text(":3")
    go_on = page.locator("[data-command='debugger:continue']")
    go_on.click()
    expect(frame).to_contain_text(":4")
    expect(variables).to_contain_text("40")
    go_on.click()
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:")
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("42")
    expect(notebook.run(1).locator(".jp-OutputArea-output")).to_have_text("'after'")
    notebook.shoot("ecosystem-debugger-done")


def test_the_usage_panel_shows_the_kernels_memory(opened: Opener) -> None:
    notebook = opened("usage", "import os; big = bytes(range(256)) * 800_000; os.getpid()")
    page = notebook.page
    cell = notebook.run(0)
    pid = cell.locator(".jp-OutputArea-output").inner_text().strip()
    page.get_by_role("tab", name="Kernel Usage").click()
    panel = page.locator(".jp-KernelUsage-view")
    expect(panel).to_contain_text(pid)
    shown = re.compile(r"Memory: ([23]\d\d\.\d\d) MB")
    expect(panel).to_contain_text(shown)
    found = shown.search(panel.inner_text())
    # As ipykernel's: what other processes hold of the same pages too is shared among them.
    memory = Path(f"/proc/{pid}/smaps_rollup").read_text()
    held = next(int(line.split()[1]) for line in memory.splitlines() if line.startswith("Pss:"))
    assert found is not None
    assert float(found[1]) == pytest.approx(held / 1024, abs=10)
    notebook.shoot("ecosystem-usage")
