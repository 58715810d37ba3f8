"""Our kernel beside ipykernel, and xeus-python where it is installed, as a front end feels them: the same
requests to all in one interleaved run.

Knows the kernels by their names alone. Writes out/bench-kernel.json and fails where a row is worse than LIMIT
times ipykernel's. What a kernel loses (xeus-python drops output) is no number: "-".
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import find_kernel_specs
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

OUT = Path(__file__).resolve().parent.parent / "out"
OURS, THEIRS, XEUS = "cellheap", "python3", "xpython"
NAMES = {OURS: "cellheap", THEIRS: "ipykernel", XEUS: "xeus-python"}
LIMIT = 1.2
PATIENCE = 60.0
# A kernel that loses output says nothing more: waiting for what is lost would take longer than all the rest.
SHORT = 5.0

PRINTS = "for i in range(100_000): print(i)"
BIG_PRINT = "print('x' * 20_000_000)"
DISPLAYS = "from IPython.display import display\nfor i in range(2_000): display(i)"
QUEUED = 1_000
ROUND_TRIPS = 300

Row = dict[str, float]


class Front:
    """A front end of one kernel."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        assert isinstance(manager.provisioner, LocalProvisioner)
        assert manager.provisioner.pid is not None
        self.pid = manager.provisioner.pid
        self.client = client
        self.patience = PATIENCE

    def run(self, code: str) -> list[dict[str, Any]]:
        """Executes and returns everything published for it, once both the reply and idle are here."""
        request = self.client.execute(code)
        published = []
        while True:
            message = self.client.get_iopub_msg(timeout=self.patience)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["content"].get("execution_state") == "idle":
                break
            published.append(message)
        self.reply_to(request)
        return published

    def reply_to(self, request: str) -> dict[str, Any]:
        while True:
            reply: dict[str, Any] = self.client.get_shell_msg(timeout=self.patience)
            if reply["parent_header"].get("msg_id") == request:
                assert reply["content"]["status"] == "ok", reply["content"]
                return reply

    def asks_who_it_is(self) -> None:
        """One kernel_info, and its idle with it."""
        request = self.client.kernel_info()
        self.reply_to(request)
        self.until_idle({request})

    def until_idle(self, requests: set[str]) -> None:
        while requests:
            message = self.client.get_iopub_msg(timeout=self.patience)
            if message["content"].get("execution_state") == "idle":
                requests.discard(message["parent_header"]["msg_id"])


@contextmanager
def started(kernel: str) -> Iterator[tuple[Front, Row]]:
    """A kernel, and how long it took to answer at all and to its first result."""
    manager = KernelManager(kernel_name=kernel)
    since = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels(hb=False)
    front = Front(manager, client)
    try:
        try:
            front.reply_to(client.kernel_info())
        except Empty:
            sys.exit(f"{NAMES[kernel]} said nothing in {PATIENCE:.0f} s: can it start here?")
        ready = time.perf_counter() - since
        request = client.execute("", user_expressions={"sum": "1 + 1"})
        reply = front.reply_to(request)
        first = time.perf_counter() - since
        assert reply["content"]["user_expressions"]["sum"]["data"]["text/plain"] == "2"
        client.wait_for_ready(timeout=PATIENCE)
        yield front, {"ready, ms": ready * 1000, "start to first result, ms": first * 1000}
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def measure(order: Sequence[str]) -> dict[str, Row]:
    """Every row once. The kernels live at once and take turns: a busy machine is busy for all."""
    with ExitStack() as stack:
        fronts: dict[str, Front] = {}
        rows: dict[str, Row] = {}
        for kernel in order:
            fronts[kernel], rows[kernel] = stack.enter_context(started(kernel))
        for kernel in order:
            rows[kernel]["idle memory, MiB"] = resident(fronts[kernel].pid)
        round_trips(fronts, rows)
        for name, work in WORK.items():
            for kernel in order:
                measured = as_far_as_it_goes if kernel == XEUS else clocked
                print(f"  {NAMES[kernel]}: {name}", file=sys.stderr)
                rows[kernel][name] = measured(work, fronts[kernel])
        return rows


def round_trips(fronts: dict[str, Front], rows: dict[str, Row]) -> None:
    for name, trip in TRIPS.items():
        took: dict[str, list[float]] = {kernel: [] for kernel in fronts}
        for _ in range(ROUND_TRIPS):
            for kernel, front in fronts.items():
                took[kernel].append(clocked(trip, front) * 1000)
        for kernel, times in took.items():
            rows[kernel][f"{name} p50, ms"] = statistics.median(times)
            rows[kernel][f"{name} p99, ms"] = statistics.quantiles(times, n=100)[98]


def as_far_as_it_goes(work: Callable[[Front], None], front: Front) -> float:
    """Not a number where it loses something."""
    front.patience = SHORT
    try:
        return clocked(work, front)
    except (AssertionError, Empty):
        return math.nan


def prints(front: Front) -> None:
    assert streamed(front.run(PRINTS)) == "".join(f"{i}\n" for i in range(100_000))


def big_print(front: Front) -> None:
    assert len(streamed(front.run(BIG_PRINT))) == 20_000_001


def displays(front: Front) -> None:
    shown = [message for message in front.run(DISPLAYS) if message["msg_type"] == "display_data"]
    assert len(shown) == 2_000


def queued(front: Front) -> None:
    requests = [front.client.execute("pass") for _ in range(QUEUED)]
    for request in requests:
        front.reply_to(request)
    front.until_idle(set(requests))


def streamed(published: list[dict[str, Any]]) -> str:
    return "".join(message["content"]["text"] for message in published if message["msg_type"] == "stream")


TRIPS: dict[str, Callable[[Front], object]] = {
    "`pass`": lambda front: front.run("pass"),
    "kernel_info": Front.asks_who_it_is,
}
WORK: dict[str, Callable[[Front], None]] = {
    "100,000 prints, s": prints,
    "20 MB print, s": big_print,
    "2,000 displays, s": displays,
    "1,000 queued executes, s": queued,
}


def clocked(work: Callable[[Front], object], front: Front) -> float:
    since = time.perf_counter()
    work(front)
    return time.perf_counter() - since


def resident(pid: int) -> float:
    """Memory that this process has for itself and its share of what it shares, MiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure cellheap beside other kernels.")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default: %(default)s)")
    rounds = parser.parse_args().rounds
    kernels = [OURS, THEIRS, *([XEUS] if XEUS in find_kernel_specs() else [])]
    runs: dict[str, list[Row]] = {kernel: [] for kernel in kernels}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        # Who goes first changes, so that none always finds the machine warm.
        turn = number % len(kernels)
        for kernel, row in measure(kernels[turn:] + kernels[:turn]).items():
            runs[kernel].append(row)
    return report(runs)


def report(runs: dict[str, list[Row]]) -> int:
    """Prints the medians and how many times theirs ours are. Returns the exit status."""
    median = {kernel: {name: middle(rows, name) for name in rows[0]} for kernel, rows in runs.items()}
    others = [kernel for kernel in runs if kernel != OURS]
    ratios = {
        kernel: {name: ours / median[kernel][name] for name, ours in median[OURS].items()}
        for kernel in others
    }
    print(f"\n{'':26}" + "".join(f"{NAMES[kernel]:>12}" for kernel in runs) + "   times theirs")
    for name in median[OURS]:
        figures = [column(median[kernel][name], 12) for kernel in runs]
        figures += [column(ratios[kernel][name], 8, 2) for kernel in others]
        print(f"{name:26}" + "".join(figures) + ("  over" if ratios[THEIRS][name] > LIMIT else ""))
    OUT.mkdir(exist_ok=True)
    content = json.dumps({"limit": LIMIT, "median": median, "ratio": ratios, "runs": runs}, indent=1)
    (OUT / "bench-kernel.json").write_text(content.replace("NaN", "null") + "\n")
    over = [name for name, ratio in ratios[THEIRS].items() if ratio > LIMIT]
    if over:
        print(f"\nworse than {LIMIT} times ipykernel's: {', '.join(over)}")
    return 1 if over else 0


def column(figure: float, width: int, digits: int = 3) -> str:
    return f"{'-':>{width}}" if math.isnan(figure) else f"{figure:{width}.{digits}f}"


def middle(rows: list[Row], name: str) -> float:
    """Of a row that was lost once: not a number."""
    figures = [row[name] for row in rows]
    return math.nan if any(map(math.isnan, figures)) else statistics.median(figures)


if __name__ == "__main__":
    sys.exit(main())
