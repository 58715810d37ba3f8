"""Writes a result to a file, in the format that its suffix names. Owns the formats; a result owns its
content."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from html import escape
from pathlib import Path

from cellheap import _core
from cellheap.display import Zoomable
from cellheap.flames import Flame, flame
from cellheap.results import CellReport, Live, Overview, Result

#: Pixels of a PNG for each of the chart's own.
_SCALE = 2.0


class ExportError(ValueError):
    """A file that cannot be written: the message says why, and what is right."""


def write(result: Result, file: str | os.PathLike[str], force: bool = False) -> Path:
    """Writes a result to `file` and returns its path. What was there stays until all is written.

    Raises ExportError for a suffix that is no format or that this result does not have, and, without `force`,
    where the file is there already; OSError where it cannot be written."""
    path = Path(file).expanduser()
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        what = f"{path.suffix!r} is no format" if path.suffix else f"{path.name!r} has no suffix"
        raise ExportError(f"{what}: the suffix is one of {', '.join(_FORMATS)}")
    if path.is_dir():
        raise ExportError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise ExportError(f"there is no folder {path.parent}")
    if path.exists() and not force:
        raise ExportError(f"{path} is there already, and stays: --force (force=True) replaces it")
    _replace(path, form(result))
    return path


def _replace(path: Path, content: bytes) -> None:
    """Written beside and renamed: a reader never sees half a file. A link stays one."""
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(content)
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _json(result: Result) -> bytes:
    return (json.dumps(result.to_dict(), indent=1) + "\n").encode()


def _csv(result: Result) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, result.columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(result.rows())
    return text.getvalue().encode()


def _svg(result: Result) -> bytes:
    return _picture(result).encode()


def _png(result: Result) -> bytes:
    return _core.chart_png(_picture(result), _SCALE)


def _picture(result: Result) -> str:
    pictures = [picture.svg for picture in result.pictures()]
    if not pictures:
        stacks = _flame(result)
        if stacks is None:
            raise ExportError(f"{result!r} has no chart: .json, .csv and .html have its numbers")
        pictures = [stacks.svg()]
    return pictures[0] if len(pictures) == 1 else _core.chart_column(pictures)


def _folded(result: Result) -> bytes:
    stacks = _flame(result)
    if stacks is None:
        raise ExportError(f"{result!r} has no stacks: .json, .csv and .html have its numbers")
    return stacks.folded().encode()


def _flame(result: Result) -> Flame | None:
    """The stacks of a result; None where it has none, or where the books have forgotten its cell."""
    match result:
        case Flame():
            return result
        case CellReport():
            try:
                return flame(result.cell.id, "peak")
            except KeyError:
                return None
        case Live() | Overview():
            return flame(None, "live")
    return None


def _html(result: Result) -> bytes:
    """A page that needs nothing else: the report, its flame graph, and all numbers as JSON."""
    bundle, stacks = result.bundle(), None if isinstance(result, Flame) else _flame(result)
    graph = ""
    if stacks is not None and stacks.total:
        drawn = Zoomable(stacks.svg(), stacks.title, stacks.page())
        graph = f"<h2>{escape(stacks.title)}</h2>{drawn.html()}"
    numbers = json.dumps(result.to_dict()).replace("</", "<\\/")
    return _PAGE.format(
        title=escape(bundle.sentence), report=bundle.whole_html(), graph=graph, numbers=numbers
    ).encode()


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font-family: Helvetica, Arial, sans-serif; max-width: 820px; margin: 24px auto; padding: 0 12px; }}
h2 {{ font-size: 16px; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #0d1117; color: #e6edf3; }} }}
</style>
</head>
<body>
{report}
{graph}
<script type="application/json" id="cellheap">{numbers}</script>
</body>
</html>
"""

_FORMATS: dict[str, Callable[[Result], bytes]] = {
    ".json": _json,
    ".csv": _csv,
    ".html": _html,
    ".svg": _svg,
    ".png": _png,
    ".folded": _folded,
    ".collapsed": _folded,
    ".txt": _folded,
}
