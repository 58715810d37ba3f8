"""Where the system gives no more memory or no more files, who asks what took it is told, and the kernel lives."""

import resource
from pathlib import Path

import pytest

from tests.notebook.shells import Kernel, kernel_of, texts

ROOM = 300 << 20
SCARCE = f"""
import resource, sys
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(
    resource.RLIMIT_AS, (pages * resource.getpagesize() + {ROOM}, {resource.RLIM_INFINITY})
)
"""
FILL = """
keep = []
try:
    while True:
        keep.append(bytes(100_000))
except MemoryError:
    pass
"""

OPEN = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
files = []
try:
    while True:
        files.append(open("/dev/null"))
except OSError:
    pass
"""


def said(kernel: Kernel, source: str) -> str:
    """All that a cell shows and prints."""
    _, outputs = kernel.run(source)
    printed = [output["content"]["text"] for output in outputs if output["type"] == "stream"]
    return "\n".join([*texts(outputs), *printed])


@pytest.mark.timeout(180)
def test_who_asks_gets_an_answer_and_the_kernel_lives() -> None:
    with kernel_of("cellheap") as kernel:
        assert kernel.run(SCARCE)[0]["status"] == "ok"
        reply, _ = kernel.run(FILL)
        number, size = reply["execution_count"], held(kernel)
        assert size > ROOM // 2
        assert f"In[{number}] keeps the most" in said(kernel, "%memtrace")
        assert f"In[{number}], line 4 " in said(kernel, f"%memtrace {number}")
        answers_or_says_why(kernel)
        assert abs(cleared(kernel) - size) < 100_000
        assert kernel.value("len(bytes(1 << 27))") == str(1 << 27)


@pytest.mark.timeout(180)
def test_what_is_kept_for_answers_may_be_used_up_and_the_kernel_lives() -> None:
    """malloc keeps the address space of what it gives back: the second time the notebook fills that too. Then
    Python itself can hardly say what is wrong."""
    with kernel_of("cellheap") as kernel:
        assert kernel.run(SCARCE)[0]["status"] == "ok"
        for _ in range(3):
            # Enough is left to compile a cell.
            kernel.run(FILL + "del keep[-20:]")
            for line in ("%memtrace", "%memtrace live", "%memtrace why keep", "%gcclear keep"):
                kernel.run(line)
            kernel.run("keep = None")
            assert kernel.value("1 + 1") == "2"
        assert kernel.value("len(bytes(1 << 20))") == str(1 << 20)


def test_who_asks_is_answered_where_every_descriptor_is_open(tmp_path: Path) -> None:
    with kernel_of("cellheap") as kernel:
        # No frame of a traceback, which IPython cannot read the source of then.
        reply, _ = kernel.run(OPEN)
        number, opened = reply["execution_count"], int(kernel.value("len(files)"))
        assert opened > 100
        for name in ("first.html", "second.html"):
            assert f"In[{number}] keeps the most" in said(kernel, "%memtrace")
            assert f"In[{number}], line 6 " in said(kernel, f"%memtrace {number}")
            kernel.run(f"cell = %memtrace {number}")
            assert kernel.value("cell.cell.open_files_end - cell.cell.open_files_start") == str(opened)
            assert "Only the name files holds it" in said(kernel, "%memtrace why files")
            assert "files" in said(kernel, "%memtrace vars")
            assert "Written to" in said(kernel, f"%memtrace export {tmp_path / name}")
        assert "Freed" in said(kernel, "%gcclear files")
        assert kernel.value("len(list(map(open, ['/dev/null'] * 100)))") == "100"


def held(kernel: Kernel) -> int:
    return int(kernel.value("sum(map(sys.getsizeof, keep))"))


def answers_or_says_why(kernel: Kernel) -> None:
    for line in ("%memtrace why keep", "%memtrace vars keep", "%gcclear --dry-run keep"):
        answer = said(kernel, line)
        assert "Traceback" not in answer
        assert "keep" in answer or "memory" in answer


def cleared(kernel: Kernel) -> int:
    """What clearing the variable freed of it."""
    kernel.run("cleared = %gcclear keep")
    return int(kernel.value("next(step.freed for step in cleared.steps if step.what == 'keep')"))
