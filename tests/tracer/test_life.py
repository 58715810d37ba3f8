"""Forks, threads, interpreters, signals and ends: what runs goes on, and the books of what ran before stay right."""

import pytest

from tests.tracer.conftest import Run
from tests.tracer.test_walk import compare

START = """
import gc, os, sys, threading
from notebook import *
"""

# Threads that are busy without the interpreter's lock: native blocks come and go beside Python's.
BUSY = """
import bz2, hashlib, zlib
stop = threading.Event()
def squeeze():
    data = bytes(range(256)) * 400
    while not stop.is_set():
        zlib.decompress(zlib.compress(data, 1))
        bz2.compress(data[:20_000], 1)
def hold():
    mine = []
    while not stop.is_set():
        mine.append([bytes(n) for n in range(0, 3000, 100)])
        if len(mine) > 20: mine.clear()
busy = [threading.Thread(target=work, daemon=True) for work in (squeeze, squeeze, hold)]
for thread in busy: thread.start()
"""


def test_forks_between_native_blocks_of_other_threads_work(run: Run) -> None:
    statuses, line = run(
        START
        + f"""
notebook = Notebook()
notebook.run({BUSY!r}.replace("stop =", "import threading; stop ="))
"""
        + """
cell = notebook.run('''
import os, signal, zlib
statuses = []
for n in range(60):
    child = os.fork()
    if not child:
        signal.alarm(20)
        mine = [bytes(n) for n in range(2000)]
        back = zlib.decompress(zlib.compress(bytes(100_000)))
        grandchild = os.fork()
        if not grandchild: os._exit(3)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) + 4)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
x = [bytes(50_000) for _ in range(10)]
stop.set()
''')
for thread in notebook.names["busy"]: thread.join()
say([notebook.names["statuses"], lines(cell, notebook.count)[14]])
"""
    )
    assert statuses == [7] * 60
    assert line["live"] >= 500_330


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes_leave_the_parents_books_right(run: Run, method: str) -> None:
    right, kept, freed = run(
        START
        + f"""
method = {method!r}
"""
        + """
import math, multiprocessing
from concurrent.futures import ProcessPoolExecutor
notebook = Notebook()
notebook.names.update(context=multiprocessing.get_context(method), math=math, Pool=ProcessPoolExecutor)
first = notebook.run('''
kept = [bytes(1000) for _ in range(1000)]
with Pool(2, mp_context=context) as pool:
    got = list(pool.map(math.factorial, range(0, 900, 3), chunksize=20))
''')
before = lines(first, 1)[2]
second = notebook.run('''
with context.Pool(2, maxtasksperchild=5) as pool:
    also = pool.map(math.factorial, range(0, 900, 3), chunksize=3)
kept.clear()
''')
after = lines(first, 1)[2]
expected = [math.factorial(n) for n in range(0, 900, 3)]
say([notebook.names["got"] == notebook.names["also"] == expected, before, after])
"""
    )
    assert right
    assert 1_033_000 <= kept["live"] < 1_050_000
    assert freed["live"] < 20_000


def test_children_of_subprocess_work_and_cost_no_books(run: Run) -> None:
    outputs, line = run(
        START
        + """
notebook = Notebook()
cell = notebook.run('''
import subprocess, sys, threading
outputs = []
def call(n): outputs.append(subprocess.run([sys.executable, "-c", f"print({n} * 2)"], capture_output=True, text=True).stdout)
threads = [threading.Thread(target=call, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
x = bytes(70_000)
''')
say([sorted(map(int, notebook.names["outputs"])), lines(cell, 1)[8]])
"""
    )
    assert outputs == [2 * n for n in range(8)]
    assert 70_033 <= line["live"] < 71_000


def test_threads_by_the_thousand_leave_nothing_behind(run: Run) -> None:
    cells, lives, books = run(
        START
        + """
notebook = Notebook()
source = '''
import threading
def work(n): kept[n % 100] = bytes(1000)
kept = [None] * 100
for start in range(0, THREADS, 50):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(start, start + 50)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
del threads, thread
'''
books, ids = [], []
for threads in (1000, 1000, 1000, 8000):
    ids.append(notebook.run(source.replace("THREADS", str(threads))))
    gc.collect()
    books.append(json.loads(core.process())["books"])
cells = [report(id)["cell"] for id in ids]
say([cells, [cell["live"] for cell in cells], books])
"""
    )
    assert cells[3]["allocated"] >= 8000 * 1033
    assert max(lives[:3]) < 10_000
    assert 103_300 <= lives[3] < 125_000
    assert books[3] - books[2] < 100_000  # or each thread left its bytes behind


def test_interpreters_come_and_go(run: Run) -> None:
    assert run(
        START
        + """
try: import _interpreters as interpreters
except ImportError: import _xxsubinterpreters as interpreters
notebook = Notebook()
notebook.names.update(interpreters=interpreters)
cell = notebook.run('''
x = [bytes(10_000) for _ in range(10)]
for n in range(20):
    other = interpreters.create()
    interpreters.run_string(other, "import json; y = [json.dumps([n] * 50) for n in range(200)]")
    interpreters.destroy(other)
z = [bytes(10_000) for _ in range(10)]
''')
got = lines(cell, 1)
say(all(100_330 <= got[line]["live"] < 101_000 for line in (2, 7)))
"""
    )


GREENLETS = (
    """
from greenlet import greenlet
def turn(n, other):
    for i in range(20):
        mine = [i] * n
        deep(n, lambda: other[0].switch())
        kept.append({i: mine})
one, two = [None], [None]
def begin():
    one[0] = greenlet(lambda: turn(3, two))
    two[0] = greenlet(lambda: turn(40, one))
    one[0].switch()
""",
    "begin()\nwhile not one[0].dead:\n    kept.append([0] * 200)\n    one[0].switch()\n",
    "third = greenlet(lambda: turn(110, one))\none[0] = greenlet(lambda: kept.append([1] * 70))\nthird.switch()",
)

GEVENT = (
    """
import gevent, gevent.pool, gevent.queue
def work(n):
    made = []
    for i in range(10):
        made.append([i] * n)
        gevent.sleep(0)
        made.append({i: n})
    return made
def produce(queue):
    for i in range(30): queue.put([i] * 30)
    queue.put(None)
""",
    "pool = gevent.pool.Pool(5)\nx = pool.map(work, range(1, 30))",
    "queue = gevent.queue.Queue(2)\nmaker = gevent.spawn(produce, queue)\nwhile (got := queue.get()) is not None:\n    kept.append(got + got)\ngevent.joinall([maker, gevent.spawn(work, 9)])",
)


@pytest.mark.parametrize("cells", [GREENLETS, GEVENT], ids=["greenlet", "gevent"])
def test_greenlets_have_their_lines(run: Run, cells: tuple[str, ...]) -> None:
    modules = ("greenlet", "gevent", "gevent.pool", "gevent.queue")
    assert sum(compare(run, cells, modules).values()) > 20_000


def test_signal_handlers_have_their_lines_amid_allocations(run: Run) -> None:
    cells = (
        """
import signal
rung = 0
def ring(*_):
    global rung
    rung += 1
    kept.append([rung] * 20)
    deep(20, leaf)
    if rung % 50 == 0: kept.clear()
""",
        """
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while rung < 300:
    made = [[i] * 3 for i in range(200)]
    text = "".join(map(str, range(100)))
    deep(110, leaf)
    data = bytes(100_000)
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    )
    total = compare(run, cells)
    assert total["/notebook/1.py", 7] >= 300 * 200


def test_signals_that_only_interrupt_hurt_nothing(run: Run) -> None:
    """A handler in C runs in the midst of a hook; several threads, with and without the interpreter's lock."""
    line = run(
        START
        + BUSY
        + """
import faulthandler, signal, tempfile
log = tempfile.TemporaryFile()
notebook = Notebook()
faulthandler.register(signal.SIGALRM, log, all_threads=False)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
cell = notebook.run('''
x = []
for round in range(60):
    x.append([bytes(n) for n in range(0, 2000, 3)])
    y = [[n] for n in range(3000)]
    del y
    z = bytearray(300_000) * 2
''')
signal.setitimer(signal.ITIMER_REAL, 0)
stop.set()
for thread in busy: thread.join()
assert log.tell() or os.fstat(log.fileno()).st_size > 10_000
say(lines(cell, 1)[4])
"""
    )
    assert line["live"] >= 60 * sum(33 + n for n in range(0, 2000, 3))


@pytest.mark.parametrize("order", ["before", "after"])
def test_functions_at_exit_may_allocate(run: Run, order: str) -> None:
    assert run(
        START
        + f"""
order = {order!r}
"""
        + """
import atexit, zlib
def late():
    x = [[n] for n in range(10_000)]
    y = bytearray(1_000_000)
    z = zlib.compress(bytes(100_000))
    threads = []
    for _ in range(3 if sys.version_info < (3, 12) else 0): threads.append(threading.Thread(target=list, args=(range(1000),)))
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    # 3.12 refuses to fork by then.
    if sys.version_info[:2] != (3, 12):
        if os.fork() == 0: os._exit(0)
        os.wait()
if order == "before": atexit.register(late)
notebook = Notebook()
notebook.run("x = [bytes(1000) for _ in range(1000)]")
if order == "after": atexit.register(late)
say(True)
""",
        "-Wignore::DeprecationWarning",  # of forks in a process with threads: there is ours
    )


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)", "pass", "os.kill(os.getpid(), 15)"])
def test_the_end_comes_amid_native_blocks_of_other_threads(run: Run, end: str) -> None:
    program = START + BUSY + "notebook = Notebook()\nnotebook.run('x = [bytes(n) for n in range(5000)]')\n"
    program += f"say(True)\nsys.stdout.flush()\nif 'kill' in {end!r}:\n    import signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n{end}\n"
    assert run(program)


def test_recording_stops_and_starts_amid_native_blocks_of_other_threads(run: Run) -> None:
    live, last = run(
        START
        + BUSY
        + """
notebook = Notebook(start=False)
for round in range(40):
    core.trace_start()
    if not round: core.set_notebook_files([PREFIX])
    cell = notebook.run("x = [bytes(n) for n in range(1000)]; y = [bytearray(5000) for _ in range(20)]")
    core.trace_stop()
core.trace_start()
cell = notebook.run("x = [bytes(n) for n in range(1000)]; y = [bytearray(5000) for _ in range(20)]")
stop.set()
for thread in busy: thread.join()
say([report(cell)["cell"]["live"], live()["live"]])
"""
    )
    expected = sum(33 + n for n in range(1, 1000)) + 20 * 5001
    assert expected <= live
    assert last < 100 << 20
