"""The program for files that are larger than its memory: right answers, under limits that are real."""

import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import cellheap
import pytest

from examples import bigfile
from examples.bigfile import MIB, BigFileError, count_lines, field, lines_of, sort_lines

PROGRAM = Path(bigfile.__file__)
ROWS, WIDTH = 15_000, 800


def ran(*words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def rows() -> list[bytes]:
    """Lines of a number, a name, an amount and filling."""
    dice = random.Random(7)
    return [
        b"%d,name%d,%d.%02d," % (n, dice.randrange(4_000), dice.randrange(-50, 50), dice.randrange(100))
        + b"x" * (WIDTH - 30)
        for n in range(ROWS)
    ]


@pytest.fixture(scope="module")
def big(rows: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "rows.csv"
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    assert path.stat().st_size > 10 * MIB
    return path


def read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from lines_of(file, MIB)


def test_it_sorts_as_the_systems_sort_does(big: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    done = ran("sort", big, "-d", ",", "-k", 2, "--memory", "1M", "-o", ours)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    command = ["sort", "--stable", "--field-separator=,", "--key=2,2", f"--output={theirs}", str(big)]
    subprocess.run(command, check=True, env={"LC_ALL": "C"})
    assert ours.read_bytes() == theirs.read_bytes()


def test_it_counts_and_adds_up_exactly(rows: list[bytes], big: Path) -> None:
    sums: defaultdict[bytes, Decimal] = defaultdict(Decimal)
    for row in rows:
        _, name, amount, _ = row.split(b",")
        sums[name] += Decimal(amount.decode())
    counts = Counter(row.split(b",")[1] for row in rows)
    found = list(count_lines(read(big), MIB, field(2, b","), field(3, b",")))
    assert [total.key for total in found] == sorted(counts)
    assert {total.key: total.count for total in found} == counts
    assert {total.key: total.total for total in found} == sums


@pytest.mark.parametrize("budget", [MIB, 3 * MIB, 64 * MIB])
def test_the_answer_does_not_depend_on_the_budget(rows: list[bytes], budget: int) -> None:
    lines = [row[: n % WIDTH] for n, row in enumerate(rows)]  # Empty ones too.
    assert list(sort_lines(lines, budget)) == sorted(lines)


def test_its_own_memory_stays_within_the_budget(big: Path) -> None:
    def sorting() -> int:
        return sum(1 for _ in sort_lines(read(big), 2 * MIB))

    def counting() -> int:
        return sum(total.count for total in count_lines(read(big), 2 * MIB, field(1, b",")))

    for work in (sorting, counting):
        with cellheap.trace() as t:
            assert work() == ROWS
        assert t.report.peak <= 2 * MIB


def test_it_works_under_a_limit_that_stops_reading_the_file_whole(big: Path) -> None:
    @cellheap.limit("4 MiB")
    def bounded() -> int:
        return sum(1 for _ in sort_lines(read(big), 3 * MIB))

    @cellheap.limit("4 MiB")
    def whole() -> int:
        return len(sorted(read(big)))

    assert bounded() == ROWS
    with pytest.raises(cellheap.CellMemoryLimit):
        whole()


LIMITED = """
import sys
sys.path.insert(0, {folder!r})
import bigfile
bigfile.enforce(2 << 20)
"""


def limited(then: str, file: Path) -> subprocess.CompletedProcess[bytes]:
    """Runs this in a process to which the system gives as much as to `--memory 2M --enforce`."""
    source = LIMITED.format(folder=str(PROGRAM.parent)) + then.format(file=str(file))
    return subprocess.run([sys.executable, "-c", source], capture_output=True, timeout=60, check=False)


def test_the_system_can_see_to_the_budget(big: Path, rows: list[bytes]) -> None:
    """What `--enforce` sets stops a program that reads the file whole, and not this one."""
    assert b"MemoryError" in limited("sorted(open({file!r}, 'rb'))", big).stderr
    done = ran("sort", big, "--memory", "2M", "--enforce")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines() == sorted(rows)


def test_out_of_memory_is_said_in_one_line(big: Path) -> None:
    done = limited("sys.exit(bigfile.main(['sort', {file!r}, '--memory', '1G']))", big)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"bigfile.py: out of memory with a budget of 1.0 GiB\n"


def test_temporary_files_go(rows: list[bytes], tmp_path: Path) -> None:
    assert len(list(sort_lines(rows, MIB, folder=tmp_path))) == ROWS
    assert list(tmp_path.iterdir()) == []
    some = sort_lines(rows, MIB, folder=tmp_path)
    assert list(islice(some, 3)) == sorted(rows)[:3]
    assert list(tmp_path.iterdir()) != []
    some.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BigFileError):
        list(sort_lines([*rows, b"one field"], MIB, field(2, b","), folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_by_a_whole_one_only(tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_bytes(b"b\t2\na\t1\nno field\n")
    out.write_bytes(b"as before")
    assert ran("sort", file, "-k", 2, "-o", out).returncode == 1
    assert out.read_bytes() == b"as before"
    assert ran("sort", file, "-o", out).returncode == 0
    assert out.read_bytes() == b"a\t1\nb\t2\nno field\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_counts_are_written_with_the_most_frequent_first(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b"a 0.1\nb 1e3\na 0.2\nc -1\nc 1\na 0\n")
    done = ran("count", file, "-d", " ", "-k", 1, "--sum", 2, "--top", 2)
    assert done.stdout == b"3\ta\t0.3\n2\tc\t0\n"
    assert ran("count", file, "-d", " ", "-k", 1).stdout == b"3\ta\n1\tb\n2\tc\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sort", "{}", "--memory", "1K"], "1.0 KiB is too little memory to sort in: 1.0 MiB is the least"),
        (["sort", "{}", "--memory", "1M"], "line 3 has more than 512.0 KiB: that does not fit in the budget"),
        (
            ["sort", "{}", "-k", "2", "-d", ";"],
            "a line has no field 2, only 1: 'a,1' (fields are parted by ';')",
        ),
        (["count", "{}", "-d", ",", "--sum", "2"], "'nan' is no number to add up, in the line 'b,nan'"),
        (["sort", "{}.csv"], "{}.csv: No such file or directory"),
        (["sort", "{}", "-o", "/nowhere/out"], "/nowhere/.out.{pid}: No such file or directory"),
        (
            ["sort", "{}", "--temporary", "/nowhere"],
            "/nowhere cannot hold temporary files: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: list[str], complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b"a,1\nb,nan\n" + b"long," * MIB + b"\n")
    done = ran(*(word.replace("{}", str(file)) for word in words))
    assert (done.returncode, done.stdout) == (1, b"")
    said = done.stderr.decode()
    if "{pid}" in complaint:
        before, _, after = complaint.partition("{pid}")
        assert said.startswith(f"bigfile.py: {before}")
        assert said.endswith(f"{after}\n")
    else:
        assert said == f"bigfile.py: {complaint.replace('{}', str(file))}\n"


def test_no_room_for_temporary_files_is_said_beforehand(tmp_path: Path) -> None:
    with pytest.raises(BigFileError, match=r"are needed, and .* free: --temporary names another folder"):
        bigfile.room_for(1 << 60, tmp_path)


@pytest.mark.parametrize("text", ["", "M", "16Q", "-1", "1.5M", "sixteen"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    done = ran("sort", "file", f"--memory={text}")
    assert done.returncode == 2
    assert b"a size is a number, with K, M or G or without, as in 16M, not " in done.stderr
