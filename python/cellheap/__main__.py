"""`python -m cellheap`: the kernel, or one of its commands. Decides which, and nothing else."""

import os
import sys


def leave_working_directory() -> None:
    """Take the working directory off the path: a notebook's own `random.py` must not become the standard library's.

    IPython puts it back when everything is imported.
    """
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


def main() -> None:
    leave_working_directory()
    from cellheap.app.launch import launch

    launch(sys.argv[1:])


if __name__ == "__main__":
    main()
