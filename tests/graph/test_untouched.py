"""Looking changes nothing: every object that the collector knows, over libraries and a program that runs."""

from tests.graph.conftest import run

PROGRAM = """
import asyncio, gc, sys, threading, weakref
from array import array
import numpy, pandas
try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots()
    axes.plot(numpy.arange(100.0))
    figure.canvas.draw()
except ImportError:
    pass
from cellheap import _core
_core.trace_start()
from cellheap import graph

died = []
class Loud:
    def __init__(self): self.me = self
    def __del__(self): died.append(1)
class Weak: pass

frame = pandas.DataFrame({"a": numpy.arange(5000.0), "b": [str(n) for n in range(5000)], "c": pandas.Categorical(["x", "y"] * 2500)})
groups = frame.groupby("c", observed=True)["a"].mean()
index = frame.set_index("b").index
gc.disable()
loud, kept = Loud(), [Weak() for _ in range(10)]
refs = [weakref.ref(one) for one in kept]
gone = weakref.WeakValueDictionary({n: one for n, one in enumerate(kept)})
Loud()  # garbage: nobody may collect it

def ask():
    graph.variables(progress=False)
    graph.retained(frame, progress=False)
    graph.holders(groups, progress=False)
    graph.cycles(progress=False)
    graph.predict(["frame", "index"], out=True, traceback=True, progress=False)
    graph.survivors(progress=False)
    graph.newer(0, 99, progress=False)

def state(things):
    return (
        array("q", map(sys.getrefcount, things)),
        array("q", map(weakref.getweakrefcount, things)),
        array("Q", map(id, things)),
        [gc.is_tracked(one) for one in things],
    )

def settings():
    return gc.isenabled(), gc.get_threshold(), gc.get_count()[1:], [row["collections"] for row in gc.get_stats()]

async def other(stop):
    turns = 0
    while not stop.is_set():
        turns += 1
        await asyncio.sleep(0)
    return turns

async def main():
    stop = asyncio.Event()
    running = [asyncio.create_task(other(stop)) for _ in range(5)]
    await asyncio.sleep(0)
    ask()
    ask()
    things = gc.get_objects()
    state(things)
    first, before = state(things), settings()
    ask()
    after, last = settings(), state(things)
    assert before == after, (before, after)
    own = {id(first), id(things), id(before), id(array)}  # a state is arrays, which refer to their type
    changed = [
        (type(one).__qualname__, was, now)
        for one, *both in zip(things, zip(*first), zip(*last))
        for was, now in [both]
        if was != now and id(one) not in own
    ]
    assert not changed, changed[:20]
    assert not died
    gc.enable()
    stop.set()
    turns = await asyncio.gather(*running)
    assert all(turns), turns
    assert all(ref() is one for ref, one in zip(refs, kept)) and len(gone) == 10

asyncio.run(main())
assert not died
print(len(gc.get_objects()))
gc.collect()
assert died == [1]
"""


def test_no_object_of_a_large_program_is_touched() -> None:
    assert int(run(PROGRAM)) > 100_000
