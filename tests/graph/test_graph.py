"""Names, cycles, and that looking changes nothing. Each program runs in a process of its own; what it asserts holds there."""

import os
import signal
import subprocess
import sys

from tests.graph import conftest

START = """
import gc, sys, weakref
from cellheap import _core
_core.trace_start()
from cellheap import graph
class Node:
    def __init__(self, other=None): self.references = [other]
"""


def run(program: str) -> str:
    return conftest.run(START + program)


def test_holders_have_names_that_a_person_knows() -> None:
    run("""
class Slots: __slots__ = ("part",)
def texts(thing):
    return [chain.text for chain in graph.holders(thing, 9).chains if chain.kind != "frame"]
def fresh(): return bytearray(5000)

thing = fresh(); assert "thing" in texts(thing); other = thing; assert {"thing", "other"} <= set(texts(thing))
cache = {"a": fresh(), 7: fresh()}
assert texts(cache["a"]) == ["cache['a']"], texts(cache["a"])
assert texts(cache[7]) == ["cache[7]"]
node = Node(Node(fresh()))
assert texts(node.references[0].references[0]) == ["node.references[0].references[0]"]
slots = Slots(); slots.part = fresh(); assert texts(slots.part) == ["slots.part"]
def make():
    x = fresh()
    return lambda: x
f = make(); assert texts(f.__closure__[0].cell_contents) == ["cell variable x of <lambda> (f)"]
def count():
    local = fresh()
    yield local
g = count(); assert texts(next(g)) == ["g, variable local"], texts(next(g))
class Class: attribute = fresh()
assert texts(Class.attribute) == ["Class.attribute"]
sys.somewhere = fresh(); assert "sys.somewhere" in texts(sys.somewhere), texts(sys.somewhere)
h = graph.holders(thing); assert not h.garbage and h.holders == 2, h
""")


def test_views_and_frames_and_tracebacks_have_names() -> None:
    run("""
import numpy
a = numpy.ones(10_000); b = a[::100]
assert {c.text for c in graph.holders(a).chains} == {"a", "b.base"}
del a
assert [row.retained.bytes for row in graph.variables(["b"]).variables][0] > 80_000
def fail():
    inside = bytearray(4000)
    raise ValueError
try: fail()
except ValueError as error: kept = error
step = kept.__traceback__.tb_next
while "inside" not in step.tb_frame.f_code.co_varnames: step = step.tb_next
inside = step.tb_frame.f_locals["inside"]; del step
texts = [chain.text for chain in graph.holders(inside).chains]
assert any("frame of fail" in text and text.endswith("variable inside") for text in texts), texts
def running(local): return [chain.text for chain in graph.holders(local).chains]
assert running(bytearray(9)) == ["running, running, variable local"]
""")


def test_cycles_are_known_before_a_collection_finds_them() -> None:
    run("""
class Partner: pass
def pair():
    one, other = Partner(), Partner()
    one.partner, other.partner, other.data = other, one, bytearray(10_000)
gc.collect(); gc.disable()
nothing = graph.cycles(); assert nothing.count == 0 and nothing.garbage.bytes == 0, nothing
pair(); pair()
found = graph.cycles()
assert found.count == 2 and found.garbage.bytes > 20_000 and len(found.cycles[0].members) == 2, found
assert found.cycles[0].text == "Partner.partner -> Partner.partner -> Partner", found.cycles[0].text
assert {words for _, _, words in found.cycles[0].arrows} == {".partner"}
assert found.cycles[0].retained.bytes > 10_000 > found.cycles[0].bytes
assert gc.collect() == 4
after = graph.cycles(); assert after.count == 0 and after.garbage.bytes == 0, after
""")


def test_what_clearing_lets_go_and_what_stays_is_told() -> None:
    run("""
a = [bytearray(1000)]; b = [bytearray(2000)]; c = {"b": b}; d = [b, a]
told = graph.predict(["a", "b"])
assert told.freed.bytes == 0 and [name for name, _ in told.kept] == ["a", "b"], told
assert [chain.text for chain in told.kept[0][1]] == ["d[1]"], told.kept[0]
assert {chain.text for chain in told.kept[1][1]} == {"c['b']", "d[0]"}
told = graph.predict(["c", "d", "b"])
assert [name for name, _ in told.each] == ["garbage in cycles", "c", "d", "b"]
assert told.each[3][1].bytes > 2000 > told.each[1][1].bytes and not told.kept
rows = {row.name: row for row in graph.variables().variables}
assert rows["b"].retained.bytes == 0 and rows["b"].shared > 2000 and set(rows["b"].shared_with) == {"c", "d"}
""")


def test_a_circle_that_the_collector_does_not_see_is_not_promised() -> None:
    run("""
import numpy
x = numpy.empty(5000, dtype=object); x[0] = [x]
told = graph.predict(["x"]).freed
assert told.bytes == 0 and told.uncollectable == 2, told
""")


def test_looking_changes_nothing_and_results_hold_nothing() -> None:
    run("""
import asyncio, threading
died = []
class Loud:
    def __del__(self): died.append(1)
things = [Node(Node()), Loud(), {"a": 1}, (1, [2]), "text" * 9, 10 ** 30, lambda: 1, Loud]
refs = [weakref.ref(things[0]), weakref.ref(things[1])]
def state():
    return (gc.isenabled(), gc.get_threshold(), [sys.getrefcount(t) for t in things], [id(t) for t in things],
            [weakref.getweakrefcount(t) for t in things[:2]], [t.collections for t in ()])
collections = [row["collections"] for row in gc.get_stats()]
gc.collect(); gc.disable(); before, count = state(), gc.get_count()[1:]
results = [graph.variables(), graph.retained(things[0]), graph.holders(things[1]), graph.cycles(),
           graph.predict(["things"]), graph.survivors(), graph.newer(0, 9)]
assert state() == before and gc.get_count()[1:] == count and not died
gc.enable()
async def many():
    async def one(n):
        await asyncio.sleep(0)
        return [chain.text.endswith("variable n") for chain in graph.holders(n).chains]
    return await asyncio.gather(*[one(bytearray(n)) for n in range(3)])
assert all(map(any, asyncio.run(many())))
keep = threading.Event(); thread = threading.Thread(target=keep.wait); thread.start()
graph.variables(); keep.set(); thread.join()
del things
gc.collect()
assert [ref() for ref in refs] == [None, None] and died == [1]
""")


def test_transient_memory_is_small_and_goes_back() -> None:
    run("""
def status(field):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(field)) * 1024
heap = [(str(i), [i]) for i in range(200_000)]
objects = graph.variables().objects
gc.collect(); before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
graph.variables()
assert status("VmHWM") - before < 100 * objects, (status("VmHWM") - before) / objects
assert status("VmRSS") - before < 10 * objects
""")


def test_an_interrupt_ends_a_look_and_the_next_one_works() -> None:
    program = (
        START
        + """
import threading, os, signal
heap = [(str(i), [i]) for i in range(400_000)]
# Whoever was started in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("ready", flush=True)
    while True: graph.variables(progress=False)
except KeyboardInterrupt:
    pass
assert graph.variables(["heap"]).variables[0].retained.objects > 1_200_000 - 1000
print("well", flush=True)
"""
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "well\n"
    assert process.wait() == 0


def test_what_asyncio_and_arrays_of_objects_hold_has_a_name() -> None:
    run("""
import asyncio, numpy
def texts(thing):
    return {chain.text for chain in graph.holders(thing, 9).chains if chain.kind != "frame"}
async def work(thing):
    await asyncio.sleep(3600)
async def several():
    inner = bytearray(5000); things.append(weakref.ref(Node(inner))); keeps.append(inner)
    yield 1
async def main():
    global task, g, future
    task = asyncio.create_task(work(bytearray(5000))); g = several(); await anext(g)
    future = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda _, thing=keeps[0]: None)
    await asyncio.sleep(0)
    assert "task.get_coro(), variable thing" in texts(task.get_coro().cr_frame.f_locals["thing"])
    assert "g, variable inner" in texts(keeps[0]), texts(keeps[0])
    assert "future, a callback.__defaults__[0]" in texts(keeps[0]), texts(keeps[0])
    left = task; del task
    (held,) = [c.text for c in graph.holders(left, 9).chains if "event loop" in c.text][:1]
    assert held.startswith("the running event loop._scheduled[0]."), held
    task = left
    task.cancel()
things, keeps = [], []
asyncio.run(main())
array = numpy.empty((2, 3), dtype=object); array[1, 2] = bytearray(5000)
assert texts(array[1, 2]) == {"array[1, 2]"}, texts(array[1, 2])
sparse = numpy.empty((2, 3), dtype=object, order="F"); sparse[1, 2] = bytearray(5000)
assert texts(sparse[1, 2]) == {"sparse, an item"}, texts(sparse[1, 2])
""")


def test_what_hangs_on_a_cycle_is_never_less_than_the_cycle() -> None:
    run("""
first, second = Node(), Node()
first.references = [second]; second.references = [first]
above = [first, second]; above.append(above)
second.data = bytearray(100_000)
del first, second, above
found = graph.cycles()
assert found.count == 2, found
below = next(cycle for cycle in found.cycles if "Node" in cycle.text)
assert below.retained.bytes >= 100_000, below
assert all(cycle.retained.bytes >= cycle.bytes for cycle in found.cycles), found
""")
