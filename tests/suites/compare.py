"""Other people's regression tests with the tracer on and off: each test must end the same way.

Runs CPython's own tests or numpy's twice and compares test by test. What differs is run again, both ways: a
test that ends now so and now so tells nothing of us. Exits with 1 where a difference is left that DIFFERENCES
does not name. Logs go to out/suites.

    python tests/suites/compare.py cpython|numpy [NAME ...]
"""

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "out" / "suites"
MODES = {"off": "0", "on": "1"}

# Where one name stands for another on older versions, the first that there is counts.
CPYTHON = [
    "test_gc",
    "test_list",
    "test_dict",
    "test_set",
    "test_bytes",
    "test_str test_unicode",
    "test_json",
    "test_re",
    "test_threading",
    "test_fork1",
    "test_multiprocessing_fork",
    "test_asyncio",
    "test_subprocess",
    "test_weakref",
    "test_ctypes",
    "test_mmap",
    "test_sqlite3",
    "test_exceptions",
    "test_generators",
    "test_memoryio",
    "test_tracemalloc",
    "test_interpreters test__xxsubinterpreters",
]

# What a tracer cannot avoid: a part of the test's name, and why.
DIFFERENCES: dict[str, str] = {}

# How each test ended, by its name.
Results = dict[str, str]


def folder(suite: str) -> Path:
    """Where the suite's own code lies."""
    package = importlib.util.find_spec("test" if suite == "cpython" else "numpy")
    if package is None or package.origin is None:
        raise SystemExit(f"{sys.executable} comes without {suite}'s tests")
    return Path(package.origin).parent


def present(suite: str) -> list[str]:
    """The names that this version has."""
    if suite == "numpy":
        return ["numpy"]
    there = {path.stem for path in folder(suite).iterdir()}
    choices = (next((name for name in names.split() if name in there), None) for names in CPYTHON)
    return [name for name in choices if name]


def run(suite: str, names: Sequence[str], mode: str) -> Results:
    OUT.mkdir(parents=True, exist_ok=True)
    log, results = OUT / f"{suite}-{mode}.log", OUT / f"{suite}-{mode}.xml"
    results.unlink(missing_ok=True)
    if suite == "cpython":
        # A worker for each file: what crashes one leaves the others.
        command = ["-m", "test", "-j1", "--timeout", "600", "--junit-xml", str(results), *names]
    else:
        # f2py's tests build Fortran. Our own settings of pytest are not numpy's.
        chosen = ["-m", "not slow", f"--ignore={folder(suite) / 'f2py'}"]
        pytest = ["-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider", "--tb=short", *chosen]
        command = [*pytest, "--junit-xml", str(results), "--pyargs", *names]
    settings = {
        "PYTHONPATH": str(HERE / "startup"),
        "PYTHONHASHSEED": "0",
        "SUITE_TRACED": MODES[mode],
        "SUITE_FILES": str(folder(suite)),
    }
    print(f"{suite}, tracer {mode}: {' '.join(names)}", flush=True)
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, *command],
            env=os.environ | settings,
            cwd=OUT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    found = read(results) | files(log.read_text(errors="replace"))
    print(f"    {summary(found)}", flush=True)
    return found


def read(path: Path) -> Results:
    """What a JUnit file says; nothing where the run did not live to write it."""
    if not path.exists():
        return {}
    results = {}
    for case in ET.parse(path).iter("testcase"):
        name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
        ends = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        results[name] = ends[0] if ends else "passed"
    return results


def files(log: str) -> Results:
    """How regrtest says that each file ended: a crash shows here alone."""
    said = re.findall(r"\[ *\d+/\d+(?:/\d+)?\] (test_\w+) (\w+)(.*)", log)
    return {f"{name} as a whole": f"{word}{rest.partition(' (')[0]}" for name, word, rest in said}


def summary(results: Results) -> str:
    ends = list(results.values())
    return ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends))) or "nothing ran"


def differing(off: Results, on: Results) -> dict[str, tuple[str, str]]:
    pairs = {
        name: (off.get(name, "did not run"), on.get(name, "did not run")) for name in off.keys() | on.keys()
    }
    return {name: pair for name, pair in sorted(pairs.items()) if pair[0] != pair[1]}


def again(suite: str, names: Sequence[str], found: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """What of these differences comes again."""
    if suite == "cpython":
        names = [name for name in names if any(re.search(rf"\b{name}\b", test) for test in found)]
    else:
        names = sorted(
            {test.partition("::")[0].rpartition(".Test")[0] or test.partition("::")[0] for test in found}
        )
    second = differing(run(suite, names, "off"), run(suite, names, "on"))
    return {test: pair for test, pair in found.items() if second.get(test) == pair}


def main() -> int:
    options = argparse.ArgumentParser(description="Other people's tests with the tracer on and off.")
    options.add_argument("suite", choices=["cpython", "numpy"])
    options.add_argument("names", nargs="*", help="test files or modules; default: all of ours")
    given = options.parse_args()
    # A shell has what runs in its background ignore Ctrl-C: the tests send themselves that signal, and would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    names = given.names or present(given.suite)
    off, on = (run(given.suite, names, mode) for mode in MODES)
    if not off or not on:
        print(f"{given.suite}'s tests did not run: see {OUT}")
        return 1
    found = differing(off, on)
    unnamed = 0
    for test, (without, traced) in (again(given.suite, names, found) if found else {}).items():
        reason = next((why for part, why in DIFFERENCES.items() if part in test), None)
        unnamed += reason is None
        print(f"{test}: {without} without, {traced} with the tracer{f' ({reason})' if reason else ''}")
    print(f"{given.suite}: {len(off)} tests, {unnamed} differences that have no name")
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
