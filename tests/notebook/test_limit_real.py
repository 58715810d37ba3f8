"""Where the system itself has a limit (a memory control group, `ulimit -v`) the notebook's comes first."""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.notebook.front import Front

MIB = 1 << 20
#: What the group or the address space may take.
ALLOWED = 512 * MIB

#: Programs that would need far more than that.
GROWING = (
    "rows = []\nwhile True: rows.append([0] * 1000)",
    "blocks = []\nwhile True: blocks.append(b'x' * (3 << 20))",
    "text = ''\nwhile True: text += 'y' * (8 << 20)",
)


def own_group() -> Path | None:
    """The folder of this process's memory control group, version 1 or 2, if groups can be made in it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            folder = Path("/sys/fs/cgroup/memory" + path)
        elif not controllers:
            folder = Path("/sys/fs/cgroup" + path)
        else:
            continue
        limits = ("memory.limit_in_bytes", "memory.max")
        if any((folder / name).exists() for name in limits) and os.access(folder, os.W_OK):
            return folder
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory control group with a limit."""
    above = own_group()
    if above is None:
        pytest.skip("no memory control group can be made here")
    group = above / f"cellheap-{uuid4().hex[:8]}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no memory control group can be made here: {error}")
    try:
        limit = next(
            (group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists()),
            None,
        )
        if limit is None:
            pytest.skip("the new control group has no memory controller")
        limit.write_text(str(ALLOWED))
        yield group
    finally:
        # Who was in it has ended by now, and is on its way out of it.
        for process in (group / "cgroup.procs").read_text().split():
            (above / "cgroup.procs").write_text(process)
        group.rmdir()


def test_a_container_s_kernel_survives_by_a_percentage(
    group: Path, starting: Callable[..., Front], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLHEAP_LIMIT", "60%")
    front = starting().ready()
    process = front.process_id()
    (group / "cgroup.procs").write_text(str(process))
    # The environment was read outside of the group.
    said = front.run("%memtrace limit 60%").text()
    assert said.startswith("The limit is 307 MiB (60% of the container's limit, 512 MiB)")
    front.run("keep = [1, 2, 3]")
    for source in GROWING:
        ran = front.run(source)
        assert ran.reply["content"]["ename"] == "CellMemoryLimit", ran.reply
        assert front.run("rows = blocks = text = None; keep").result == "[1, 2, 3]"
        # What malloc keeps of the bytes that were freed counts in the group.
        assert front.run("%gcclear").status == "ok"
    assert front.process_id() == process


def test_with_little_address_space_the_limit_comes_first(starting: Callable[..., Front]) -> None:
    front = starting().ready()
    space = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({3 << 30}, {resource.RLIM_INFINITY}))"
    assert front.run(space).status == "ok"
    front.run("keep = [1, 2, 3]\n%memtrace limit 200M")
    process = front.process_id()
    for source in GROWING:
        ran = front.run(source)
        assert ran.reply["content"]["ename"] == "CellMemoryLimit", ran.reply
        assert front.run("rows = blocks = text = None; keep").result == "[1, 2, 3]"
    assert front.process_id() == process


def test_a_memory_error_of_the_systems_stays_one(starting: Callable[..., Front]) -> None:
    """There is a limit, but it was not what refused."""
    front = starting().ready()
    front.run(
        f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({3 << 30}, {resource.RLIM_INFINITY}))"
    )
    front.run("%memtrace limit 100G")
    ran = front.run("b = bytes(8 << 30)")
    assert ran.reply["content"]["ename"] == "MemoryError"
    assert front.run("1 + 1").result == "2"
