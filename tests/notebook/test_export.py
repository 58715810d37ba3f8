"""`%memtrace export` and `cellheap.export`: every format is read back by its own reader."""

import csv
import json
import os
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cellheap
import pytest

from tests.notebook.shells import Terminal, terminal

FORMATS = (".json", ".csv", ".html", ".svg", ".png", ".folded", ".collapsed", ".txt")


@pytest.fixture
def notebook() -> Iterator[Terminal]:
    with terminal() as shell:
        shell.run("import json\nkept = json.loads('[' + '1000000,' * 9999 + '0]')\nmore = [0] * 9000")
        yield shell


def test_the_overview_is_written_by_default(notebook: Terminal, tmp_path: Path) -> None:
    notebook.run(f"%memtrace export '{tmp_path}/all.json'")
    assert notebook.printed.startswith(f"Written to {tmp_path}/all.json (")
    cells = json.loads((tmp_path / "all.json").read_text())["cells"]
    assert {cell["label"] for cell in cells} >= {"In[1]", "In[2]"}


@pytest.mark.parametrize("what", ["", "2", "live", "flame", "flame 2", "flame 2 --allocated"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_result_can_be_written_in_every_format(
    notebook: Terminal, tmp_path: Path, what: str, suffix: str
) -> None:
    file = tmp_path / f"out{suffix}"
    notebook.run(f"%memtrace export {what} {file}")
    assert notebook.complaint == ""
    assert file.stat().st_size > 100
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_the_rows_of_csv_add_up_to_the_cell(notebook: Terminal, tmp_path: Path) -> None:
    report = cellheap.cells[2]
    with cellheap.export(tmp_path / "cell.csv", report).open(newline="") as file:
        rows = list(csv.DictReader(file))
    own = [row for row in rows if not row["library_function"]]
    assert sum(int(row["allocated"]) for row in own) == report.allocated
    assert sum(int(row["live"]) for row in own) == report.live
    (decoder,) = (row for row in rows if row["library_function"] == "JSONDecoder.raw_decode")
    assert int(decoder["live"]) > 300_000


def test_json_has_every_number(notebook: Terminal, tmp_path: Path) -> None:
    report = cellheap.cells[2]
    written = json.loads(cellheap.export(tmp_path / "cell.json", report).read_text())
    assert written == json.loads(report.json)
    assert len(written["lines"]) == len(report.lines)


class Page(HTMLParser):
    """What a page asks from elsewhere, and the numbers in it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.numbers = ""
        self._in_numbers = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        self._in_numbers = tag == "script" and known.get("type") == "application/json"
        links = (known.get(name) for name in ("src", "href", "data"))
        self.asked += [link for link in links if link and not link.startswith("data:")]

    def handle_data(self, data: str) -> None:
        if self._in_numbers:
            self.numbers += data


def test_a_page_needs_nothing_else(notebook: Terminal, tmp_path: Path) -> None:
    notebook.run("hostile = '</script><b>' * 1000")
    report = cellheap.cells[3]
    page = Page()
    page.feed(cellheap.export(tmp_path / "cell.html", report).read_text())
    assert page.asked == []
    assert json.loads(page.numbers) == json.loads(report.json)


def test_a_picture_of_a_cell_has_all_its_charts(notebook: Terminal, tmp_path: Path) -> None:
    root = ElementTree.parse(cellheap.export(tmp_path / "cell.svg", cellheap.cells[2])).getroot()
    charts = [child for child in root if child.tag.endswith("svg")]
    assert len(charts) == 2
    heights = [float(chart.attrib["height"]) for chart in charts]
    assert float(root.attrib["height"]) == sum(heights)
    png = cellheap.export(tmp_path / "cell.png", cellheap.cells[2]).read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[20:24], "big") == 2 * sum(heights)


def test_a_file_that_is_there_stays_without_force(notebook: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("mine")
    file.chmod(0o640)
    notebook.run(f"%memtrace export {file}")
    assert notebook.complaint.strip() == (
        f"UsageError: %memtrace export: {file} is there already, and stays: --force (force=True) replaces it"
    )
    assert file.read_text() == "mine"
    notebook.run(f"%memtrace export {file} --force")
    assert file.read_text().startswith("id,number,label")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_link_leads_to_what_is_written(notebook: Terminal, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    cellheap.export(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "target.json").read_text())["kind"] == "overview"


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        ("out.pdf", "'.pdf' is no format: the suffix is one of .json, .csv, .html, .svg, .png, .folded"),
        ("out", "'out' has no suffix: the suffix is one of .json"),
        ("missing/out.csv", "/missing"),
        (".", "has no suffix"),
    ],
)
def test_a_file_that_cannot_be_is_one_line(notebook: Terminal, tmp_path: Path, file: str, wrong: str) -> None:
    notebook.run(f"%memtrace export {tmp_path}/{file}")
    (complaint,) = notebook.complaint.splitlines()
    assert complaint.startswith("UsageError: %memtrace export: ")
    assert wrong in complaint
    assert list(tmp_path.iterdir()) == []


def test_what_a_disk_refuses_leaves_nothing(
    notebook: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept.json"
    file.write_text("mine")

    def refuse(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        cellheap.export(file, force=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_report_without_stacks_says_which_formats_it_has(tmp_path: Path) -> None:
    with cellheap.trace() as t:
        kept = bytes(1000)
    assert len(kept) == 1000
    assert cellheap.export(tmp_path / "block.csv", t.report).read_text().startswith("file,line,function")
    with pytest.raises(cellheap.ExportError, match=r"has no chart: .json, .csv and .html have its numbers"):
        cellheap.export(tmp_path / "block.png", t.report)
