"""Random objects for predictions: containers, shared parts, circles, closures, slots, views, generators. Sources of
variables `v0`, `v1`, ... each made of those before it. Knows nothing of the graph."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

# What the sources call. Classes and functions stay: what is judged are objects of theirs.
LIBRARY = '''
import functools, itertools, types, weakref
from array import array
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

class Plain:
    def __init__(self, a, b): self.a, self.b = a, b
    def method(self): return self.a
class Late: pass
class Slotted:
    __slots__ = ("a", "b", "__weakref__")
    def __init__(self, a, b): self.a, self.b = a, b
class Number(int): __slots__ = ()
class Words(str): pass
class Items(list): pass
class Table(dict): pass
@dataclass
class Record:
    a: object
    b: object
Pair = namedtuple("Pair", "a b")

def late(*parts):
    made = Late()
    for at, part in enumerate(parts): setattr(made, "part%d" % at, part)
    return made
def materialized(a, b):
    made = Plain(a, b)
    made.__dict__
    return made
def closure(a, b):
    def inner(): return a, b
    return inner
def default(a, b):
    return lambda x=a, *, y=b: (x, y)
def count(a, b):
    local = [a]
    yield local
    yield b
def begun(a, b):
    made = count(a, b)
    next(made)
    return made
def ended(a, b):
    made = count(a, b)
    for _ in made: pass
    return made
def failed(a, b):
    def deep(local): raise ValueError([b] * 3)
    try: deep(a)
    except ValueError as error: return error
def remembered(a, b):
    @functools.lru_cache(maxsize=3)
    def of(n): return [a, b, n * 1000]
    for n in range(5): of(n)
    return of
def encoded(n):
    text = chr(233 + n) * (n + 1)
    getattr(Late, text, None)
    return text
def weak(a, b):
    return [weakref.ref(thing) for thing in (a, b) if type(thing) in (Plain, Late, Slotted, Items)]
def hang(a, b):
    """Has `a` refer to `b`, where it can."""
    if isinstance(a, list): a.append(b)
    elif isinstance(a, dict): a[len(a)] = b
    elif isinstance(a, deque): a.appendleft(b)
    elif isinstance(a, (Plain, Late, Record, Words)): a.more = b
    elif isinstance(a, Slotted): a.b = b
    elif isinstance(a, types.FunctionType): a.more = b
    elif isinstance(a, BaseException): a.__context__ = b if isinstance(b, BaseException) else None
'''

_LEAVES = [
    "{n} ** 40",
    "{n} / 7",
    "'%d' % {n} * 9",
    "'ü€' * {n}",
    "encoded({n})",
    "bytes({n} * 40)",
    "bytearray({n} * 40)",
    "array('d', range({n}))",
    "Number({n} + 1000)",
    "Words('%d' % {n} * 5)",
    "range({n} + 10 ** 6, {n} + 10 ** 7)",
    "memoryview(bytearray({n} * 30 + 1))",
    "set(range(1000, 1000 + {n}))",
    "frozenset('%d' % i for i in range({n}))",
    "'%d' % {n} + chr({n} + 60)",
    "complex({n}, 1)",
]
_PAIRS = [
    "[{a}, {b}]",
    "[{a}] * {n}",
    "({a}, {b}, {n} * 1000)",
    "{{'a': {a}, 'b': {b}}}",
    "{{{n} * 1000: {a}, ({n},): {b}}}",
    "dict.fromkeys(['k%d' % i for i in range({n})], {a})",
    "Plain({a}, {b})",
    "[Plain(i * 1000, {a}) for i in range({n})]",
    "late({a}, {b})",
    "late(*[{a}] * {n})",
    "materialized({a}, {b})",
    "Slotted({a}, {b})",
    "Record({a}, {b})",
    "Pair({a}, {b})",
    "Items([{a}, {b}])",
    "Table(a={a}, b={b})",
    "closure({a}, {b})",
    "default({a}, {b})",
    "count({a}, {b})",
    "begun({a}, {b})",
    "ended({a}, {b})",
    "failed({a}, {b})",
    "remembered({a}, {b})",
    "weak({a}, {b})",
    "deque([{a}, {b}] * {n}, maxlen=100)",
    "OrderedDict(a={a}, b={b}, c={n} * 1000)",
    "defaultdict(list, {{'x': {a}, {n} * 1000: {b}}})",
    "functools.partial(print, {a}, end={b})",
    "iter([{a}, {b}])",
    "zip([{a}], ({b},))",
    "map(closure({a}, {b}), [1])",
    "itertools.chain([{a}], [{b}])",
    "types.SimpleNamespace(a={a}, b={b})",
    "types.MethodType(Plain.method, Plain({a}, {b}))",
    "(lambda: (yield {a}))()",
    "property(closure({a}, {b}))",
    "types.MappingProxyType({{'a': {a}}})",
    "[{a}, *[[{n} * 1000, {b}] for _ in range({n})]]",
]
_ARRAYS = [
    "numpy.arange(2000.0 + {n})",
    "numpy.ones((40, 50 + {n}))[::2, ::3]",
    "numpy.array([{a}, [{b}], *range(400)], dtype=object)",
    "numpy.ones(3000)[{n}:].reshape(-1, 1)",
    "memoryview(numpy.ones(3000 + {n}))[7:]",
    "numpy.frombuffer(bytearray(16000 + 8 * {n}))",
]


@dataclass(frozen=True)
class Shape:
    """A source, and the variables that are to go."""

    source: str
    names: tuple[str, ...]


@st.composite
def shapes(draw: st.DrawFn, arrays: bool = False) -> Shape:
    count = draw(st.integers(1, 9))
    lines = []
    for at in range(count):
        known = [f"v{i}" for i in range(at)] or ["None"]
        templates = _PAIRS + _LEAVES + (_ARRAYS * 4 if arrays else [])
        parts = {
            "n": draw(st.integers(0, 30)),
            "a": draw(st.sampled_from(known)),
            "b": draw(st.sampled_from(known)),
        }
        lines.append(f"v{at} = " + draw(st.sampled_from(templates)).format(**parts))
    names = [f"v{at}" for at in range(count)]
    for _ in range(draw(st.integers(0, 4))):
        lines.append(f"hang({draw(st.sampled_from(names))}, {draw(st.sampled_from(names))})")
    gone = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return Shape("\n".join(lines), tuple(gone))
