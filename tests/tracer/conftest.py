"""Programs that are traced run in processes of their own, so that no test meets another's hooks."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target")).absolute() / "judge"

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def judge() -> Path:
    """The tests' own tracer, built from tests/judge."""
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--manifest-path", HERE.parent / "judge" / "Cargo.toml"],
        env=os.environ | {"CARGO_TARGET_DIR": str(TARGET)},
        check=True,
    )
    return TARGET / "release" / "libjudge.so"


@pytest.fixture(scope="session")
def run(judge: Path) -> Run:
    """Runs a program that imports `notebook` and ends in `say(...)`; returns what it said."""

    def run(program: str, *arguments: str, **environment: str) -> Any:
        settings = {
            "PYTHONPATH": str(HERE),
            "JUDGE": str(judge),
            "PYTHONHASHSEED": "0",
            "PYTHONFAULTHANDLER": "1",
        }
        done = subprocess.run(
            [sys.executable, *arguments, "-c", program],
            env=os.environ | settings | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=3000 if "CELLHEAP_ENDURANCE" in os.environ else 300,
        )
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.stderr == ""
        return json.loads(done.stdout.splitlines()[-1])

    return run
