"""`python -m cellheap`: the kernel, or one of its commands. Decides which, and nothing else."""

import os
import sys

_COMMANDS = (
    "`install` puts the kernel where another environment's Jupyter finds it; without one a kernel starts"
)


def leave_working_directory() -> None:
    """A notebook's own `random.py` must not become the standard library's. IPython puts it back later."""
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


def main() -> None:
    leave_working_directory()
    arguments = sys.argv[1:]
    if arguments[:1] == ["install"]:
        from cellheap.install import main as install

        sys.exit(install(arguments[1:]))
    if arguments and not arguments[0].startswith("-"):
        print(f"cellheap: there is no command {arguments[0]!r}: {_COMMANDS}", file=sys.stderr)
        sys.exit(2)
    from cellheap.app.launch import launch

    launch(arguments)


if __name__ == "__main__":
    main()
