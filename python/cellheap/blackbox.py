"""Whether this process has a black box beside its connection file, and why not. What it says: `lastwords`."""

from __future__ import annotations

import os
import sys

from cellheap import _core


class BlackBox:
    """The one of this process."""

    def __init__(self) -> None:
        #: Why there is none, in one line; None where there is one.
        self.note: str | None = "No black box is written in this process."

    def begin(self, connection_file: str | None) -> None:
        """Begins to write, and reads what the process before this one left. Where that cannot be, one line on
        stderr says why, and all else goes on."""
        if "off" in (os.environ.get("CELLHEAP_TRACE"), os.environ.get("CELLHEAP_BOX")):
            self.note = "No black box is written: CELLHEAP_BOX=off or CELLHEAP_TRACE=off is set."
            return
        if connection_file is None:
            self.note = "No black box is written: it lies beside a connection file, and there is none here."
            return
        try:
            _core.box_begin(connection_file)
        except OSError as error:
            self.note = f"No black box is written: {error}."
            print(f"cellheap: {self.note}", file=sys.__stderr__, flush=True)
        else:
            self.note = None


black_box = BlackBox()
