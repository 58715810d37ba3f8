"""Which lines of a script hold its memory, and what grew meanwhile: a reporter on `tracemalloc`.

Owns the command line and the words. Needs nothing but the standard library, and knows nothing of cellheap.

    python hotspots.py run script.py [ARGUMENT ...]     the lines that hold the most as the script ends
    python hotspots.py run --save now.trace script.py   ... kept in a file too
    python hotspots.py compare before.trace now.trace   what grew from one file to the other

A script that wants to know what grows while it runs calls `hotspots.mark("loaded")` here and there: each call
takes a snapshot, and the report has a table of what grew from each to the next. Without this reporter the
calls do nothing.

tracemalloc knows how high the peak was, and not which lines it was made of: the lines are those that hold
memory *as the script ends*. It sees what Python's allocators hand out, and what libraries tell it (numpy
does).
"""

from __future__ import annotations

import argparse
import linecache
import os
import pickle
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", tracemalloc.Statistic, tracemalloc.StatisticDiff)

#: Files whose blocks no line of the script's is to blame for: the recorder's own, and those of imports.
NOT_THE_SCRIPTS = frozenset(
    (
        tracemalloc.__file__,
        __file__,
        "<frozen importlib._bootstrap>",
        "<frozen importlib._bootstrap_external>",
    )
)
CODE_WIDTH = 48


class HotspotError(Exception):
    """Something that was asked for cannot be done; the message is one line for a person."""


@dataclass(frozen=True)
class Spot:
    """A line of code, the bytes and blocks that it holds, and by how much they became more."""

    file: str
    line: int
    live: int
    blocks: int
    grown: int = 0
    grown_blocks: int = 0

    @property
    def place(self) -> str:
        return f"{_short(self.file)}:{self.line}"

    @property
    def code(self) -> str:
        """The line as it is written; empty where its file is not there."""
        return linecache.getline(self.file, self.line).strip()


class Mark:
    """A moment: all that was live then."""

    def __init__(self, name: str, snapshot: tracemalloc.Snapshot) -> None:
        self.name = name
        self.snapshot = snapshot

    @property
    def live(self) -> int:
        return sum(one.size for one in _scripts(self.snapshot.statistics("filename")))

    @property
    def blocks(self) -> int:
        return sum(one.count for one in _scripts(self.snapshot.statistics("filename")))


@dataclass(frozen=True)
class Profile:
    """What was seen of some code: its marks, the last of them its end, and its peak."""

    marks: tuple[Mark, ...]
    peak: int

    def top(self, most: int = 10) -> list[Spot]:
        """The lines that hold the most at the end."""
        return top(self.marks[-1].snapshot, most)

    def growth(self, most: int = 10) -> list[Spot]:
        """The lines that grew the most from the first mark to the last."""
        return growth(self.marks[0].snapshot, self.marks[-1].snapshot, most)


#: Who looks at the code that runs; None while nobody does.
_looking: _Looking | None = None


def mark(name: str) -> None:
    """Keep this moment, under a name; nothing where nobody looks."""
    if _looking is not None:
        _looking.mark(name)


def profile(work: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Profile:
    """Calls a function and tells what it left behind. What it returns is alive at its end, and let go of
    then; an error of its is the caller's."""
    with _Looking() as looking:
        result = work(*arguments, **options)
        mark("the end")
    del result
    return looking.profile


def top(snapshot: tracemalloc.Snapshot, most: int = 10) -> list[Spot]:
    """The lines that hold the most, biggest first."""
    found = islice(_scripts(snapshot.statistics("lineno")), most)
    return [Spot(*_place(one.traceback), one.size, one.count) for one in found]


def growth(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot, most: int = 10) -> list[Spot]:
    """The lines that hold more in the second snapshot than in the first, by how much; none that shrank."""
    spots = [
        Spot(*_place(one.traceback), one.size, one.count, one.size_diff, one.count_diff)
        for one in _scripts(after.compare_to(before, "lineno"))
        if one.size_diff > 0
    ]
    return sorted(spots, key=lambda spot: -spot.grown)[:most]


def _place(trace: tracemalloc.Traceback) -> tuple[str, int]:
    return trace[0].filename, trace[0].lineno


def _scripts(found: Iterable[S]) -> Iterator[S]:
    """Of these statistics, those that the script is to blame for."""
    return (one for one in found if one.traceback[0].filename not in NOT_THE_SCRIPTS)


class _Looking:
    """While this is open blocks are recorded. Where tracemalloc runs already it goes on afterwards.

    Snapshots are made of blocks too: what they take is kept apart, so that the peak is the script's."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []
        self._peak = self._own = 0

    def __enter__(self) -> _Looking:
        global _looking  # noqa: PLW0603 - `mark` is called from anywhere
        if _looking is not None:
            raise HotspotError("memory is being looked at already: one report at a time")
        self._was_on = tracemalloc.is_tracing()
        if not self._was_on:
            tracemalloc.start()
        tracemalloc.clear_traces()
        _looking = self
        return self

    def mark(self, name: str) -> None:
        live, peak = tracemalloc.get_traced_memory()
        self._peak = max(self._peak, peak - self._own)
        self._marks.append(Mark(name, tracemalloc.take_snapshot()))
        self._own += tracemalloc.get_traced_memory()[0] - live
        tracemalloc.reset_peak()

    def __exit__(self, *error: object) -> None:
        global _looking  # noqa: PLW0603
        _looking = None
        if not self._was_on:
            tracemalloc.stop()

    @property
    def profile(self) -> Profile:
        return Profile(tuple(self._marks), self._peak)


def run(script: Path, arguments: Sequence[str] = ()) -> tuple[Profile, int]:
    """Runs a script as Python would, and tells its memory and its exit status. Its variables are alive at its
    end; an error of its is printed, as Python does."""
    code = _code(script)
    main = ModuleType("__main__")
    main.__file__ = str(script)
    modules = {"__main__": main, "hotspots": sys.modules[__name__]}  # `mark` is ours, however we were run.
    argv, path, before = sys.argv, sys.path[:], {name: sys.modules.get(name) for name in modules}
    sys.argv, sys.path[:] = [str(script), *arguments], [str(script.resolve().parent), *path]
    sys.modules.update(modules)
    try:
        with _Looking() as looking:
            status = _execute(code, main)
            mark("the end")
    finally:
        sys.argv, sys.path[:] = argv, path
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return looking.profile, status


def _code(script: Path) -> CodeType:
    try:
        return compile(script.read_bytes(), str(script), "exec")
    except OSError as error:
        raise HotspotError(f"{script} cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        raise HotspotError(f"{script}, line {error.lineno}, is no Python: {error.msg}") from None
    except ValueError as error:
        raise HotspotError(f"{script} is no Python: {error}") from None


def _execute(code: CodeType, module: ModuleType) -> int:
    """Runs the code; its exit status."""
    try:
        exec(code, module.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except Exception as error:
        trace = error.__traceback__
        traceback.print_exception(error.with_traceback(trace.tb_next if trace else None))
        return 1
    return 0


def report(profile: Profile, most: int = 10) -> str:
    """A profile for a person: the lines that hold the most at its end, and what grew from mark to mark."""
    end = profile.marks[-1]
    live, blocks, peak = _bytes(end.live), _count(end.blocks), _bytes(profile.peak)
    said = [f"At the end {live} in {blocks} are live; the peak was {peak}."]
    said += ["", *_table(profile.top(most), end.live)]
    for before, after in zip(profile.marks, profile.marks[1:], strict=False):
        said += ["", *compared(before, after, most)]
    return "\n".join(said)


def compared(before: Mark, after: Mark, most: int = 10) -> list[str]:
    """What grew from one mark to another, in lines of text."""
    net = after.live - before.live
    sign = "+" if net > 0 else ""
    spots = growth(before.snapshot, after.snapshot, most)
    return [
        f"From {before.name!r} to {after.name!r}: {sign}{_bytes(net)}.",
        *(["", *_table(spots, None)] if spots else ["No line holds more than before."]),
    ]


def _table(spots: Iterable[Spot], whole: int | None) -> list[str]:
    """Lines as a table; the share of the whole where one is given, else by how much each grew."""
    rows = [("live", "of all" if whole is not None else "grown", "blocks", "line", "")]
    for spot in spots:
        change = f"+{_bytes(spot.grown)}" if whole is None else f"{spot.live / (whole or 1):.0%}"
        blocks = f"{spot.blocks:,}" if whole is not None else f"{spot.grown_blocks:+,}"
        rows.append((_bytes(spot.live), change, blocks, spot.place, _cut(spot.code)))
    width = [max(len(row[at]) for row in rows) for at in range(4)]
    return [
        f"{live:>{width[0]}}  {change:>{width[1]}}  {blocks:>{width[2]}}  {place:<{width[3]}}  {code}"
        for live, change, blocks, place, code in rows
    ]


def _cut(code: str) -> str:
    return code if len(code) <= CODE_WIDTH else f"{code[: CODE_WIDTH - 1]}…"


def _short(file: str) -> str:
    """The last two parts of a path: enough to know the file by."""
    return file if file.startswith("<") else os.sep.join(Path(file).parts[-2:])


def _bytes(n: int) -> str:
    size, unit = float(n), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            break
        size, unit = size / 1024, larger
    return f"{n:,} B" if unit == "B" else f"{size:,.1f} {unit}"


def _count(blocks: int) -> str:
    return f"{blocks:,} block{'' if blocks == 1 else 's'}"


def load(file: Path) -> Mark:
    """A moment from a file that `run --save` wrote. Read only files that you trust: they are pickles."""
    try:
        return Mark(file.name, tracemalloc.Snapshot.load(str(file)))
    except OSError as error:
        raise HotspotError(f"{file} cannot be read: {error.strerror}") from None
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError):
        raise HotspotError(f"{file} is no snapshot: `hotspots.py run --save FILE` writes them") from None


def save(mark: Mark, file: Path) -> None:
    try:
        mark.snapshot.dump(str(file))
    except OSError as error:
        raise HotspotError(f"{file} cannot be written: {error.strerror}") from None


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is wanted, not {text!r}")
    return int(text)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hotspots.py", description="Which lines of a script hold its memory, and what grew meanwhile."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | compare")
    running = commands.add_parser("run", help="run a script and tell the lines that hold the most")
    running.add_argument("--top", type=_natural, default=10, metavar="N", help="lines (default: 10)")
    running.add_argument("--save", type=Path, metavar="FILE", help="keep what was live at the end in a file")
    running.add_argument("script", type=Path, help="the script")
    running.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is given")
    comparing = commands.add_parser("compare", help="tell what grew from one saved file to another")
    comparing.add_argument("--top", type=_natural, default=10, metavar="N", help="lines (default: 10)")
    comparing.add_argument("before", type=Path, help="a file of `run --save`")
    comparing.add_argument("after", type=Path, help="a later one")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    asked = _options().parse_args(words)
    try:
        if asked.command == "compare":
            print("\n".join(compared(load(asked.before), load(asked.after), asked.top)))
            return 0
        profile, status = run(asked.script, asked.arguments)
        sys.stdout.flush()
        print(report(profile, asked.top), file=sys.stderr)
        if asked.save is not None:
            save(profile.marks[-1], asked.save)
        return status
    except HotspotError as error:
        print(f"hotspots.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
