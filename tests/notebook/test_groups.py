"""A kernel in a container's memory: warned as it fills, killed by the OOM killer, and told of at the next start."""

from __future__ import annotations

import re
from pathlib import Path

from jupyter_client.manager import KernelManager

from tests.notebook.deaths import again, die, last_words
from tests.notebook.front import Front
from tests.notebook.groups import group, joining, used_file
from tests.notebook.test_lookout import HOLD, warnings

LIMIT = 400 << 20
FILL = "blocks = []\nwhile True:\n    blocks.append(b'x' * 5_000_000)"


def test_the_container_is_warned_of_and_its_oom_killer_is_named() -> None:
    with group(LIMIT) as folder:
        manager = KernelManager(kernel_name="cellheap")
        spec = manager.kernel_spec
        assert spec is not None
        spec.argv = joining(spec.argv, folder)
        manager.start_kernel()
        try:
            nearly_full(Front(manager).ready(), folder)
        finally:
            manager.shutdown_kernel(now=True)


def nearly_full(front: Front, folder: Path) -> None:
    """Fills the group to 95% and then beyond its end."""
    front.run(f"import ctypes\nused = lambda: int(open({str(used_file(folder))!r}).read())")
    ran = front.run(f"big = b'x' * ({LIMIT} * 95 // 100 - used())\n{HOLD}")
    (said,) = warnings(ran)
    assert re.search(r"of 400 MiB .*the container's limit", said), said
    assert "In[2], line 1" in said
    front.run("del big")
    die(front, FILL)
    second = again(front)
    told = last_words(second.run("1"))
    second.close()
    assert "was killed for lack of memory in In[4], line 3, at " in told, told
    assert "of 400 MiB" in told, told
