"""Whether this kernel records memory, and why not. Owns the mark that a start leaves until it is done."""

import os
import sys
from pathlib import Path

from cellheap import _core


class Tracing:
    """The recording of one kernel."""

    def __init__(self) -> None:
        # Why nothing is recorded, in one line; None while recording, or when the user said off.
        self.note: str | None = None
        self._mark: Path | None = None

    def begin(self, connection_file: str) -> None:
        """Start recording, unless the user said no or the kernel before this one died while it started."""
        if os.environ.get("CELLHEAP_TRACE") == "off":
            return
        mark = Path(connection_file + ".starting")
        if mark.exists():
            mark.unlink(missing_ok=True)
            self._explain("the kernel before this one died while it started; restart to record")
            return
        try:
            mark.touch(mode=0o600)
            self._mark = mark
        except OSError:
            pass  # A read-only folder: the kernel does without the mark.
        try:
            _core.trace_start()
        except RuntimeError as error:
            self._explain(str(error))

    def started(self) -> None:
        """The start is done, well or not: this process did not crash in it."""
        if self._mark is not None:
            self._mark.unlink(missing_ok=True)

    def _explain(self, reason: str) -> None:
        os.environ["CELLHEAP_TRACE"] = "off"  # For what loads later in this process.
        self.note = f"Memory is not recorded: {reason}."
        print(f"cellheap: {self.note}", file=sys.__stderr__, flush=True)


# What the magics ask why there is nothing to show.
tracing = Tracing()
