"""Whether this kernel records memory, and why not if it does not. Owns the mark that a start leaves until it is done."""

import os
import sys
from pathlib import Path

from cellheap import _core

# Why nothing is recorded, in one line; None while recording, or when the user said off.
note: str | None = None

_mark: Path | None = None


def begin(connection_file: str) -> None:
    """Start recording, unless the user said no or the kernel before this one died while it started."""
    global _mark
    if os.environ.get("CELLHEAP_TRACE", "").lower() in ("off", "0", "no", "false"):
        return
    mark = Path(connection_file + ".starting")
    if mark.exists():
        _explain(
            "Memory is not recorded: the kernel before this one died while it started. Restart to record."
        )
        _remove(mark)
        return
    try:
        mark.touch(mode=0o600)
        _mark = mark
    except OSError:
        pass  # A read-only folder: the kernel does without the mark.
    try:
        _core.trace_start()
    except RuntimeError as error:
        _explain(f"Memory is not recorded: {error}")


def started() -> None:
    """The start is done, well or not: this process did not crash in it."""
    if _mark is not None:
        _remove(_mark)


def _explain(reason: str) -> None:
    global note
    note = reason
    print(f"cellheap: {reason}", file=sys.__stderr__, flush=True)


def _remove(mark: Path) -> None:
    mark.unlink(missing_ok=True)
