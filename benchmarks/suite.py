"""Set 1: pyperformance's own benchmarks, run as cells. Frozen: the version, the names and the loops.

Chosen once by kind, none for its result: objects and calls, search, floats, text and data formats, the C half
of the standard library, the language's own loops. Knows no tracer. The sources are the installed package's.
"""

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PYPERFORMANCE = "1.14.0"


class Benchmark(NamedTuple):
    """`script` of pyperformance with `arguments`; `loops` of it are one measurement."""

    script: str
    loops: int
    arguments: tuple[str, ...] = ()


SUITE = {
    # Objects and calls.
    "deltablue": Benchmark("deltablue", 60),
    "richards": Benchmark("richards", 5),
    "go": Benchmark("go", 2),
    # Search.
    "hexiom": Benchmark("hexiom", 35),
    "nqueens": Benchmark("nqueens", 2),
    # Floats.
    "nbody": Benchmark("nbody", 2),
    "float": Benchmark("float", 2),
    "chaos": Benchmark("chaos", 3),
    "raytrace": Benchmark("raytrace", 1),
    # Text and data formats.
    "json_dumps": Benchmark("json_dumps", 20),
    "json_loads": Benchmark("json_loads", 450),
    "pickle": Benchmark("pickle", 1_000, ("pickle",)),
    "unpickle_list": Benchmark("pickle", 4_000, ("unpickle_list",)),
    "regex_compile": Benchmark("regex_compile", 2),
    "pyflate": Benchmark("pyflate", 1),
    "xml_etree_parse": Benchmark("xml_etree", 2, ("parse",)),
    # The library.
    "deepcopy": Benchmark("deepcopy", 500),
    "logging_format": Benchmark("logging", 2_700, ("format",)),
    "telco": Benchmark("telco", 24),
    "sqlite_synth": Benchmark("sqlite_synth", 60_000),
    # The language.
    "comprehensions": Benchmark("comprehensions", 11_000),
    "generators": Benchmark("generators", 2),
}


def path(name: str) -> Path:
    """The script of a benchmark. Its code is the notebook's."""
    package = importlib.metadata.distribution("pyperformance")
    assert package.version == PYPERFORMANCE, f"the suite is that of pyperformance {PYPERFORMANCE}"
    folder = Path(str(package.locate_file("pyperformance"))) / "data-files" / "benchmarks"
    return folder / f"bm_{SUITE[name].script}" / "run_benchmark.py"


def load(name: str) -> Callable[[], object]:
    """Runs the script as pyperf does; what is returned does its work once, as many loops as are frozen."""
    import pyperf

    taken: dict[str, Callable[[int], object]] = {}

    class Taker(pyperf.Runner):  # type: ignore[misc]
        """A runner that notes what it is to measure and runs nothing."""

        def bench_time_func(self, name: str, func: Callable[..., Any], *args: Any, **_: Any) -> None:
            taken[name] = lambda loops: func(loops, *args)

        def bench_func(self, name: str, func: Callable[..., Any], *args: Any, **_: Any) -> None:
            def repeat(loops: int) -> None:
                for _ in range(loops):
                    func(*args)

            taken[name] = repeat

    script = path(name)
    sys.argv[:] = [str(script), *SUITE[name].arguments]
    sys.path[0:0] = [str(script.parent)]
    pyperf.Runner = Taker
    names = {"__name__": "__main__", "__file__": str(script)}
    exec(compile(script.read_bytes(), str(script), "exec"), names)
    repeat, loops = taken[name], SUITE[name].loops
    return lambda: repeat(loops)
