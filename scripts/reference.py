"""`make docs`: writes docs/reference.md from the docstrings of the magics, the settings and the Python API.

Knows how docstrings become Markdown; what they say is said in the code. `--check` only tells whether the page
is stale.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import cellheap
from cellheap import api, arguments, cleared, graphtypes, install, records
from cellheap.config import CellHeap
from cellheap.magics import CellHeapMagics

PAGE = Path(__file__).resolve().parent.parent / "docs/reference.md"

HEAD = """\
# Reference

<!-- Written by `make docs` from the docstrings: change those, not this page. -->

What is typed in cells, what can be set, and what Python code can call. Its words are those of
[how-it-works.md](how-it-works.md#words); sizes are exact bytes wherever Python code reads them.
"""

_PROPERTIES = (property, cached_property)

MAGICS: dict[str, Any] = {
    "%memtrace": CellHeapMagics.memtrace,
    "%%memtrace": CellHeapMagics.memtrace_cell,
    "%gcclear": CellHeapMagics.gcclear,
}

#: What the environment can say. A test compares the names with those that the code reads.
ENVIRONMENT = {
    "CELLHEAP_TRACE": "`off`: nothing is recorded, and nothing is hooked.",
    "CELLHEAP_NATIVE": "`off`: Python's allocators are recorded, the C library's are left alone.",
    "CELLHEAP_LIMIT": "A limit for every notebook, as `%memtrace limit` takes it: `2G`, `80%`.",
    "CELLHEAP_BOX": "`off`: no black box is written, so `%memtrace last` has nothing to tell.",
}

#: The rows that results are made of.
ROWS: tuple[ModuleType, ...] = (records, graphtypes, cleared)
#: Where a name of the API is no class or function of its own.
INSTANCES = {"cells": api.Cells}


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Magics\n", *map(magic, MAGICS), "## Settings\n", settings(), "## The command line\n"]
    parts += [command(), "## The Python API\n", *map(public, names()), "## Rows of results\n", *rows()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def magic(name: str) -> str:
    """A magic: what it does, as its `?` shows it, and its options."""
    parser = arguments.parser(MAGICS[name])
    said = [f"### `{name}`\n", _fenced(inspect.cleandoc(parser.description or ""), "text")]
    options = [action for action in parser._actions if action.option_strings]
    return "\n".join([*said, *_options(options)])


def _options(actions: list[argparse.Action]) -> Iterator[str]:
    """A table of options, as `--help` says them."""
    if actions:
        yield from ("| option | does |", "|---|---|")
    for action in actions:
        text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
        yield f"| {_option(action)} | {_cell(text)} |"


def _option(action: argparse.Action) -> str:
    """`-o NAME`, `--cycles [N]`."""
    metavar = action.metavar
    if metavar is None and action.choices is not None:
        metavar = "|".join(map(str, action.choices))
    value = "" if action.nargs == 0 or not isinstance(metavar, str) else metavar
    if value and action.nargs == "?":
        value = f"[{value}]"
    return f"`{' '.join([', '.join(action.option_strings), value]).strip()}`".replace("|", "\\|")


def settings() -> str:
    said = [
        "In a configuration file, or with `%config` in a notebook:\n",
        "| setting | default | means |",
        "|---|---|---|",
    ]
    for name, trait in sorted(CellHeap.class_own_traits(config=True).items()):
        default = "`off`" if name == "limit" else f"`{trait.default_value}`"
        said.append(f"| `c.CellHeap.{name}` | {default} | {_cell(trait.help)} |")
    said += ["\nIn the environment of the kernel:\n", "| variable | means |", "|---|---|"]
    said += [f"| `{name}` | {_cell(text)} |" for name, text in ENVIRONMENT.items()]
    return "\n".join(said)


def command() -> str:
    parser = install.parser()
    actions = [action for action in parser._actions if action.option_strings != ["-h", "--help"]]
    said = [
        "`python -m cellheap install` puts the kernel where another environment's Jupyter server finds it.\n"
    ]
    return "\n".join([*said, *_options(actions)])


def names() -> list[str]:
    """The public names, but for the hooks that IPython calls."""
    return [
        name for name in sorted(cellheap.__all__, key=str.lower) if "ipython" not in name and name[0] != "_"
    ]


def public(name: str) -> str:
    """A name of the API: how it is called, what it says of itself, what it has."""
    thing = INSTANCES.get(name) or getattr(cellheap, name)
    title = f"### `cellheap.{name}{_call(name, thing)}`"
    said = [title, "", prose(inspect.getdoc(thing) or "")]
    if inspect.isclass(thing):
        said += ["", *attributes(thing)]
    return "\n".join(said)


def _call(name: str, thing: Any) -> str:
    """The arguments of a call, for what is called."""
    if name in INSTANCES:
        return "[N]"
    if inspect.isclass(thing):
        if thing.__name__[0].isupper():  # A result or an error: nobody makes one.
            return ""
        thing = thing.__init__
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    arguments = function.args
    arguments.args = [one for one in arguments.args if one.arg != "self"]
    gives = f" -> {ast.unparse(function.returns)}" if function.returns and function.name != "__init__" else ""
    return f"({ast.unparse(arguments)}){gives}"


def attributes(kind: type) -> Iterator[str]:
    """Attributes and properties of a class, with what its source says of each."""
    told = list(_attributes(kind))
    if told:
        yield from ("| attribute | type | is |", "|---|---|---|")
        yield from (f"| `{name}` | `{_cell(hint)}` | {_cell(text)} |" for name, hint, text in told)


def _attributes(kind: type) -> Iterator[tuple[str, str, str]]:
    if dataclasses.is_dataclass(kind):
        remarks = {name: text for one in reversed(kind.__mro__) for name, text in _remarks(one).items()}
        for field in dataclasses.fields(kind):
            yield field.name, str(field.type), remarks.get(field.name, "")
    for name, value in inspect.getmembers_static(kind, lambda value: isinstance(value, _PROPERTIES)):
        if not name.startswith("_"):
            get = value.func if isinstance(value, cached_property) else value.fget
            hint = inspect.signature(get).return_annotation if get else ""
            yield name, hint if isinstance(hint, str) else "", inspect.getdoc(value) or ""


def _remarks(kind: type) -> dict[str, str]:
    """The `#:` comments above the fields of a class."""
    if kind.__module__.partition(".")[0] != "cellheap":
        return {}
    found, said = {}, ""
    for line in inspect.getsource(kind).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            said = f"{said} {text[2:].strip()}".strip()
        else:
            if said and (name := re.match(r"(\w+):", text)):
                found[name[1]] = said
            said = ""
    return found


def rows() -> Iterator[str]:
    """The data that results are made of."""
    yield "What results have as `cells`, `lines`, `types`, `steps` and so on.\n"
    for module in ROWS:
        for name, kind in inspect.getmembers(module, dataclasses.is_dataclass):
            if (
                kind.__module__ == module.__name__
                and not name.startswith("_")
                and name not in cellheap.__all__
            ):
                fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
                about = prose(_own_doc(kind))
                home = module.__name__.rpartition(".")[2]
                yield "\n".join([f"### `{home}.{name}`\n", *([about, ""] if about else []), f"Has {fields}."])


def _own_doc(kind: Any) -> str:
    """A class's docstring, if somebody wrote it: dataclasses make one of their own."""
    text = inspect.cleandoc(kind.__doc__ or "")
    return "" if text.startswith(f"{kind.__name__}(") else text


def prose(text: str) -> str:
    """A docstring as Markdown: what is indented after `::` is code."""
    said: list[str] = []
    code = False
    for part in re.split(r"\n\n+", text):
        if part.startswith("    "):
            block = textwrap.dedent(part)
            # Blocks that follow each other are one.
            said[-1:] = (
                [f"{said[-1][:-4]}\n\n{block}\n```"] if code else [said[-1], f"```python\n{block}\n```"]
            )
            code = True
            continue
        code = False
        said.append(part[:-1] if part.endswith("::") else part)
    return "\n\n".join(said)


def _fenced(text: str, kind: str) -> str:
    return f"```{kind}\n{text.strip()}\n```\n"


def _cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    options = argparse.ArgumentParser(prog="scripts.reference", description="Write docs/reference.md.")
    options.add_argument("--check", action="store_true", help="only tell whether it is stale")
    if options.parse_args().check:
        is_stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page()
        print(f"{PAGE.name} is {'stale: `make docs` writes it' if is_stale else 'as the docstrings say'}")
        return int(is_stale)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
