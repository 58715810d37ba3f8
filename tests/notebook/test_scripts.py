"""`cellheap.trace` and its kin without IPython: in a script, in pytest, where nothing can be recorded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def ran(folder: Path, source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script's run in a process of its own."""
    (folder / "script.py").write_text(source)
    command = [sys.executable, *(arguments or ("script.py",))]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_script_is_measured_by_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def make(n):\n    return bytearray(n)\n")
    script = ran(
        tmp_path,
        "import sys, json, cellheap, helper\n"
        "with cellheap.trace() as t:\n"
        "    own = bytearray(10_000)\n"
        "    other = helper.make(20_000)\n"
        "lines = [(l.line, l.net, [r.function for r in l.library]) for l in t.report.lines]\n"
        "print(json.dumps([t.report.net, lines, 'IPython' in sys.modules]))\n",
    )
    assert script.stderr == ""
    net, lines, has_ipython = json.loads(script.stdout)
    sizes = [sys.getsizeof(bytearray(n)) for n in (20_000, 10_000)]
    assert [(line, library) for line, _, library in lines] == [(4, ["make"]), (3, [])]
    assert abs(net - sum(sizes)) <= 32
    assert [abs(one - size) <= 16 for (_, one, _), size in zip(lines, sizes, strict=True)] == [True, True]
    assert not has_ipython


def test_pytest_tells_a_peak_as_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import cellheap\n"
        "@cellheap.assert_peak('1 MiB')\n"
        "def test_small():\n    assert len(bytes(1000)) == 1000\n"
        "@cellheap.assert_peak('1 MiB')\n"
        "def test_big():\n    data = bytes(3 << 20)\n"
    )
    run = ran(tmp_path, "", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert "1 failed, 1 passed" in run.stdout
    assert "test_big() peaked at 3.00 MiB, above its limit of 1.00 MiB" in run.stdout
    assert "test_it.py, line 7 in test_big: data = bytes(3 << 20)" in run.stdout


def test_two_files_may_both_trace(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "import cellheap\ndef measured():\n    with cellheap.trace() as t:\n        kept = bytearray(5000)\n    return t.report\n"
    )
    script = ran(
        tmp_path,
        "import cellheap, other\n"
        "with cellheap.trace() as t:\n    pass\n"
        "print([(l.file.rsplit('/', 1)[-1], l.line) for l in other.measured().lines])\n",
    )
    assert (script.stderr, script.stdout) == ("", "[('other.py', 4)]\n")


def test_where_recording_is_off_the_error_says_so(tmp_path: Path) -> None:
    source = "import cellheap\nwith cellheap.trace():\n    pass\n"
    off = ran(tmp_path, source, CELLHEAP_TRACE="off")
    assert off.returncode == 1
    assert off.stderr.splitlines()[-1] == (
        "RuntimeError: nothing is recorded: CELLHEAP_TRACE is off in the environment"
    )


def test_a_forked_child_cannot_measure_and_says_so(tmp_path: Path) -> None:
    script = ran(
        tmp_path,
        "import cellheap, os, sys\n"
        "with cellheap.trace():\n    pass\n"
        "if os.fork():\n    os.wait()\nelse:\n"
        "    try:\n        cellheap.trace().__enter__()\n"
        "    except RuntimeError as error:\n        print(error, flush=True)\n    os._exit(0)\n",
    )
    assert script.stdout == (
        "allocations cannot be recorded: a forked child of a traced process is not traced\n"
    )


@pytest.mark.parametrize(
    "code", ["with cellheap.trace() as t: x = bytearray(5000)\nprint(t.report.net >= 5000)"]
)
def test_code_from_the_command_line_is_measured(tmp_path: Path, code: str) -> None:
    run = ran(tmp_path, "", "-c", f"import cellheap\n{code}")
    assert (run.stderr, run.stdout) == ("", "True\n")


#: Run under tracemalloc and under cellheap, each in a process of its own.
WORK = """
def work():
    rows = [str(n) * 3 for n in range(20_000)]
    text = ",".join(rows)
    table = {row: len(row) for row in rows}
    del rows
    return text, sorted(table)[:9_000]
"""
THEIRS = """
import tracemalloc
work()
tracemalloc.start()
start = tracemalloc.get_traced_memory()[0]
tracemalloc.reset_peak()
kept = work()
now, peak = tracemalloc.get_traced_memory()
print(peak - start, now - start)
"""
OURS = """
import cellheap
work()
with cellheap.trace() as t:
    kept = work()
print(t.report.peak, t.report.net)
"""


def test_a_blocks_peak_and_net_are_what_tracemalloc_says(tmp_path: Path) -> None:
    (peak, net), (our_peak, our_net) = (
        map(int, ran(tmp_path, WORK + source).stdout.split()) for source in (THEIRS, OURS)
    )
    assert peak > 2_000_000 > net > 500_000
    # tracemalloc's own tuples and numbers between its readings.
    assert abs(our_peak - peak) <= 64
    assert abs(our_net - net) <= 64
