"""Which cell a code file is, and what its source is. Knows IPython's names for code; nothing of memory."""

from __future__ import annotations

import linecache
from typing import Any, ClassVar

#: How IPython names the code of a cell where a front end does not say otherwise.
PLAIN_PREFIX = "<ipython-input-"


def prefixes(shell: Any) -> list[str]:
    """What the file names of this shell's cells begin with."""
    name = shell.compile.get_code_name("", "", 0)
    folder, slash, _ = name.rpartition("/")
    own = folder + slash if slash else PLAIN_PREFIX if name.startswith(PLAIN_PREFIX) else name
    return list(dict.fromkeys([own, PLAIN_PREFIX]))


class Sources:
    """Files of the cells that ran, by our own records: one text run twice may have one file name."""

    #: Of the shell that was followed last: an extension that is loaded again goes on with it.
    _latest: ClassVar[Sources | None] = None

    @classmethod
    def of(cls, shell: Any) -> Sources:
        """What is known already of a shell's cells, or a new one."""
        latest = cls._latest
        if latest is None or latest._shell is not shell:
            latest = cls._latest = cls(shell)
        return latest

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._numbers: dict[str, int] = {}
        self._files: dict[int, str] = {}

    def note(self, info: Any, number: int | None, cell: int, run: int) -> None:
        """Code is about to run: `info` is IPython's, `number` and `cell` are of its cell, `run` is its
        count."""
        code = getattr(info, "transformed_cell", None) or self._transformed(info.raw_cell)
        file = self._shell.compile.get_code_name(info.raw_cell, code, run)
        self._files.setdefault(cell, file)
        if number is not None:
            self._numbers[file] = number

    def _transformed(self, raw: str) -> str:
        try:
            return str(self._shell.transform_cell(raw))
        except Exception:
            return raw

    def forget(self) -> None:
        """Forgets the files of cells; code that is still alive can be read on."""
        self._files.clear()

    def file(self, cell: int) -> str | None:
        """The file name of a cell's own code, by our id of the cell."""
        return self._files.get(cell)

    def number(self, file: str) -> int | None:
        """The execution count of the latest cell whose code has this file name."""
        return self._numbers.get(file)

    def lines(self, file: str) -> list[str]:
        """The source, as it was typed where it has the lines that were run; empty if unknown."""
        ran = [line.rstrip("\n") for line in linecache.getlines(file)]
        typed = self._typed(self._numbers.get(file))
        is_cell_magic = any(line.startswith("get_ipython().run_cell_magic(") for line in ran[-1:])
        return typed if typed and (is_cell_magic or not ran or len(typed) == len(ran)) else ran

    def _typed(self, number: int | None) -> list[str]:
        history = getattr(self._shell.history_manager, "input_hist_raw", [])
        if number is None or number >= len(history) or not history[number]:
            return []
        lines: list[str] = history[number].splitlines(keepends=True)
        for clean in self._shell.input_transformer_manager.cleanup_transforms:
            lines = clean(lines)
        return [line.rstrip("\n") for line in lines]
