"""Memory control groups for the tests, of version 1 or 2, where the machine lets them be made."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOTS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


@contextlib.contextmanager
def group(limit: int) -> Iterator[Path]:
    """A group of its own with this limit; skips the test, and says why, where there can be none."""
    for root, file in _ROOTS:
        folder = root / f"cellheap-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / file).write_text(str(limit))
            yield folder
            return
        except FileNotFoundError:
            pass
        finally:
            remove(folder)
    pytest.skip("no memory control group can be made here: it takes root and a cgroup that may be written")


def remove(folder: Path) -> None:
    """Removes a group, when the last process in it is gone."""
    while True:
        try:
            folder.rmdir()
            return
        except OSError:
            os.sched_yield()


def used_file(folder: Path) -> Path:
    """Where the group says how much of it is used."""
    second = folder / "memory.current"
    return second if second.exists() else folder / "memory.usage_in_bytes"


def joining(argv: list[str], folder: Path) -> list[str]:
    """A kernelspec's command that enters the group before it becomes what it was; its `python` is this one."""
    return ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh", sys.executable, *argv[1:]]
