"""The hotspot reporter: as a function, and as a command on real scripts."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from examples import hotspots

PROGRAM = Path(hotspots.__file__)

SCRIPT = """\
import hotspots
rows = [bytes(10_000) for _ in range(100)]
hotspots.mark("rows are made")
cache = [None] * 50
for n in range(50):
    cache[n] = bytearray(20_000)
hotspots.mark("the cache is full")
rows.clear()
big = bytes(5_000_000)
del big
"""


def ran(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_line_holds_what_its_objects_weigh() -> None:
    def work() -> list[bytes]:
        return [bytes(10_000) for _ in range(100)]

    spot = hotspots.profile(work).top(1)[0]
    assert spot.file == __file__
    assert spot.code == "return [bytes(10_000) for _ in range(100)]"
    rows = [bytes(10_000) for _ in range(100)]
    # The head of the list may be one that Python had kept, and so older.
    assert 0 <= sum(map(sys.getsizeof, [rows, *rows])) - spot.live <= sys.getsizeof([])
    assert spot.blocks in (101, 102)


def test_what_is_let_go_of_counts_in_the_peak_alone() -> None:
    profile = hotspots.profile(lambda: len(bytes(5_000_000)))
    assert sys.getsizeof(bytes(5_000_000)) <= profile.peak < 5_100_000
    assert profile.marks[-1].live < 10_000


def test_growth_is_told_from_mark_to_mark(script: Path) -> None:
    profile, status = hotspots.run(script)
    assert status == 0
    assert [mark.name for mark in profile.marks] == ["rows are made", "the cache is full", "the end"]
    first, second, end = (mark.snapshot for mark in profile.marks)
    cache = 50 * sys.getsizeof(bytearray(20_000))
    (grown, *_) = hotspots.growth(first, second)
    assert grown.line == 6
    assert 0 <= grown.grown - cache < 256  # A name or a number of the loop's may be new.
    assert all(spot.line != 2 for spot in hotspots.growth(second, end))  # That line shrank.
    assert profile.top(1)[0].line == 6


def test_the_reporters_own_snapshots_are_not_in_the_peak(tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(
        "import hotspots\nrows = [str(n) for n in range(50_000)]\n"
        "for n in range(3):\n    hotspots.mark(str(n))\n"
    )
    profile, _ = hotspots.run(path)
    live = max(mark.live for mark in profile.marks)
    assert live <= profile.peak < 1.1 * live


def test_the_command_shows_the_lines_and_hands_on_what_the_script_says(script: Path) -> None:
    script.write_text(SCRIPT + "import sys\nprint(*sys.argv[1:])\nsys.exit(3)\n")
    done = ran("run", "--top", 3, script, "--an", "option")
    assert (done.returncode, done.stdout) == (3, "--an option\n")
    assert "script.py:6  cache[n] = bytearray(20_000)" in done.stderr
    assert "From 'rows are made' to 'the cache is full': +" in done.stderr


def test_a_script_that_fails_shows_its_error_and_the_report(tmp_path: Path) -> None:
    path = tmp_path / "fails.py"
    path.write_text("kept = bytearray(300_000)\n1 / 0\n")
    done = ran("run", path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "hotspots.py" not in done.stderr.partition("At the end")[0]
    assert "fails.py:1  kept = bytearray(300_000)" in done.stderr


def test_two_saved_files_are_compared(script: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    assert ran("run", "--save", before, script).returncode == 0
    script.write_text(SCRIPT + "more = bytearray(700_000)\n")
    assert ran("run", "--save", after, script).returncode == 0
    done = ran("compare", before, after)
    assert done.returncode == 0
    assert "From 'before' to 'after': +683." in done.stdout
    assert "script.py:11  more = bytearray(700_000)" in done.stdout
    assert "No line holds more than before." in ran("compare", after, after).stdout


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("a = = 1\n")
    missing = tmp_path / "missing.py"
    for words, complaint in (
        (("run", missing), f"{missing} cannot be read: No such file or directory"),
        (("run", wrong), f"{wrong}, line 1, is no Python: invalid syntax"),
        (("run", tmp_path), f"{tmp_path} cannot be read: Is a directory"),
        (("compare", wrong, wrong), f"{wrong} is no snapshot: `hotspots.py run --save FILE` writes them"),
    ):
        done = ran(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"hotspots.py: {complaint}\n"
    assert "a whole number from 1 on is wanted, not 'none'" in ran("run", "--top", "none", wrong).stderr


def test_tracemalloc_and_modules_are_left_as_they_were(script: Path) -> None:
    modules, path = sys.modules["__main__"], sys.path[:]
    hotspots.run(script)
    assert not tracemalloc.is_tracing()
    assert (sys.modules["__main__"], sys.path) == (modules, path)
    assert "hotspots" not in sys.modules
    hotspots.mark("nobody looks")
    tracemalloc.start()
    try:
        hotspots.profile(bytes, 10)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_one_report_at_a_time() -> None:
    with pytest.raises(hotspots.HotspotError, match="looked at already"):
        hotspots.profile(lambda: hotspots.profile(bytes))
    assert hotspots.profile(bytes, 1000).marks  # And the next one works.
