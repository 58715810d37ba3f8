"""Notebooks that hold what nobody expects: what asks about memory answers, and runs none of their code."""

import pytest

from tests.notebook.shells import Kernel, kernel_of, texts

QUESTIONS = (
    "%memtrace",
    "%memtrace live",
    "%memtrace vars",
    "%memtrace vars big",
    "%memtrace why big",
    "%memtrace report",
    "%gcclear --dry-run",
    "%gcclear --dry-run big",
    "%gcclear",
    "%gcclear b*",
)
NO_TEXT = r"""
globals()[5] = bytes(50_000)
globals()[1, 2] = [1] * 1_000
globals()["\ud800"] = bytes(60_000)
big = bytes(70_000)
"""
HOSTILE = """
class Meta(type):
    def no(*_):
        raise RuntimeError("the notebook's code ran")
    __eq__ = __ne__ = __hash__ = __instancecheck__ = __subclasscheck__ = no
    __getattribute__ = __bool__ = __len__ = __repr__ = __dir__ = no
class Hostile(metaclass=Meta):
    __eq__ = __hash__ = __getattribute__ = __bool__ = __len__ = __repr__ = Meta.__dict__["no"]
one, many, big = Hostile(), [Hostile() for _ in range(5)], bytes(70_000)
"""


def answers(kernel: Kernel, line: str) -> str:
    reply, outputs = kernel.run(line)
    assert reply["status"] == "ok", (line, reply)
    assert "Traceback" not in "".join(o["content"]["text"] for o in outputs if o["type"] == "stream")
    return "\n".join(texts(outputs))


@pytest.mark.parametrize("made", [NO_TEXT, HOSTILE], ids=["names that are no text", "types that refuse"])
def test_every_question_is_answered(made: str) -> None:
    with kernel_of("cellheap") as kernel:
        assert kernel.run(made)[0]["status"] == "ok"
        told = {line: answers(kernel, line) for line in QUESTIONS}
        assert "70,000 bytes" in told["%memtrace vars"]
        assert kernel.value("'big' in globals()") == "False"


@pytest.mark.parametrize("made", [NO_TEXT, HOSTILE], ids=["names that are no text", "types that refuse"])
def test_a_cell_that_is_refused_is_told_of_the_largest_variables(made: str) -> None:
    with kernel_of("cellheap") as kernel:
        assert kernel.run(made)[0]["status"] == "ok"
        assert kernel.run("%memtrace limit 1M")[0]["status"] == "ok"
        reply, _ = kernel.run("more = bytes(5_000_000)")
        assert reply["ename"] == "CellMemoryLimit"
        assert "big (bytes, 68.4 KiB)" in reply["evalue"]
