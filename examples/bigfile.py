"""Sorts and counts a file that is larger than the memory there is: an external merge sort.

Owns the command line and the budget. Needs nothing but the standard library, and knows nothing of cellheap.

    python bigfile.py sort FILE --memory 16M                lines in order, to the standard output
    python bigfile.py sort FILE -d , -k 2 -o OUT            ... by their second field, parted by commas
    python bigfile.py count FILE -d , -k 2 --top 10         how often each value of the second field is there
    python bigfile.py count FILE -d , -k 2 --sum 3          ... with the sums of the third

As much of the file as the budget allows is read, put in order and written to a temporary file, a *run*;
then the runs are merged, line by line. What is in memory at any moment is one piece of the file, or a buffer
for each run: never the file. Lines and fields are bytes and are compared as such, as by `LC_ALL=C sort`; the
order of lines with the same key stays. Sums are decimal and do not depend on the budget.

With `--enforce` the system itself sees to the budget (RLIMIT_AS): a mistake in this program would be an
error, and not a slow machine.
"""

from __future__ import annotations

import argparse
import decimal
import errno
import heapq
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
#: Below this there is no room for the buffers of a merge.
LEAST = 1 * MIB
#: The part of a budget that lines may fill. The rest is for sorting them, buffers, and what Python keeps.
SHARE = 0.5
#: What is read and written at once, for each file that is open.
BUFFER = 64 << 10
#: Runs that are merged at once; a process may not open any number of files.
MOST_RUNS = 64
#: What the interpreter itself may still map when a budget is enforced: arenas come by the mebibyte.
SLACK = 8 * MIB
POINTER = 8
#: So many digits that no sum of a file's numbers is rounded.
DIGITS = decimal.Context(prec=100)

Key = Callable[[bytes], bytes]


class BigFileError(Exception):
    """Something that was asked for cannot be done; the message is one line for a person."""


@dataclass(frozen=True)
class Total:
    """A key, how many lines have it, and the sum of their numbers."""

    key: bytes
    count: int
    total: Decimal


def whole(line: bytes) -> bytes:
    """The line is its own key."""
    return line


def field(number: int, separator: bytes) -> Key:
    """Gives the field of that number, from 1 on, of a line."""

    def of(line: bytes) -> bytes:
        fields = line.split(separator, number)
        if len(fields) < number:
            raise BigFileError(
                f"a line has no field {number}, only {len(fields)}: {_shown(line)} "
                f"(fields are parted by {separator.decode(errors='replace')!r})"
            )
        return fields[number - 1]

    return of


def sort_lines(
    lines: Iterable[bytes], budget: int, key: Key = whole, folder: Path | None = None
) -> Iterator[bytes]:
    """These lines (without their ends) in the order of their keys, in bounded memory.

    Runs are written below `folder`, by default the system's place for temporary files, and are gone when the
    iterator is done or closed. Raises BigFileError where the budget is too small."""
    _check(budget)
    with tempfile.TemporaryDirectory(prefix="bigfile-", dir=folder) as place:
        runs = Runs(Path(place), budget, key)
        for piece in _pieces(lines, int(budget * SHARE), key):
            piece.sort(key=key)
            runs.write(piece)
            piece.clear()
        yield from runs.merged()


def count_lines(
    lines: Iterable[bytes],
    budget: int,
    key: Key = whole,
    number: Key | None = None,
    folder: Path | None = None,
) -> Iterator[Total]:
    """How often each key is there, in the order of keys, and the sums of what `number` gives of the lines."""
    _check(budget)
    with tempfile.TemporaryDirectory(prefix="bigfile-", dir=folder) as place:
        runs = Runs(Path(place), budget, _packed_key)
        for totals in _partial(lines, int(budget * SHARE), key, number):
            runs.write(_packed(name, *totals.pop(name)) for name in sorted(totals))
        for name, group in groupby(runs.merged(), _packed_key):
            count, total = 0, Decimal(0)
            for packed in group:
                _, more, added = packed.rsplit(b"\0", 2)
                count, total = count + int(more), DIGITS.add(total, Decimal(added.decode()))
            yield Total(name, count, total)


def _check(budget: int) -> None:
    if budget < LEAST:
        raise BigFileError(f"{_bytes(budget)} is too little memory to sort in: {_bytes(LEAST)} is the least")


def _pieces(lines: Iterable[bytes], most: int, key: Key) -> Iterator[list[bytes]]:
    """The lines in lists that, with their keys, take no more than `most` bytes."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        # The line, its key, and a pointer to each in the list and in the sort's own tables.
        needed = sys.getsizeof(line) + sys.getsizeof(key(line)) + 5 * POINTER
        if needed > most:
            raise BigFileError(f"a line of {_bytes(len(line))} does not fit in the budget: {_shown(line)}")
        if size + needed > most:
            yield piece
            size = 0
        piece.append(line)
        size += needed
    if piece:
        yield piece


def _partial(
    lines: Iterable[bytes], most: int, key: Key, number: Key | None
) -> Iterator[dict[bytes, list[int | Decimal]]]:
    """Counts and sums by key of pieces of the file, each of which takes no more than `most` bytes."""
    totals: dict[bytes, list[int | Decimal]] = {}
    size = 0
    for line in lines:
        name = key(line)
        total = totals.get(name)
        if total is None:
            # A dict that grows has its old table and its new one.
            if size + 3 * sys.getsizeof(totals) > most:
                yield totals
                totals, size = {}, 0
            totals[name] = total = [0, Decimal(0)]
            size += sys.getsizeof(name) + sys.getsizeof(total) + 2 * sys.getsizeof(Decimal(0)) + 32 + POINTER
        total[0] += 1
        if number is not None:
            total[1] = DIGITS.add(total[1], _number(number(line), line))
    if totals:
        yield totals


def _number(text: bytes, line: bytes) -> Decimal:
    try:
        number = Decimal(text.decode("ascii").strip())
    except (decimal.InvalidOperation, UnicodeDecodeError):
        number = Decimal("NaN")
    if not number.is_finite():
        raise BigFileError(f"{_shown(text)} is no number to add up, in the line {_shown(line)}")
    return number


def _packed(name: bytes, count: int | Decimal, total: int | Decimal) -> bytes:
    return b"%b\0%d\0%b" % (name, count, str(total).encode())


def _packed_key(packed: bytes) -> bytes:
    return packed.rsplit(b"\0", 2)[0]


class Runs:
    """Sorted temporary files, and their merging. Each has its lines behind their lengths, so that a line may
    have any byte in it."""

    def __init__(self, folder: Path, budget: int, key: Key) -> None:
        self._folder = folder
        self._key = key
        self._most = max(2, min(MOST_RUNS, int(budget * SHARE) // (2 * BUFFER)))
        self._files: list[Path] = []
        self._made = 0

    def write(self, lines: Iterable[bytes]) -> None:
        """One more run, of lines in order."""
        self._files.append(self._write(lines))

    def merged(self) -> Iterator[bytes]:
        """All lines in order. Where there are too many runs, neighbours become one first."""
        while len(self._files) > self._most:
            self._files = [
                self._join(self._files[at : at + self._most]) for at in range(0, len(self._files), self._most)
            ]
        yield from self._merge(self._files)

    def _join(self, files: list[Path]) -> Path:
        joined = self._write(self._merge(files))
        for file in files:
            file.unlink()
        return joined

    def _merge(self, files: list[Path]) -> Iterator[bytes]:
        with ExitStack() as open_files:
            runs = [_read(open_files.enter_context(file.open("rb", buffering=BUFFER))) for file in files]
            yield from heapq.merge(*runs, key=self._key)

    def _write(self, lines: Iterable[bytes]) -> Path:
        self._made += 1
        path = self._folder / str(self._made)
        try:
            with path.open("wb", buffering=BUFFER) as file:
                for line in lines:
                    file.write(len(line).to_bytes(8, "little"))
                    file.write(line)
        except OSError as error:
            raise BigFileError(
                f"a temporary file in {self._folder.parent} failed: {error.strerror}"
            ) from None
        return path


def _read(file: BinaryIO) -> Iterator[bytes]:
    while head := file.read(8):
        yield file.read(int.from_bytes(head, "little"))


def lines_of(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines of a file without their ends. One above `most` bytes is an error before it is read whole."""
    for number, line in enumerate(iter(partial(file.readline, most + 1), b""), 1):
        if len(line) > most:
            raise BigFileError(f"line {number} has more than {_bytes(most)}: that does not fit in the budget")
        yield line.removesuffix(b"\n")


def enforce(budget: int) -> None:
    """From here on the system gives this process no more address space than it has, the budget, and a little
    for the interpreter."""
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = mapped + budget + SLACK
    if hard == resource.RLIM_INFINITY or most <= hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def room_for(size: int, folder: Path | None) -> None:
    """BigFileError where there is no room for the temporary files: about as much as the file, and twice that
    while runs become one."""
    place = Path(folder or tempfile.gettempdir())
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise BigFileError(f"{place} cannot hold temporary files: {error.strerror}") from None
    if free < 2 * size:
        raise BigFileError(
            f"temporary files of up to {_bytes(2 * size)} are needed, and {place} has {_bytes(free)} free: "
            "--temporary names another folder"
        )


def size_of(text: str) -> int:
    """Bytes of `16M` or `1G`, in powers of 1024."""
    number, unit = text[:-1], text[-1:].upper()
    if text.isdecimal():
        number, unit = text, ""
    if unit not in ("", "K", "M", "G") or not number.isdecimal():
        raise argparse.ArgumentTypeError(
            f"a size is a number, with K, M or G or without, as in 16M, not {text!r}"
        )
    return int(number) << 10 * " KMG".index(unit or " ")


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is wanted, not {text!r}")
    return int(text)


def _separator(text: str) -> bytes:
    if not text:
        raise argparse.ArgumentTypeError("fields must be parted by something")
    return text.encode().replace(b"\\t", b"\t")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bigfile.py", description="Sort or count a file that is larger than the memory there is."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="sort | count")
    sorting = commands.add_parser("sort", help="write the lines in order")
    counting = commands.add_parser("count", help="write each key once, with how often it is there")
    counting.add_argument("--sum", type=_natural, metavar="N", help="add up field N of each key's lines too")
    counting.add_argument("--top", type=_natural, metavar="N", help="only the N keys with the most lines")
    for command in (sorting, counting):
        command.add_argument("file", type=Path, help="the file")
        command.add_argument("-k", "--key", type=_natural, metavar="N", help="the field that is the key")
        separator = command.add_argument("-d", "--separator", type=_separator, default=b"\t", metavar="TEXT")
        separator.help = "parts fields (default: tab)"
        command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there")
        command.add_argument(
            "--memory", type=size_of, default=16 * MIB, metavar="SIZE", help="the budget (default: 16M)"
        )
        command.add_argument("--enforce", action="store_true", help="let the system see to the budget")
        command.add_argument("--temporary", type=Path, metavar="FOLDER", help="where runs are written")
    return parser


def _lines_out(asked: argparse.Namespace, lines: Iterator[bytes]) -> Iterator[bytes]:
    """What is to be written, line by line."""
    key = whole if asked.key is None else field(asked.key, asked.separator)
    if asked.command == "sort":
        yield from sort_lines(lines, asked.memory, key, asked.temporary)
        return
    number = None if asked.sum is None else field(asked.sum, asked.separator)
    totals: Iterable[Total] = count_lines(lines, asked.memory, key, number, asked.temporary)
    if asked.top is not None:
        totals = heapq.nlargest(asked.top, totals, key=lambda total: total.count)
    for total in totals:
        shown = [str(total.count).encode(), total.key]
        yield b"\t".join(shown if number is None else [*shown, f"{total.total:f}".encode()])


def work(asked: argparse.Namespace) -> None:
    """Does what was asked for. The output appears when it is whole."""
    try:
        room_for(asked.file.stat().st_size, asked.temporary)
        with ExitStack() as opened:
            source = opened.enter_context(asked.file.open("rb", buffering=BUFFER))
            lines = _lines_out(asked, lines_of(source, int(asked.memory * SHARE)))
            if asked.output is None:
                sys.stdout.buffer.writelines(line + b"\n" for line in lines)
                sys.stdout.buffer.flush()
                return
            part = asked.output.with_name(f".{asked.output.name}.{os.getpid()}")
            opened.callback(part.unlink, missing_ok=True)
            with part.open("wb", buffering=BUFFER) as target:
                target.writelines(line + b"\n" for line in lines)
            part.replace(asked.output)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError from None
        raise BigFileError(f"{error.filename or asked.file}: {error.strerror}") from None


def main(words: Sequence[str] | None = None) -> int:
    asked = _options().parse_args(words)
    try:
        if asked.enforce:
            enforce(asked.memory)
        work(asked)
    except BigFileError as error:
        print(f"bigfile.py: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"bigfile.py: out of memory with a budget of {_bytes(asked.memory)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # Who reads has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _shown(text: bytes) -> str:
    """The beginning of a line, for a message."""
    return repr(text[:40].decode(errors="replace")) + ("…" if len(text) > 40 else "")


def _bytes(n: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"


if __name__ == "__main__":
    sys.exit(main())
