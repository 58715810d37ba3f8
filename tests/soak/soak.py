"""Minutes of everything at once in one kernel: threads that allocate, forks, programs, imports, collections, magics.

Rounds of the same kind: the threads of `work.py` start, cells of STEPS run beside them in an order of chance,
the threads end and let go of everything. After each round the books are asked. Fails where a cell does, where
bytes of a line are not what Python says they are, where what a line made does not go away, or where the RSS of
the later rounds is above that of the earlier ones by more than what lives more then: a notebook's history grows
with its cells. Knows the kernel as a front end does, and its RSS.

    python tests/soak/soak.py [--minutes N] [--seed N]
"""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

WORK = Path(__file__).with_name("work.py").read_text()
THE_LINE = 1 + next(at for at, line in enumerate(WORK.splitlines()) if "# THE LINE" in line)
STEPS = [
    "%memtrace",
    "%memtrace live",
    "%memtrace {cell}",
    "r = %memtrace {cell}",
    "%gcclear",
    "%gcclear --out --traceback",
    "%%memtrace\nx = [bytes(1000) for _ in range(1000)]\ndel x",
    "forks(3)",
    "imports()",
    "gc.collect()",
    "1 / 0",
    "x = {{n: [n] * 20 for n in range(50_000)}}\ny = numpy.ones(1_000_000)\ndel x, y",
    "asyncio.get_running_loop(); await asyncio.sleep(0)",
]
# With an arena for each thread and a threshold that grows glibc keeps more and more by itself: its habits are
# not what is looked at here.
SETTINGS = {"PYTHONFAULTHANDLER": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
ROUND_SECONDS = 15
# Until threads' arenas are there, modules are loaded and the books sweep for the first time: so many rounds at the
# least, and a quarter of all.
WARM_ROUNDS = 2
PATIENCE = 300.0
# What RSS may grow by between the first and the last quarter of the rounds: noise, and for each cell its record.
RSS_SLACK = 8 << 20
RECORD = 512
# What lines may keep after all went: caches of the library, which do not grow with the rounds.
LINE_SLACK = 64 << 10


class Round(NamedTuple):
    """How things stand after a round."""

    cells: int
    lines: dict[str, int]
    resident: int
    live: int


class FaultError(Exception):
    """What the soak found."""


class Notebook:
    """One kernel, and cells in it one after the other."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="cellheap")
        self.manager.start_kernel(env=os.environ | SETTINGS)
        assert isinstance(self.manager.provisioner, LocalProvisioner)
        assert self.manager.provisioner.pid is not None
        self.pid = self.manager.provisioner.pid
        self.client = self.manager.client()
        self.client.start_channels(hb=False)
        self.client.wait_for_ready(timeout=PATIENCE)
        self.cells = 0

    def run(self, source: str, fails: bool = False, **asked: str) -> dict[str, Any]:
        """Runs a cell; the values of the expressions that are asked for."""
        request = self.client.execute(
            source, user_expressions={name: f"json.dumps({what})" for name, what in asked.items()}
        )
        reply = self.reply_to(request, source)
        self.cells += 1
        if (reply["status"] == "error") is not fails:
            raise FaultError(
                f"cell {self.cells} ended as {reply['status']}:\n{source}\n{reply.get('evalue')}"
            )
        while self.client.iopub_channel.msg_ready():
            self.client.get_iopub_msg(timeout=PATIENCE)
        values = reply.get("user_expressions", {})
        return {name: json.loads(eval(value["data"]["text/plain"])) for name, value in values.items()}

    def reply_to(self, request: str, source: str) -> dict[str, Any]:
        since = time.monotonic()
        while time.monotonic() - since < PATIENCE:
            if not self.manager.is_alive():
                raise FaultError(f"the kernel died in cell {self.cells + 1}:\n{source}")
            if self.client.shell_channel.msg_ready():
                reply = self.client.get_shell_msg(timeout=PATIENCE)
                if reply["parent_header"].get("msg_id") == request:
                    content: dict[str, Any] = reply["content"]
                    return content
            self.client.shell_channel.socket.poll(1000)
        os.kill(self.pid, 6)  # faulthandler tells where each thread is
        raise FaultError(f"no reply in {PATIENCE:.0f} s to cell {self.cells + 1}:\n{source}")

    def resident(self) -> int:
        statm = Path(f"/proc/{self.pid}/statm").read_text()
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def check_held(notebook: Notebook, seed: int) -> None:
    """While all else goes on, one line's live bytes are what Python says of its blocks."""
    said = notebook.run(f"said = hold({seed}), books()", said="said")["said"]
    line = said[1].get(str(THE_LINE), 0)
    if line != said[0]:
        raise FaultError(f"a line has {line} live bytes where its blocks take {said[0]}")
    gone = notebook.run("let_go(); said = books()", said="said")["said"].get(str(THE_LINE), 0)
    if gone:
        raise FaultError(f"a line has {gone} live bytes when all its blocks went")


def play(notebook: Notebook, luck: random.Random) -> Round:
    """One round."""
    notebook.run(f"start({luck.randrange(1 << 20)})")
    since = time.monotonic()
    while time.monotonic() - since < ROUND_SECONDS:
        step = luck.choice(STEPS)
        notebook.run(step.format(cell=luck.randrange(1, notebook.cells)), fails=step == "1 / 0")
        check_held(notebook, luck.randrange(1 << 20))
    notebook.run("settle()")
    notebook.run("%gcclear --out --traceback")
    after = notebook.run(
        "said, whole = books(), json.loads(_core.live())",
        said="said",
        whole="{name: whole[name] for name in ('live', 'live_machinery', 'live_cellheap')}",
        own="whole['process']['books']",
        failures="failures",
        turns="sum(turns)",
    )
    if after["failures"]:
        raise FaultError(f"in a thread: {after['failures'][0]}")
    resident = notebook.resident()
    whole = after["whole"]
    parts = {
        "RSS": resident,
        "books": after["own"],
        "live": whole["live"],
        "machinery": whole["live_machinery"],
        "cellheap": whole["live_cellheap"],
        "the soak's lines": sum(after["said"].values()),
    }
    sizes = ", ".join(f"{name} {size / (1 << 20):.2f}" for name, size in parts.items())
    print(f"{notebook.cells} cells, {after['turns']:,} turns of the threads; MiB: {sizes}", flush=True)
    live = sum(whole[name] for name in ("live", "live_machinery", "live_cellheap"))
    return Round(notebook.cells, after["said"], resident, live)


def judge(rounds: list[Round]) -> None:
    """Compares the rounds with the first after the warm-up."""
    rounds = rounds[max(WARM_ROUNDS, len(rounds) // 4) :]
    first, last = rounds[0], rounds[-1]
    for line, live in last.lines.items():
        if live > first.lines.get(line, 0) + LINE_SLACK:
            raise FaultError(f"line {line} keeps {live} bytes, {first.lines.get(line, 0)} at first")
    third = max(1, len(rounds) // 3)
    early, late = (
        [median(round.resident for round in part), median(round.live for round in part)]
        for part in (rounds[:third], rounds[-third:])
    )
    text = ", ".join(
        f"{name} {a / (1 << 20):.1f} MiB early and {b / (1 << 20):.1f} MiB late"
        for name, a, b in zip(("RSS", "live"), early, late, strict=True)
    )
    grown = (late[0] - early[0]) - (late[1] - early[1])
    if grown > RSS_SLACK + RECORD * (last.cells - first.cells):
        raise FaultError(text)
    print(text)


def main() -> int:
    options = argparse.ArgumentParser(description="Soak a kernel.")
    options.add_argument("--minutes", type=float, default=20, help="default: %(default)s")
    options.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    given = options.parse_args()
    luck = random.Random(given.seed)
    rounds: list[Round] = []
    until = time.monotonic() + given.minutes * 60
    notebook = Notebook()
    try:
        notebook.run(WORK)
        while len(rounds) < WARM_ROUNDS + 2 or time.monotonic() < until:
            rounds.append(play(notebook, luck))
        judge(rounds)
    except FaultError as fault:
        print(f"The soak (seed {given.seed}) failed: {fault}", file=sys.stderr)
        return 1
    finally:
        notebook.close()
    print(f"{len(rounds)} rounds, {notebook.cells} cells: nothing was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
