"""What a result shows: the same numbers in a browser, in an untrusted notebook and in a terminal."""

from __future__ import annotations

import base64
import gc
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from cellheap import _core
from cellheap.display import ALLOCATED, JSON_TYPE, LIVE, PEAK
from cellheap.fitting import OUTPUT_LIMIT, sent
from cellheap.records import Cell, Line
from cellheap.results import CellReport, Live, Overview, Result
from cellheap.units import bytes_text, seconds_text, signed_bytes_text

MIB = 1 << 20
#: Run by a process of its own: real reports of three cells.
SCRIPT = """
import json, sys
from cellheap import _core
_core.trace_start()
_core.set_notebook_files(["cell-"])
sources = ["import copy\\na = [[n] for n in range(40_000)]", "b = copy.deepcopy(a[:20_000])\\n1 / 0", "del a"]
names = {}
for number, source in enumerate(sources, 1):
    code = compile(source, f"cell-{number}", "exec")
    cell = _core.cell_begin(number)
    try:
        exec(code, names)
        failed = False
    except ZeroDivisionError:
        failed = True
    _core.cell_end(cell, failed)
cells = [_core.cell_report(_core.cell_id(number)) for number in (1, 2, 3)]
told = {"overview": _core.overview(history=True), "cells": cells, "live": _core.live(), "sources": sources}
json.dump(told, sys.stdout)
"""


class FromScript:
    """The sources of the script's cells."""

    def __init__(self, sources: list[str]) -> None:
        self.sources = {f"cell-{number}": source for number, source in enumerate(sources, 1)}

    def number(self, file: str) -> int | None:
        return int(file.removeprefix("cell-")) if file in self.sources else None

    def lines(self, file: str) -> list[str]:
        return self.sources.get(file, "").splitlines()


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    sources = FromScript(told["sources"])
    return {
        "overview": Overview.from_json(told["overview"], sources),
        "cells": [
            CellReport.from_json(report, sources, f"cell-{number}")
            for number, report in enumerate(told["cells"], 1)
        ],
        "live": Live.from_json(told["live"], sources),
    }


@pytest.fixture(scope="module")
def results(real: dict[str, Any]) -> list[Result]:
    return [real["overview"], *real["cells"], real["live"]]


def cell(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "number": number, "label": f"In[{number}]", "traced": True, **fields}


def overview(cells: list[dict[str, Any]]) -> Overview:
    return Overview.from_json(json.dumps({"cells": cells, "live": sum(c.get("live", 0) for c in cells)}))


def busy(count: int) -> Overview:
    chance = random.Random(count)

    def size() -> int:
        return int(chance.lognormvariate(16, 4))

    return overview(
        [
            cell(
                number,
                state=chance.choice(["done", "done", "failed", "running"]),
                allocated=size(),
                freed=size(),
                net=chance.choice([-1, 1]) * size(),
                peak=size(),
                live=size(),
                rss_start=size(),
                rss_end=size(),
                rss_peak=size(),
                traced=chance.random() > 0.1,
            )
            for number in range(1, count + 1)
        ]
    )


class Reader(HTMLParser):
    """Reads an output as strictly as an untrusted notebook: what JupyterLab would strip is an error."""

    TAGS = frozenset(
        {
            *("div", "p", "b", "span", "img", "details", "summary"),
            *("table", "caption", "thead", "tbody", "tr", "th", "td"),
        }
    )
    ATTRIBUTES = frozenset({"style", "align", "scope", "alt", "src"})
    PROPERTIES = frozenset(
        {
            *("background", "color", "border", "border-bottom", "border-collapse", "border-radius"),
            *("font-size", "font-weight", "line-height", "margin", "max-width", "overflow-x", "padding"),
            *("overflow-wrap", "text-align", "white-space"),
        }
    )

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.goes_on = False
        self.images: list[dict[str, str]] = []
        self.styles: list[str] = []
        self.heads: list[str] = []
        self.captions = self.tables = 0
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.TAGS, tag
        given = {name: value or "" for name, value in attrs}
        assert set(given) <= self.ATTRIBUTES, given
        self.goes_on = tag == "span"
        self.tables += tag == "table"
        self.captions += tag == "caption"
        if tag == "th":
            self.heads.append(given["scope"])
        for declaration in filter(None, given.get("style", "").split(";")):
            name, _, value = declaration.partition(":")
            assert name in self.PROPERTIES, declaration
            assert not re.search(r"var\(|inherit|currentcolor|url\(|rgb", value, re.IGNORECASE), declaration
        self.styles.append(given.get("style", ""))
        if tag == "img":
            self.images.append(given)
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.goes_on = tag == "span"

    def handle_data(self, data: str) -> None:
        """A span is a part of the words around it."""
        if self.goes_on and self.words:
            data = self.words.pop() + data
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words).replace("\N{NO-BREAK SPACE}", " ")


def html(result: Result) -> str:
    return str(result._repr_mimebundle_()["text/html"])


def test_an_untrusted_viewer_strips_nothing(results: list[Result]) -> None:
    for result in results:
        read = Reader(html(result))
        assert read.tables == read.captions > 0
        assert set(read.heads) == {"col", "row"}


def test_each_table_row_says_its_own_colours_for_a_dark_theme(real: dict[str, Any]) -> None:
    rows = re.findall(r"<tr[^>]*>", html(real["overview"]))
    assert rows
    assert all("background:#fff" in row for row in rows)
    assert "background:#fff;color:#1f2328" in html(real["overview"])[:60]


def test_the_answer_comes_first_and_is_one_sentence(results: list[Result]) -> None:
    for result in results:
        sentence = result.bundle().sentence
        assert Reader(html(result)).text.startswith(sentence)
        assert str(result).replace("\n", " ").startswith(sentence)
        assert sentence.endswith(".")
        assert not re.search(r"\.\s", sentence)


def test_every_number_of_the_terminal_is_in_the_browser(results: list[Result]) -> None:
    for result in results:
        sizes = set(re.findall(r"[-+]?[\d.]+ (?:[KMG]i)?B\b", str(result)))
        assert sizes
        assert sizes <= set(re.findall(r"[-+]?[\d.]+ (?:[KMG]i)?B\b", Reader(html(result)).text))


def test_a_terminal_never_needs_more_than_80_columns(results: list[Result]) -> None:
    for result in [*results, *(busy(count) for count in (0, 1, 5, 60, 400))]:
        assert max(map(len, str(result).splitlines())) <= 80


def test_an_output_stays_small_and_keeps_its_chart() -> None:
    for count in (1, 5, 60, 80, 81, 500):
        bundle = busy(count)._repr_mimebundle_()
        assert sent(bundle) <= OUTPUT_LIMIT
        assert "<img" in bundle["text/html"]


def test_what_is_left_out_is_said_and_summed() -> None:
    many = overview([cell(number, allocated=number, peak=number, live=number) for number in range(1, 301)])
    assert "The 20 cells with the most memory; the 280 others are in the last row" in str(many)
    assert re.search(rf"^280 others .* {bytes_text(sum(range(1, 281)))} +-", str(many), re.MULTILINE)
    assert many._repr_mimebundle_()[JSON_TYPE]["left_out"] == 280


def test_a_long_report_fits_with_pictures_and_lines() -> None:
    leaf = {"file": "/usr/lib/python3.13/json/decoder.py", "line": 1, "function": "decode", "allocated": MIB}
    lines = [
        {
            "file": "cell-1",
            "line": at,
            "function": "<module>",
            "allocated": MIB * at,
            "peak": at,
            "library": [leaf] * 30,
        }
        for at in range(1, 300)
    ]
    timeline = [{"at": at / 7, "live": at * 977, "rss": at * MIB} for at in range(240)]
    text = json.dumps({"cell": cell(1, allocated=MIB, peak=MIB), "lines": lines, "timeline": timeline})
    report = CellReport.from_json(text, FromScript(["print('<&>')  # a long line of code\n" * 300]))
    bundle = report._repr_mimebundle_()
    assert sent(bundle) <= OUTPUT_LIMIT
    read = Reader(bundle["text/html"])
    assert len(read.images) == 2
    assert "└ json/decoder.py, line 1 in decode" in read.text
    assert len(report.lines) == 299


def test_pictures_are_svg_with_their_content_in_words(results: list[Result]) -> None:
    pictures = [image for result in results for image in Reader(html(result)).images]
    assert len(pictures) == 8
    for picture in pictures:
        assert len(picture["alt"]) > 40
        assert re.search(r"\d", picture["alt"])
        kind, _, data = picture["src"].partition(";base64,")
        assert kind == "data:image/svg+xml"
        ElementTree.fromstring(base64.b64decode(data))


def test_text_of_the_user_is_text() -> None:
    evil = "</td><script>alert('1 & 2')</script>"
    line = {"file": evil, "line": 3, "function": evil, "allocated": 9, "peak": 9, "live": 9}
    text = json.dumps({"cell": cell(1, label=evil, allocated=9, peak=9), "lines": [line], "notes": [evil]})
    report = CellReport.from_json(text, file=evil)
    assert evil in Reader(html(report)).text
    assert "\N{NO-BREAK SPACE}" not in str(report)


def test_the_sentence_names_who_keeps_and_who_peaked() -> None:
    two = overview([cell(3, peak=53 * MIB, live=53 * MIB), cell(5, peak=120 * MIB, live=23 * MIB)])
    assert two.bundle().sentence == (
        "The notebook holds 76.0 MiB; In[3] keeps the most (53.0 MiB), In[5] peaked highest (120 MiB)."
    )
    one = overview([cell(1, peak=MIB, live=MIB)])
    assert one.bundle().sentence == (
        "The notebook holds 1.00 MiB; In[1] keeps the most (1.00 MiB), it also peaked highest (1.00 MiB)."
    )
    assert overview([]).bundle().sentence == "No cell has been recorded yet."


def test_a_report_knows_its_cell_and_the_code_that_it_ran(real: dict[str, Any]) -> None:
    first, second, third = real["cells"]
    assert second.file == "cell-2"
    assert CellReport.from_json(second.json, FromScript(["", ""])).file == "cell-2"
    assert second.source == ("b = copy.deepcopy(a[:20_000])", "1 / 0")
    assert second.bundle().sentence.startswith("In[2] failed: it allocated ")
    assert "└ copy.py, line" in str(second)
    assert first.peak > first.live
    assert third.cell.allocated == 0
    assert third.bundle().sentence == f"In[3] allocated nothing and freed {bytes_text(third.freed)}."


def test_fewer_lines_and_no_charts_can_be_asked_for(real: dict[str, Any]) -> None:
    report = real["cells"][0]
    assert len(report.lines) > 1
    short = report.bundle(top=1, chart=False)
    assert not Reader(short.html()).images
    assert f"{len(report.lines) - 1} other line" in short.text()


def test_a_result_is_data(results: list[Result]) -> None:
    for result in results:
        again = type(result).from_json(result.json)  # type: ignore[attr-defined]
        assert again.to_dict().keys() == result.to_dict().keys()
    first = results[0]
    assert Overview.from_json(first.json) == first
    assert first.to_dict()["cells"][0]["label"] == "In[1]"


def reachable(start: object) -> Iterator[object]:
    seen, todo = {id(start)}, [start]
    while todo:
        one = todo.pop()
        yield one
        if isinstance(one, type):
            continue
        for other in gc.get_referents(one):
            if id(other) not in seen:
                seen.add(id(other))
                todo.append(other)


def test_a_result_holds_numbers_and_text_only(results: list[Result]) -> None:
    plain = {str, int, float, bool, tuple, dict, type(None)}
    for result in results:
        kinds = {type(one) for one in reachable(result) if not isinstance(one, type)}
        assert all(kind in plain or kind.__module__.startswith("cellheap.") for kind in kinds), kinds


def test_unknown_numbers_are_a_dash_and_not_zero() -> None:
    row = next(line for line in str(overview([cell(1, traced=False)])).splitlines() if "not traced" in line)
    assert row.split()[3:] == ["-", "-", "-", "-", "0", "B", "-"]


def test_a_bar_is_as_long_as_its_number() -> None:
    read = html(overview([cell(1, live=MIB), cell(2, live=4 * MIB)]))
    assert re.findall(r"#0072b2\) 0 100%/(\d+)%", read) == ["22", "90"]
    bars = [
        line.count("█") for line in str(overview([cell(1, live=MIB), cell(2, live=4 * MIB)])).splitlines()
    ]
    small, big = (bar for bar in bars if bar)
    assert big == 4 * small or abs(big / 4 - small) < 1


def test_tables_have_the_colours_of_the_charts(real: dict[str, Any]) -> None:
    chart = _core.chart_cells(real["overview"].json)
    assert LIVE.upper() in chart
    assert PEAK.upper() in chart
    assert ALLOCATED.upper()[1:] * 2 in chart


def test_bad_json_is_one_clear_line() -> None:
    for draw, what in ((_core.chart_cells, "an overview"), (_core.chart_timeline, "a cell report")):
        with pytest.raises(ValueError, match=f"^not the JSON of {what}: [^\n]+$"):
            draw("{")
    with pytest.raises(ValueError, match=r"^not the JSON of a source: "):
        _core.chart_lines("{}", "[1")
    with pytest.raises(ValueError, match=r"^a chart is 560 to 4000 pixels wide, not 7$"):
        _core.chart_cells("{}", 7)


def test_times_and_sizes_read_well() -> None:
    times = [0.0004, 0.25, 1.25, 12.54, 59.96, 200, 7500]
    assert list(map(seconds_text, times)) == [
        "0.4 ms",
        "250 ms",
        "1.25 s",
        "12.5 s",
        "1 min 0 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [signed_bytes_text(n) for n in (-MIB, 0, MIB)] == ["-1.00 MiB", "0 B", "+1.00 MiB"]


def test_rows_are_typed() -> None:
    report = CellReport.from_json(
        json.dumps({"cell": cell(1), "lines": [{"line": 2, "library": [{"line": 3}]}]})
    )
    assert isinstance(report.cell, Cell)
    assert isinstance(report.lines[0].library[0], Line)
