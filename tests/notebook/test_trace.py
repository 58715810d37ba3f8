"""`cellheap.trace`, `assert_peak` and `limit` in a notebook: exact bytes, and the cell's numbers stay
true."""

import sys
import weakref
from collections.abc import Iterator

import cellheap
import pytest
from cellheap.units import parse_bytes

from tests.notebook.shells import Kernel, Terminal, terminal

MIB = 1 << 20


@pytest.fixture
def notebook() -> Iterator[Terminal]:
    with terminal() as shell:
        shell.run("import cellheap, gc, sys")
        yield shell


def traced(notebook: Terminal, *lines: str) -> cellheap.Report:
    """The report of a block of these lines."""
    notebook.run("\n".join(["with cellheap.trace() as t:", *(f"    {line}" for line in lines)]))
    report = notebook.names["t"].report
    assert isinstance(report, cellheap.Report)
    return report


def test_an_empty_block_is_nothing(notebook: Terminal) -> None:
    report = traced(notebook, "pass")
    assert (report.allocated, report.freed, report.peak, report.lines) == (0, 0, 0, ())
    assert "allocated nothing" in str(report)


def test_what_is_kept_is_exact(notebook: Terminal) -> None:
    report = traced(notebook, "kept = bytes(100_000)")
    size = sys.getsizeof(notebook.names["kept"])
    assert (report.allocated, report.net, report.peak, report.freed) == (size, size, size, 0)
    (line,) = report.lines
    assert (report.names[line.file], line.line, line.peak) == (f"In[{notebook.number}]", 2, size)


def test_the_parts_of_the_lines_add_up_to_the_peak(notebook: Terminal) -> None:
    notebook.run("old = bytes(3000)")
    report = traced(
        notebook, "a = bytearray(50_000)", "old = None", "b = bytearray(70_000)", "del a", "c = [1]"
    )
    assert sum(line.peak for line in report.lines) == report.peak
    assert sum(line.net for line in report.lines) == report.net == report.allocated - report.freed
    older = {line.line: line for line in report.lines if line.file != report.lines[0].file}
    assert [(row.peak, row.net) for row in older.values()] == [(-sys.getsizeof(bytes(3000)),) * 2]


def test_a_peak_between_two_moments_is_not_missed(notebook: Terminal) -> None:
    report = traced(notebook, "x = bytearray(8 << 20)", "del x", "y = bytearray(1 << 20)")
    assert 8 * MIB <= report.peak < 8 * MIB + 200
    assert 1 * MIB <= report.net < 1 * MIB + 200


def test_numpy_is_measured_too(notebook: Terminal) -> None:
    notebook.run("import numpy as np\nnp.ones(9).sum()")
    report = traced(notebook, "a = np.zeros(200_000)", "b = a * 2", "del b")
    assert 2 * 1_600_000 <= report.peak < 2 * 1_600_000 + 1000
    assert 1_600_000 <= report.net < 1_600_000 + 1000


def test_blocks_may_be_nested(notebook: Terminal) -> None:
    notebook.run(
        "with cellheap.trace() as outer:\n"
        "    a = bytearray(10_000)\n"
        "    with cellheap.trace() as inner:\n"
        "        b = bytearray(20_000)\n"
        "        del b\n"
        "    c = bytearray(5_000)"
    )
    outer, inner = notebook.names["outer"].report, notebook.names["inner"].report
    assert 20_000 <= inner.peak < 20_200
    assert inner.net == 0
    assert 30_000 <= outer.peak < 31_000
    assert 15_000 <= outer.net < 16_000


def test_the_cell_around_a_block_keeps_its_numbers(notebook: Terminal) -> None:
    body = "kept = bytearray(10_000); gone = bytearray(500_000); del gone"
    notebook.run(body)
    plain = cellheap.cells[notebook.number]
    notebook.run("del kept")
    notebook.run(f"with cellheap.trace():\n    {body}")
    around = cellheap.cells[notebook.number]
    for name in ("allocated", "freed", "peak", "net"):
        assert abs(getattr(around, name) - getattr(plain, name)) < 1000
    assert {line.line: line.peak // 1000 for line in around.lines if line.peak > 1000} == {2: 510}


def test_a_block_measures_every_thread(notebook: Terminal) -> None:
    report = traced(
        notebook,
        "import threading",
        "def work():",
        "    kept.append(bytearray(300_000))",
        "kept = []",
        "threads = [threading.Thread(target=work) for _ in range(4)]",
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]",
    )
    assert 1_200_000 <= sum(line.net for line in report.lines if line.function == "work") < 1_201_000


def test_blocks_in_threads_at_once_each_say_what_happened_meanwhile(notebook: Terminal) -> None:
    notebook.run(
        "import threading\n"
        "meet, reports, kept = threading.Barrier(3), [], []\n"
        "def work():\n"
        "    with cellheap.trace() as t:\n"
        "        meet.wait()\n"
        "        kept.append(bytearray(100_000))\n"
        "        meet.wait()\n"
        "    reports.append(t.report)\n"
        "threads = [threading.Thread(target=work) for _ in range(3)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    reports = notebook.names["reports"]
    assert len(reports) == 3
    for report in reports:
        (line,) = (line for line in report.lines if line.line == 6)
        assert 300_000 <= line.net < 301_000


def test_a_block_that_fails_has_a_report(notebook: Terminal) -> None:
    notebook.run("t = cellheap.trace()\nwith t:\n    x = bytearray(9000)\n    1 / 0")
    assert notebook.names["t"].report.net >= 9000


def test_a_trace_says_why_it_has_no_report(notebook: Terminal) -> None:
    t = cellheap.trace()
    with pytest.raises(RuntimeError, match="was never entered"):
        print(t.report)
    with t:
        with pytest.raises(RuntimeError, match="is still open"):
            print(t.report)
        with pytest.raises(RuntimeError, match=r"needs a cellheap\.trace\(\) of its own"), t:
            pass
    first = t.report
    with t:
        pass
    assert t.report is not first


def test_without_recording_a_block_is_an_error(notebook: Terminal) -> None:
    notebook.run("%memtrace stop")
    with pytest.raises(RuntimeError, match="`%memtrace start` begins"), cellheap.trace():
        pass
    notebook.run("%memtrace start")


def test_a_block_in_which_recording_stopped_says_so(notebook: Terminal) -> None:
    notebook.run("t = cellheap.trace()\nwith t:\n    get_ipython().run_line_magic('memtrace', 'stop')")
    assert not notebook.names["t"].report.traced
    assert "not whole" in str(notebook.names["t"].report)
    notebook.run("%memtrace start")


def test_a_report_keeps_nothing_of_the_users_alive(notebook: Terminal) -> None:
    notebook.run("class Big: pass\nwith cellheap.trace() as t:\n    big = Big()")
    watched = weakref.ref(notebook.names["big"])
    repr(notebook.names["t"].report)
    notebook.run("del big\ngc.collect()")
    assert watched() is None


def test_a_failed_assertion_names_the_lines(notebook: Terminal) -> None:
    result = notebook.run(
        "with cellheap.assert_peak('10 KiB'):\n    small = bytes(100)\n    big = bytes(20_000)"
    )
    assert isinstance(result.error_in_exec, AssertionError)
    first, second, *_ = str(result.error_in_exec).splitlines()
    assert first == "the block peaked at 19.7 KiB, above its limit of 10.0 KiB"
    assert second.strip() == f"19.6 KiB  In[{notebook.number}], line 3: big = bytes(20_000)"


def test_a_peak_at_the_limit_is_allowed(notebook: Terminal) -> None:
    size = sys.getsizeof(bytes(5000))
    notebook.run(f"with cellheap.assert_peak({size}) as t:\n    x = bytes(5000)").raise_error()
    assert notebook.names["t"].report.peak == size
    notebook.run("del x")
    result = notebook.run(f"with cellheap.assert_peak({size - 1}):\n    x = bytes(5000)")
    assert "peaked at 4.92 KiB, above its limit of 4.91 KiB" in str(result.error_in_exec)


def test_sizes_that_read_alike_are_told_in_bytes(notebook: Terminal) -> None:
    size = sys.getsizeof(bytes(5_000_000))
    result = notebook.run(f"with cellheap.assert_peak({size - 1}):\n    x = bytes(5_000_000)")
    assert f"peaked at {size:,} B, above its limit of {size - 1:,} B" in str(result.error_in_exec)


def test_an_error_of_the_block_goes_first(notebook: Terminal) -> None:
    result = notebook.run("with cellheap.assert_peak(0):\n    x = bytes(5000)\n    1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)


def test_each_call_of_a_decorated_function_is_judged(notebook: Terminal) -> None:
    notebook.run(
        "@cellheap.assert_peak('10 KiB')\ndef make(n):\n    'Makes.'\n    return bytes(n)\n"
        "small = make(5000), make(5000), make(5000)"
    ).raise_error()
    result = notebook.run("make(50_000)")
    assert "make() peaked at 48.9 KiB, above its limit of 10.0 KiB" in str(result.error_in_exec)
    assert (notebook.names["make"].__name__, notebook.names["make"].__doc__) == ("make", "Makes.")


def test_one_assertion_is_for_one_block_at_a_time(notebook: Terminal) -> None:
    notebook.run("once = cellheap.assert_peak('1 MiB')\nwith once: pass\nwith once: pass").raise_error()
    result = notebook.run("with once:\n    with once: pass")
    assert "this trace is open already" in str(result.error_in_exec)


def test_recursion_is_judged_call_by_call(notebook: Terminal) -> None:
    notebook.run(
        "@cellheap.assert_peak('100 KiB')\ndef grow(n):\n"
        "    here = bytearray(10_000)\n    return grow(n - 1) if n else None"
    )
    notebook.run("grow(4)").raise_error()
    assert isinstance(notebook.run("grow(20)").error_in_exec, AssertionError)


def test_code_under_a_decorator_is_the_lines_that_calls(notebook: Terminal) -> None:
    notebook.run("import json\nloads = cellheap.assert_peak('1 KiB')(json.loads)")
    result = notebook.run("loads('[' + '1000000,' * 999 + '0]')")
    assert isinstance(result.error_in_exec, AssertionError)
    assert f"In[{notebook.number}], line 1" in str(result.error_in_exec)


def test_coroutines_are_judged_when_they_have_run(notebook: Terminal) -> None:
    notebook.run(
        "import asyncio\n@cellheap.assert_peak('10 KiB')\nasync def make(n):\n"
        "    await asyncio.sleep(0)\n    return bytes(n)"
    )
    assert notebook.values("len(await make(100))") == 100
    result = notebook.run("len(await make(100_000))")
    assert str(result.error_in_exec).startswith("make() peaked at 97.9 KiB, above its limit of 10.0 KiB")


def test_a_call_that_cannot_be_stopped_is_judged_after_it(notebook: Terminal) -> None:
    """What is freed again before the next instruction."""
    notebook.run(
        "ran = []\n@cellheap.limit('1 MiB')\ndef load(n):\n    b''.join(map(bytes, [1000] * n))\n    ran.append(n)"
    )
    notebook.run("load(100)").raise_error()
    error = notebook.run("load(1000)").error_in_exec
    assert isinstance(error, cellheap.CellMemoryLimit)
    assert isinstance(error, MemoryError)
    assert error.report is not None
    assert error.report.peak > MIB
    assert str(error).startswith("load() peaked at ")
    assert "MiB, above its limit of 1.00 MiB" in str(error)
    assert notebook.names["ran"] == [100, 1000]


def test_what_cannot_be_measured_is_refused() -> None:
    def generate() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generate is a generator"):
        cellheap.limit("1 MiB")(generate)
    with pytest.raises(TypeError, match="only functions can be measured, not 5"):
        cellheap.assert_peak("1 MiB")(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10 MiB", 10 << 20),
        ("2G", 2 << 30),
        ("512k", 512 << 10),
        ("1.5 KiB", 1536),
        ("10 MB", 10_000_000),
        ("1_000", 1000),
        (" 7 b ", 7),
        ("0", 0),
        (4096, 4096),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "ten", "10 MiBs", "-5", "5 Q", "1.2.3", "٣ MiB", -1, True])
def test_what_is_no_size_says_what_is(text: str | int) -> None:
    with pytest.raises(
        ValueError, match="a size is text such as '10 MiB' or '2G', or a whole number of bytes, not"
    ):
        cellheap.limit(text)


def test_a_fraction_of_a_byte_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"or a whole number of bytes, not 1\.5"):
        cellheap.assert_peak(1.5)  # type: ignore[arg-type]


def test_a_report_shows_itself(kernel: Kernel) -> None:
    kernel.run("import cellheap")
    _, outputs = kernel.run("with cellheap.trace() as t:\n    x = [0] * 1000\nt.report")
    (data,) = (one["content"]["data"] for one in outputs if one["type"] == "execute_result")
    assert "The block allocated 7.8" in data["text/plain"]
    assert data["text/html"].startswith("<div")
    assert data["application/vnd.cellheap.v1+json"]["kind"] == "report"


def test_many_blocks_leave_nothing_behind() -> None:
    def many() -> int:
        for _ in range(2000):
            with cellheap.trace():
                pass
        return cellheap.live().process.books

    with terminal():
        many()
        before = many()
        assert many() - before < 64 << 10
