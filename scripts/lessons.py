"""`make lessons`: runs the lessons through the installed kernel and writes the outputs that are stale.

Knows how outputs are kept; what lessons claim is tested in tests/lessons.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from scripts.lessonrun import run
from scripts.outputs import clean, stale

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def lessons() -> list[Path]:
    """Every lesson, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts.lessons", description=__doc__)
    parser.add_argument("lesson", nargs="*", help="numbers of lessons, such as 01 (default: all)")
    parser.add_argument("--force", action="store_true", help="write outputs that are not stale too")
    arguments = parser.parse_args()
    chosen = [path for path in lessons() if not arguments.lesson or path.name[:2] in arguments.lesson]
    known = {path.name[:2] for path in lessons()}
    if unknown := sorted(set(arguments.lesson) - known):
        parser.error(f"there is no lesson {', '.join(unknown)}: there are {', '.join(sorted(known))}")
    return max([refresh(path, arguments.force) for path in chosen], default=0)


def refresh(path: Path, force: bool) -> int:
    """Runs a lesson, and writes it where its outputs have changed in substance."""
    print(f"{path.name:<40}", end="", flush=True)
    since = time.monotonic()
    try:
        with run(path) as ran:
            fresh = ran.notebook
    except CellExecutionError as error:
        print(f"failed\n{error}", file=sys.stderr)
        return 1
    why = stale(nbformat.read(path, as_version=4), fresh)
    took = f"{time.monotonic() - since:6.1f} s  "
    if why is None and not force:
        print(f"{took}as it was")
        return 0
    write(fresh, path)
    print(f"{took}written: {why or 'asked for'}")
    return 0


def write(notebook: NotebookNode, path: Path) -> None:
    notebook = clean(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    sys.exit(main())
