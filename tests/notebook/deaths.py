"""Kernels that die, for the tests: what ends them, and the next start of the same kernel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.notebook.front import Front, Ran

#: How the last words begin.
BEGIN = "The kernel before this one "


def left_beside(front: Front) -> list[str]:
    """The hidden files of the black box beside the connection file."""
    folder = Path(front.manager.connection_file).parent
    name = Path(front.manager.connection_file).name
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(f".{name}."))


def process_of(front: Front) -> Any:
    """The kernel's process, as the server knows it."""
    provisioner: Any = front.manager.provisioner
    return provisioner.process


def wait_for_end(front: Front) -> None:
    """Until the process is gone; the connection file stays."""
    process_of(front).wait(timeout=60)


def die(front: Front, cell: str) -> None:
    """Runs a cell that ends the process."""
    front.client.execute(cell)
    wait_for_end(front)


def again(front: Front, **options: Any) -> Front:
    """The next start of the same kernel, as a server restarts one that died."""
    front.client.stop_channels()
    manager: Any = front.manager
    manager.start_kernel(**{**manager._launch_args, **options})
    return Front(manager).ready()


class Mortal:
    """A kernel that dies and is started again, so that each death costs one start."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def dies(self, cell: str) -> str:
        """Runs a cell that ends the process: what the first cell of the next start is told."""
        die(self.front, cell)
        self.front = again(self.front)
        return last_words(self.front.run("1"))

    @property
    def next(self) -> str:
        """The cell that comes next."""
        return f"In[{self.front.run('None').reply['content']['execution_count'] + 1}]"


def last_words(ran: Ran) -> str:
    """The last words among what a cell displayed; empty without."""
    for content in ran.of("display_data"):
        text = str(content["data"].get("text/plain", ""))
        if text.startswith(BEGIN):
            return re.sub(r"\s+", " ", text)
    return ""
