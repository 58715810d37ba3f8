"""What recording costs: the same cells plain, under cellheap, and under the tools that people use today.

Every measurement is a process of its own (`measure.py`). The processes of a workload take turns, a call each,
so that what disturbs the machine disturbs all of them: a ratio is of two calls that follow one another, and
the median over the calls of all rounds is shown. Fails where a goal is missed.

    python benchmarks/tracer.py [--rounds N] [--peer-rounds N] [--only NAME]    writes out/tracer.json
"""

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from statistics import median
from typing import NamedTuple

from suite import PYPERFORMANCE, SUITE
from workloads import DEEP, LOOPS, NUMPY

HERE = Path(__file__).parent
OUT = HERE.parent / "out" / "tracer.json"
PEERS = {"tracemalloc": "tracemalloc", "memray": "memray", "fil": "filprofiler"}
HEADS = {"cellheap": "cellheap", "tracemalloc": "tracemalloc(1)", "memray": "memray", "fil": "Fil"}
# Turns in a round, after the warm-up.
TURNS, PEER_TURNS = 5, 1


class Round(NamedTuple):
    """What one process took: seconds by call, and bytes of RSS at most."""

    seconds: list[float]
    rss: float


# the rounds of each recorder, `None` where a recorder could not run it
Row = dict[str, list[Round | None]]


class Part(NamedTuple):
    """Workloads that are judged together: geometric mean and worst, at most."""

    title: str
    names: Sequence[str]
    mean: float | None
    worst: float


SMALL, LARGE = NUMPY
PARTS = [
    Part(f"Set 1: pyperformance {PYPERFORMANCE}", list(SUITE), 1.12, 1.30),
    Part("Set 2: loops that do little but allocate", [*LOOPS, *DEEP], 1.25, 1.60),
    Part("Many small operations of numpy", [SMALL], None, 1.10),
    Part("Large arrays of numpy", [LARGE], None, 1.03),
]


class Child:
    """A workload under a recorder, in a process that does nothing unless it is told to."""

    def __init__(self, mode: str, name: str) -> None:
        self.mode, self.name = mode, name
        self.calls = TURNS if mode in ("plain", "cellheap") else PEER_TURNS
        self.folder = tempfile.TemporaryDirectory()
        fil = ["-m", "filprofiler", "--no-browser", "-o", self.folder.name, "run"] if mode == "fil" else []
        self.errors = Path(self.folder.name) / "errors"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", *fil, str(HERE / "measure.py"), mode, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.seconds: list[float] = []
        # Some tools print as they start.
        while (line := self._read()) not in ("ready", ""):
            pass
        self.runs = line == "ready"

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def call(self) -> None:
        """One turn, while it has any left."""
        if self.runs and len(self.seconds) < self.calls:
            assert self.process.stdin is not None
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            line = self._read()
            self.runs = line != ""
            self.seconds += [float(line)] if line else []

    def end(self) -> Round | None:
        """`None` where the recorder did not get through."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        rss = self._read() if self.runs else ""
        code = self.process.wait()
        said = self.errors.read_text()[-2000:]
        self.folder.cleanup()
        if rss and code == 0:
            return Round(self.seconds, float(rss))
        print(f"\n{self.name} under {self.mode}: exit {code}\n{said}", file=sys.stderr)
        if self.mode in ("plain", "cellheap"):
            raise SystemExit(1)
        return None


def one_round(name: str, modes: Sequence[str]) -> dict[str, Round | None]:
    children = [Child(mode, name) for mode in modes]
    for turn in range(TURNS):
        at = turn % len(children)
        for child in children[at:] + children[:at]:
            child.call()
    return {child.mode: child.end() for child in children}


def compare(names: Sequence[str], peers: Sequence[str], rounds: int, peer_rounds: int) -> dict[str, Row]:
    rows: dict[str, Row] = {name: {mode: [] for mode in ("plain", "cellheap", *peers)} for name in names}
    for number in range(rounds):
        modes = ["plain", "cellheap", *(peers if number < peer_rounds else ())]
        for at, name in enumerate(names):
            if sys.stderr.isatty():
                progress = f"\rround {number + 1} of {rounds}, {at + 1} of {len(names)}: {name:<40}"
                print(progress, end="", file=sys.stderr, flush=True)
            for mode, figures in one_round(name, modes).items():
                rows[name][mode].append(figures)
    if sys.stderr.isatty():
        print("\r" + " " * 78 + "\r", end="", file=sys.stderr)
    return rows


def ratio(row: Row, mode: str, figure: str = "seconds") -> float | None:
    """The median over all calls, each by the plain call of its turn; of RSS over the rounds."""
    ratios: list[float] = []
    for theirs, plain in zip(row.get(mode, []), row["plain"], strict=False):
        if theirs is None or plain is None:
            continue
        if figure == "rss":
            ratios.append(theirs.rss / plain.rss)
        else:
            ratios += [mine / bare for mine, bare in zip(theirs.seconds, plain.seconds, strict=False)]
    return median(ratios) if ratios else None


def mean(ratios: Iterable[float | None]) -> float | None:
    """Geometric, of what there is."""
    known = [ratio for ratio in ratios if ratio is not None]
    return prod(known) ** (1 / len(known)) if known else None


def times(ratio: float | None) -> str:
    return "-" if ratio is None else f"x{ratio:.2f}"


def table(rows: dict[str, Row], modes: Sequence[str]) -> str:
    heads = [HEADS[mode] for mode in modes]
    lines = [
        "| " + " | ".join(["workload", "plain", *heads, "RSS plain", *heads]) + " |",
        "|---" + "|---:" * (2 * len(modes) + 2) + "|",
    ]
    for name, row in rows.items():
        plain = [round for round in row["plain"] if round is not None]
        seconds = median(one for round in plain for one in round.seconds)
        cells = [name, f"{seconds * 1000:.0f} ms", *(times(ratio(row, mode)) for mode in modes)]
        rss = median(round.rss for round in plain) / (1 << 20)
        cells += [f"{rss:.0f} MiB", *(times(ratio(row, mode, "rss")) for mode in modes)]
        lines.append("| " + " | ".join(cells) + " |")
    if len(rows) > 1:
        means = [
            times(mean(ratio(row, mode, figure) for row in rows.values()))
            for figure in ("seconds", "rss")
            for mode in ("plain", *modes)
        ]
        lines.append(f"| geometric mean | {' | '.join(means)} |")
    return "\n".join(lines)


def judge(part: Part, rows: dict[str, Row]) -> tuple[str, bool]:
    """One line on a part, and whether it keeps its goals."""
    ratios = {name: ratio(row, "cellheap") or 0.0 for name, row in rows.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    kept = ratios[worst] <= part.worst
    text = f"worst {times(ratios[worst])} ({worst}; goal {times(part.worst)})"
    if part.mean is not None:
        middle = mean(ratios.values()) or 0.0
        kept &= middle <= part.mean
        text = f"geometric mean {times(middle)} (goal {times(part.mean)}), {text}"
    return f"{text}: {'kept' if kept else 'MISSED'}", kept


def main() -> int:
    options = argparse.ArgumentParser(description="What recording costs, beside today's tools.")
    options.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options.add_argument("--peer-rounds", type=int, default=1, help="of the others; default: %(default)s")
    options.add_argument("--only", metavar="NAME", help="one workload")
    given = options.parse_args()
    missing = [peer for peer, module in PEERS.items() if importlib.util.find_spec(module) is None]
    peers = [peer for peer in PEERS if peer not in missing]
    names = [name for part in PARTS for name in part.names if given.only in (None, name)]
    rows = compare(names, peers, given.rounds, given.peer_rounds)
    print(
        f"CPython {platform.python_version()} on {platform.machine()}: ratios to plain in processor"
        f" time, medians of {given.rounds} rounds of {TURNS} calls, of {given.peer_rounds} of {PEER_TURNS}"
        " for the others; then of peak RSS."
    )
    for peer in missing:
        print(f"{HEADS[peer]} does not install here and is left out.")
    kept = True
    for part in PARTS:
        if here := {name: rows[name] for name in part.names if name in rows}:
            line, good = judge(part, here)
            kept &= good
            print(f"\n## {part.title}\n\n{table(here, ['cellheap', *peers])}\n\n{line}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"python": platform.python_version(), "rows": rows}, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
