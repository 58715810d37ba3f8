"""Committed outputs: what of them is kept, and when they no longer say what the kernel says.

Knows notebooks and text. Keeps out of them: paths of the machine that ran them, frames of libraries.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

#: The tag of a cell whose numbers differ from run to run (times, RSS): its words alone are compared.
VARIES = "varies"
#: What two runs of the same code may differ by: a tenth, or so much of a kind. Times may be any.
SHARE = 0.10
SLACK = {"bytes": 16 * 1024, "things": 20, "number": 0, "time": float("inf")}

BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Places in the notebook are words; `1,234`, `3.81 MiB` and `12 ms` are amounts.
PLACE = re.compile(r"(?:In|Out)\[\d+\]|\bline \d+|\b[A-Za-z_]\w*")
AMOUNT = re.compile(
    r"(?P<number>\d[\d,_]*(?:\.\d+)?)"
    r"(?:\s?(?:(?P<bytes>[KMG]iB|B)|(?P<things>blocks?|objects?)|(?P<time>[nµm]?s|seconds?))(?!\w))?"
)
# RSS is the system's, what earlier cells left in libraries may go in any, and where lines share a peak now
# this one and now that is named.
NOISE = re.compile(
    r"(?<=B) in [\d,]+ blocks?| and freed [\d,]+ B(?=\.)"
    r"|RSS(?:[^.;,]|[.,]\d)*|; (?:most of the peak is of|by then older blocks had gone,) [^;]*(?=\.(?:\s|$))"
)
#: What a slow machine or a first time says on the way, and garbage of IPython's own.
PASSING = re.compile(
    r"^\r?(?:cellheap looks at all objects|Matplotlib is building the font cache).*\n?", re.MULTILINE
)
NOBODYS = re.compile(r"[\d,]+ objects? in reference cycles w(?:as|ere) garbage; ")
#: So little of a cell's may have gone before, with garbage of IPython's own.
LITTLE = re.compile(r"\bFreed \d{1,3} B in [\d,]+ blocks?")
NOTHING = "Nothing of the notebook's was freed"


def clean(notebook: NotebookNode) -> NotebookNode:
    """A copy with what every run has in common."""
    kept = copy.deepcopy(notebook)
    kept.metadata["cellheap"] = {"sources": sources(notebook)}
    for cell in kept.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_passing(output)]
        for output in cell.get("outputs", []):
            _clean(output)
    return kept


def _clean(output: NotebookNode) -> None:
    if output.output_type == "error":
        # Frames of libraries are of no use to a learner, and tell where they are installed.
        output.traceback = [part for part in output.traceback if not COLOUR.sub("", part).startswith("File ")]
    for key, value in output.items():
        output[key] = _without_paths(value)


def _is_passing(output: NotebookNode) -> bool:
    """Whether nothing is left of this text without what is said on the way, which is taken out of it."""
    if output.output_type != "stream":
        return False
    output.text = PASSING.sub("", output.text)
    return not output.text


def _without_paths(value: Any) -> Any:
    if isinstance(value, str):
        for path, name in _places():
            value = value.replace(path, name)
        return re.sub(r"ipykernel_\d+", "ipykernel", value)
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    if isinstance(value, dict):
        return type(value)({_without_paths(key): _without_paths(item) for key, item in value.items()})
    return value


def _places() -> list[tuple[str, str]]:
    """This machine's folders and what stands for them, the longest first."""
    names = {
        sysconfig.get_path("platlib"): "site-packages",
        sysconfig.get_path("stdlib"): "python",
        sys.prefix: "environment",
        sys.base_prefix: "python",
        str(Path(__file__).resolve().parents[1]): "cellheap",
        tempfile.gettempdir(): "temporary",
        os.path.expanduser("~"): "home",
    }
    return sorted(names.items(), key=lambda pair: -len(pair[0]))


def sources(notebook: NotebookNode) -> str:
    """A digest of the code that the outputs are of."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def stale(committed: NotebookNode, fresh: NotebookNode) -> str | None:
    """Why the committed outputs no longer say what this run says; None where they do. What was written by
    another minor version of CPython is judged by its code alone: sizes differ between minors."""
    if committed.metadata.get("cellheap", {}).get("sources") != sources(committed):
        return "the code has changed since its outputs were written"
    if _minor(committed) != _minor(fresh):
        return None
    for old, new in zip(committed.cells, clean(fresh).cells, strict=True):
        if old.cell_type == "code":
            varies = VARIES in old.metadata.get("tags", [])
            for before, after in zip_longest(sentences(old), sentences(new), fillvalue="nothing"):
                if not same(before, after, numbers=not varies):
                    return f"cell {old.id!r} says {after!r}, and the committed output says {before!r}"
    return None


def _minor(notebook: NotebookNode) -> list[str]:
    return str(notebook.metadata["language_info"].get("version", "")).split(".")[:2]


def sentences(cell: NotebookNode) -> Iterator[str]:
    """What a cell's outputs say: the text that it printed, and of reports the answer, which comes first."""
    printed = ""
    for output in cell.outputs:
        if output.output_type == "stream":
            # On stderr is progress, which a quick machine does not show.
            printed += output.text if output.name == "stdout" else ""
            continue
        if printed:
            yield _line(printed)
            printed = ""
        if output.output_type == "error":
            yield _line(f"{output.ename}: {output.evalue}")
        else:
            yield _line(output.data.get("text/plain", "").partition("\n\n")[0])
    if printed:
        yield _line(printed)


def _line(text: str) -> str:
    line = NOBODYS.sub("", " ".join(COLOUR.sub("", text).split()))
    return LITTLE.sub(NOTHING, line)


def same(before: str, after: str, numbers: bool = True) -> bool:
    """Whether two sentences say the same, but for noise."""
    (words, amounts), (new_words, new_amounts) = _parts(before), _parts(after)
    return words == new_words and (
        not numbers or all(_near(old, new) for old, new in zip(amounts, new_amounts, strict=True))
    )


Amount = tuple[float, str]


def _parts(text: str) -> tuple[str, list[Amount]]:
    """A sentence with a mark for each amount, and the amounts."""
    amounts: list[Amount] = []

    def taken(found: re.Match[str]) -> str:
        if found["number"] is None:
            return found[0]
        number = float(found["number"].replace(",", "").replace("_", ""))
        kind = next((kind for kind in ("bytes", "things", "time") if found[kind]), "number")
        amounts.append((number * BYTES.get(found["bytes"], 1), kind))
        return f"#{kind}"

    return re.sub(f"{PLACE.pattern}|{AMOUNT.pattern}", taken, NOISE.sub("", text)), amounts


def _near(old: Amount, new: Amount) -> bool:
    (before, kind), (after, _) = old, new
    return abs(after - before) <= max(SHARE * before, SLACK[kind])
