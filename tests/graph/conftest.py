"""Judges of predictions: processes in which everything counts and nothing else runs."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent

#: Bytes that were predicted, and those that were freed.
Verdict = tuple[int, int]
Judge = Callable[[str, tuple[str, ...]], Verdict]


def run(program: str) -> str:
    """What a program prints, in a process of its own; what it asserts holds there."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Judges:
    """One process, asked line by line; a new one where the last has seen enough."""

    MOST = 400

    def __init__(self, library: str) -> None:
        self.library = library
        self.process: subprocess.Popen[str] | None = None
        self.asked = 0

    def __call__(self, source: str, names: tuple[str, ...]) -> Verdict:
        if self.process is None or self.asked >= self.MOST:
            self.end()
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", HERE / "judge.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            self.asked = 0
            self._ask(self.library, ())
        self.asked += 1
        return self._ask(source, names)

    def _ask(self, source: str, names: tuple[str, ...]) -> Verdict:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([source, names]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code, self.process = self.process.wait(), None
            raise AssertionError(f"the judge ended with {code} at:\n{source}")
        predicted, freed = json.loads(line)
        return predicted, freed

    def end(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()
        self.process = None


@pytest.fixture(scope="session")
def judges() -> Iterator[Callable[[str], Judges]]:
    """Makes judges who know a library."""
    made: list[Judges] = []

    def make(library: str) -> Judges:
        made.append(Judges(library))
        return made[-1]

    yield make
    for judge in made:
        judge.end()
