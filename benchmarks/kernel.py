"""Our kernel beside ipykernel, as a front end feels them: the same requests to both in one interleaved run.

Knows the two kernels by their names alone. Writes out/bench-kernel.json and fails where a row is worse than
LIMIT times ipykernel's.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

OUT = Path(__file__).resolve().parent.parent / "out"
OURS, THEIRS = "cellheap", "python3"
LIMIT = 1.2
PATIENCE = 120.0

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

    def run(self, code: str) -> list[dict[str, Any]]:
        """Executes and returns everything published for it, once both the reply and idle are here."""
        request = self.client.execute(code)
        published = []
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["content"].get("execution_state") == "idle":
                break
            published.append(message)
        self.reply_to(request)
        return published

    def reply_to(self, request: str) -> dict[str, Any]:
        while True:
            reply: dict[str, Any] = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == request:
                assert reply["content"]["status"] == "ok", reply["content"]
                return reply


@contextmanager
def started(kernel: str) -> Iterator[tuple[Front, float]]:
    """A kernel and the seconds from its start to its first result."""
    manager = KernelManager(kernel_name=kernel)
    since = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels(hb=False)
    front = Front(manager, client)
    try:
        request = client.execute("", user_expressions={"sum": "1 + 1"})
        reply = front.reply_to(request)
        first = time.perf_counter() - since
        assert reply["content"]["user_expressions"]["sum"]["data"]["text/plain"] == "2"
        client.wait_for_ready(timeout=PATIENCE)
        yield front, first
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def measure(order: Sequence[str]) -> dict[str, Row]:
    """Every row once. Both kernels live at once and take turns: a busy machine is busy for both."""
    with ExitStack() as stack:
        fronts, rows = {}, {}
        for kernel in order:
            fronts[kernel], first = stack.enter_context(started(kernel))
            rows[kernel] = {"start to first result, ms": first * 1000}
        trips: dict[str, list[float]] = {kernel: [] for kernel in order}
        for kernel in order:
            rows[kernel]["idle memory, MiB"] = resident(fronts[kernel].pid)
        for _ in range(ROUND_TRIPS):
            for kernel in order:
                trips[kernel].append(clocked(lambda front: front.run("pass"), fronts[kernel]) * 1000)
        for kernel in order:
            rows[kernel]["`pass` round trip p50, ms"] = statistics.median(trips[kernel])
            rows[kernel]["`pass` round trip p99, ms"] = statistics.quantiles(trips[kernel], n=100)[98]
        for name, work in WORK.items():
            for kernel in order:
                rows[kernel][name] = clocked(work, fronts[kernel])
        return rows


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
    waiting = set(requests)
    while waiting:
        message = front.client.get_iopub_msg(timeout=PATIENCE)
        if message["content"].get("execution_state") == "idle":
            waiting.discard(message["parent_header"]["msg_id"])


def streamed(published: list[dict[str, Any]]) -> str:
    return "".join(message["content"]["text"] for message in published if message["msg_type"] == "stream")


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
    parser = argparse.ArgumentParser(description="Measure cellheap beside ipykernel.")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default: %(default)s)")
    rounds = parser.parse_args().rounds
    runs: dict[str, list[Row]] = {OURS: [], THEIRS: []}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        # Who goes first changes, so that neither always finds the machine warm.
        rows = measure((OURS, THEIRS) if number % 2 else (THEIRS, OURS))
        for kernel, row in rows.items():
            runs[kernel].append(row)
    return report(runs)


def report(runs: dict[str, list[Row]]) -> int:
    """Prints the medians and their ratios. Returns the exit status."""
    median = {kernel: {name: middle(rows, name) for name in rows[0]} for kernel, rows in runs.items()}
    ratios = {name: median[OURS][name] / median[THEIRS][name] for name in median[OURS]}
    print(f"\n{'':28}{OURS:>12}{'ipykernel':>12}{'ratio':>8}")
    for name, ratio in ratios.items():
        mark = "  over" if ratio > LIMIT else ""
        print(f"{name:28}{median[OURS][name]:12.3f}{median[THEIRS][name]:12.3f}{ratio:8.2f}{mark}")
    OUT.mkdir(exist_ok=True)
    content = {"limit": LIMIT, "median": median, "ratio": ratios, "runs": runs}
    (OUT / "bench-kernel.json").write_text(json.dumps(content, indent=1) + "\n")
    over = [name for name, ratio in ratios.items() if ratio > LIMIT]
    if over:
        print(f"\nworse than {LIMIT} times ipykernel's: {', '.join(over)}")
    return 1 if over else 0


def middle(rows: list[Row], name: str) -> float:
    return statistics.median(row[name] for row in rows)


if __name__ == "__main__":
    sys.exit(main())
