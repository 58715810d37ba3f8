"""What the kernel says of itself before IPython is imported. A test compares it with what ipykernel says."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

PROTOCOL = "5.5"

_HELP = {
    "Python Reference": f"https://docs.python.org/{sys.version_info[0]}.{sys.version_info[1]}",
    "IPython Reference": "https://ipython.readthedocs.io/en/stable/",
    "NumPy Reference": "https://docs.scipy.org/doc/numpy/reference/",
    "SciPy Reference": "https://docs.scipy.org/doc/scipy/reference/",
    "Matplotlib Reference": "https://matplotlib.org/contents.html",
    "SymPy Reference": "http://docs.sympy.org/latest/index.html",
    "pandas Reference": "https://pandas.pydata.org/pandas-docs/stable/",
}


def kernel_info() -> dict[str, Any]:
    """The content of a kernel_info_reply. Only features that work are named."""
    version = ipython_version()
    return {
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "ipython",
        "implementation_version": version,
        "language_info": {
            "name": "python",
            "version": sys.version.split()[0],
            "mimetype": "text/x-python",
            "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
            "pygments_lexer": "ipython3",
            "nbconvert_exporter": "python",
            "file_extension": ".py",
        },
        "banner": f"Python {sys.version.splitlines()[0]}\n"
        "Type 'copyright', 'credits' or 'license' for more information\n"
        f"IPython {version} -- An enhanced Interactive Python. Type '?' for help.\n",
        "help_links": [{"text": text, "url": url} for text, url in _HELP.items()],
        "supported_features": ["kernel subshells", *(["debugger"] if is_installed("debugpy") else [])],
    }


def is_installed(module: str) -> bool:
    """Whether a package is installed, without importing it."""
    return PathFinder.find_spec(module) is not None


def ipython_version() -> str:
    """The version of the IPython that will be imported, from the name of its metadata's folder."""
    spec = PathFinder.find_spec("IPython")
    if spec is not None and spec.origin is not None:
        beside = Path(spec.origin).parent.parent
        for folder in beside.glob("ipython-*.dist-info"):
            return folder.name.removesuffix(".dist-info").removeprefix("ipython-")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ipython")
    except PackageNotFoundError:
        return "unknown"
