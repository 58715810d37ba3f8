"""Random notebooks for the walk: cells, functions, generators, coroutines and threads that reach memory through a library
which recurses, calls back, raises and resumes. Knows nothing of the tracer."""

from dataclasses import dataclass

from hypothesis import strategies as st

# What the cells call. Far from `DEEPEST` on both sides: a few frames or more than a hundred.
LIBRARY = """
import threading
kept = []
def keep(n): kept.append(bytearray(n))
def leaf(): kept.append([bytes(40), {}])
def call(f): f()
def deep(n, f):
    if n: deep(n - 1, f)
    else: f()
def even(n, f): odd(n - 1, f) if n > 0 else f()
def odd(n, f): even(n - 1, f) if n > 0 else f()
def each(f): list(map(lambda _: f(), range(2)))
def resume(g): next(g, None)
def passed_on(g): yield from g
def failing(n):
    if n: failing(n - 1)
    raise ValueError([n] * 10)
def caught(n):
    try: failing(n)
    except ValueError as error: kept.append(str(error) * 3)
def step(make):
    coroutine = make()
    try:
        while True: coroutine.send(None)
    except StopIteration: pass
class Pause:
    def __await__(self): yield
def threads(f, count):
    started = [threading.Thread(target=f) for _ in range(count)]
    for thread in started: thread.start()
    for thread in started: thread.join()
def again(source, file): exec(compile(source, file, "exec"), {"kept": kept})
def forget(): del kept[::2]
"""

FUNCTIONS = 3
FEW, MANY = (0, 1, 2, 15, 17, 20, 30, 40), (110, 111, 130)


@dataclass(frozen=True)
class Program:
    """Cells in the order they run."""

    cells: tuple[str, ...]


def _calls(below: int) -> st.SearchStrategy[str]:
    """Statements that reach memory; functions and generators with numbers under `below` may be called."""
    small = st.integers(1, 600)
    depth = st.sampled_from(FEW + MANY)
    plain = [
        small.map(lambda n: f"kept.append([0] * {n})"),
        small.map(lambda n: f"made = [str(i) for i in range({n % 40})]"),
        small.map(lambda n: f"made = (lambda: [bytes(\n        {n}), {{}}])()"),
        small.map(lambda n: f"keep({n})"),
        depth.map(lambda n: f"deep({n}, leaf)"),
        depth.map(lambda n: f"even({n}, leaf)"),
        st.sampled_from(FEW).map(lambda n: f"caught({n})"),
        st.integers(0, 3).map(lambda n: f"again({chr(10) * n + 'kept.append([0] * 9)'!r}, __file__)"),
        st.just("forget()"),
    ]
    if not below:
        return st.one_of(plain)
    function = st.integers(0, below - 1).map(lambda n: f"f{n}")
    through = st.sampled_from(["deep", "even"])
    calling = [
        function.map(lambda f: f"{f}()"),
        function.map(lambda f: f"call({f})"),
        function.map(lambda f: f"each({f})"),
        function.map(lambda f: f"call(lambda: {f}())"),
        st.tuples(through, depth, function).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.integers(0, below - 1).map(lambda n: f"resume(g{n})"),
        st.integers(0, below - 1).map(lambda n: f"resume(passed_on(g{n}))"),
        st.integers(0, below - 1).map(lambda n: f"next(g{n}, None)"),
        st.integers(0, below - 1).map(lambda n: f"step(c{n})"),
        function.map(lambda f: f"threads({f}, 1)"),
        st.integers(1, 3).map(lambda n: f"threads(f0, {n})"),
    ]
    return st.one_of(plain + calling)


def _body(below: int, indent: int, most: int) -> st.SearchStrategy[str]:
    space = " " * indent

    def guarded(statement: str) -> str:
        return f"{space}try:\n{space}    {statement}\n{space}    failing(3)\n{space}except ValueError as error:\n{space}    kept.append([error.args])"

    line = _calls(below).map(lambda statement: space + statement)
    return st.lists(st.one_of(line, line, _calls(below).map(guarded)), min_size=1, max_size=most).map(
        "\n".join
    )


@st.composite
def definitions(draw: st.DrawFn) -> str:
    """Functions, generators and coroutines; each calls those with lower numbers only."""
    parts = []
    for n in range(FUNCTIONS):
        body = [draw(_body(n, 8, 2)) for _ in range(3)]
        parts += [
            f"def f{n}():\n    if True:\n{body[0]}",
            f"def make{n}():\n    while True:\n{body[1]}\n        yield\n{body[2]}\n        yield [0] * {n}",
            f"g{n} = make{n}()",
            f"async def c{n}():\n    if True:\n{body[2]}\n        await Pause()\n{body[1]}",
        ]
    return "\n".join(parts)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A cell of definitions, cells that call them, maybe definitions anew and the calls again."""
    calls = st.lists(_body(FUNCTIONS, 0, 5), min_size=1, max_size=2)
    cells = [draw(definitions()), *draw(calls)]
    if draw(st.booleans()):
        cells += [draw(definitions()), *cells[1:]]
    return Program(tuple(cells))
