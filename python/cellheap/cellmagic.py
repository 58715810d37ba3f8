"""`%%memtrace`: a pure input transformer turns its line into an empty one, so that the cell runs as the cell
it is. What the line asks for is read from the source again when the cell has run. Runs and shows nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import cell_magic

Parse = Callable[[str], argparse.Namespace]
_NAME = "%%memtrace"


class CellMagic:
    """The transformer and the reader of one shell; `parse` parses the arguments of the magic's line."""

    def __init__(self, shell: Any, parse: Parse) -> None:
        self._shell = shell
        self._parse = parse

    def transform(self, lines: list[str]) -> list[str]:
        """An input transformer. Raises UsageError for wrong arguments: then IPython does not run the cell."""
        arguments = _arguments(lines[0]) if lines else None
        if arguments is None:
            return lines
        if self._parse(arguments).help:
            return [lines[0], *(lines[1:] or ["\n"])]  # IPython calls no magic for an empty cell.
        rest = next((at for at, line in enumerate(lines[1:], 1) if line.strip()), len(lines))
        return ["\n", *lines[1:rest], *cell_magic(self.transform(lines[rest:]))]

    def wanted(self, raw: str) -> argparse.Namespace | None:
        """What a cell's source asks for: the arguments of `%%memtrace` on its first line or under other cell
        magics; None without, or where that asks for help."""
        if _NAME not in raw:
            return None
        lines = raw.splitlines(keepends=True)
        for clean in self._shell.input_transformer_manager.cleanup_transforms:
            lines = clean(lines)
        for line in lines:
            if line.strip() and not line.startswith("%%"):
                return None
            arguments = _arguments(line)
            if arguments is not None:
                return self._lenient(arguments)
        return None

    def _lenient(self, arguments: str) -> argparse.Namespace | None:
        try:
            parsed = self._parse(arguments)
        except UsageError:
            return None
        return None if parsed.help else parsed


def _arguments(line: str) -> str | None:
    if not line.startswith(_NAME):
        return None
    name, *arguments = line.rstrip().split(None, 1)
    return None if name != _NAME else "".join(arguments)
