"""The soak's notebook: sent to the kernel as one cell. Eight threads allocate at random until they are told to
stop; what each function makes goes away again when `settle` is called."""

import asyncio
import contextlib
import ctypes
import gc
import importlib
import json
import mmap
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
import zlib

import numpy
from cellheap import _core

THREADS = 8
# Of signals: the seconds to the first, and between them.
OFTEN = 0.01, 0.01
# Reloaded again and again: their code comes and goes.
MODULES = ("colorsys", "fnmatch", "this_is_not_there", "textwrap", "netrc")

warnings.filterwarnings("ignore", category=DeprecationWarning)  # fork beside threads is meant
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
stopped = threading.Event()
hands = []
pools = [{} for _ in range(THREADS)]
failures = []
turns = [0] * THREADS
rings = [0]
exact = [None] * 200


def small(luck, pool):
    pool[luck.randrange(300)] = [luck.random() for _ in range(luck.randrange(200))]
    pool[luck.randrange(300)] = {str(n): (n, n * 0.5) for n in range(luck.randrange(100))}


def text(luck, pool):
    words = [f"{n}:{'x' * (n % 50)}" for n in range(luck.randrange(300))]
    pool[luck.randrange(300)] = json.loads(json.dumps({"words": words, "all": ",".join(words)}))


def large(luck, pool):
    pool[300 + luck.randrange(10)] = bytes(luck.randrange(1 << 20))
    grown = bytearray()
    for _ in range(luck.randrange(100)):
        grown += b"0123456789" * luck.randrange(100)
    del grown[luck.randrange(len(grown) + 1) :]
    pool[310 + luck.randrange(10)] = grown


def arrays(luck, pool):
    a = numpy.arange(float(luck.randrange(1, 50_000)))
    pool[320 + luck.randrange(10)] = numpy.sort(a * 2.0)[::3]
    pool[330 + luck.randrange(10)] = [numpy.ones(luck.randrange(1, 200)) for _ in range(50)]


def mapped(luck, pool):
    part = mmap.mmap(-1, luck.randrange(1, 1 << 21))
    part[0] = 1
    old = pool.pop(340, None)
    if old is not None:
        old.close()
    pool[340] = part


def native(luck, pool):
    block = libc.malloc(luck.randrange(1, 1 << 18))
    for _ in range(luck.randrange(4)):
        block = libc.realloc(block, luck.randrange(1, 1 << 18))
    libc.free(block)
    pool[350] = zlib.compressobj(luck.randrange(1, 9))
    pool[351] = zlib.decompress(zlib.compress(bytes(luck.randrange(1 << 16))))


def base(luck, pool):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table t (a, b)")
        rows = ((n, "x" * n) for n in range(luck.randrange(200)))
        connection.executemany("insert into t values (?, ?)", rows)
        pool[360] = connection.execute("select * from t").fetchall()


def failing(luck, pool):
    def fall(depth):
        held = [depth] * depth
        if depth == 0:
            raise ValueError(len(pool))
        return fall(depth - 1) + len(held)

    with contextlib.suppress(ValueError):
        fall(luck.randrange(40))


def waiting(luck, pool):
    async def one(n):
        await asyncio.sleep(0)
        return [n] * n

    async def many():
        return await asyncio.gather(*(one(n) for n in range(luck.randrange(30))))

    pool[370] = asyncio.run(many())


def collecting(luck, pool):
    for n in range(100):
        ring = [n]
        ring.append(ring)
    gc.collect(luck.randrange(3))


def brief(luck, pool):
    short = [threading.Thread(target=small, args=(random.Random(n), {})) for n in range(luck.randrange(8))]
    for thread in short:
        thread.start()
    for thread in short:
        thread.join()


WORK = [small, text, large, arrays, mapped, native, base, failing, waiting, collecting, brief]


def hand(number, seed):
    luck = random.Random(seed)
    while not stopped.is_set():
        try:
            luck.choice(WORK)(luck, pools[number])
        except Exception as error:  # told at the end of the round
            failures.append(f"{type(error).__name__}: {error}")
        turns[number] += 1


def ring(number, frame):
    rings[0] += 1
    bytes(1000)


def start(seed):
    stopped.clear()
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, *OFTEN)
    hands[:] = [threading.Thread(target=hand, args=(n, seed * 100 + n)) for n in range(THREADS)]
    for thread in hands:
        thread.start()


def forks(times):
    """Children that allocate and end, and programs."""
    for n in range(times):
        child = os.fork()
        if not child:
            kept = [bytes(i) for i in range(2_000)]
            os._exit(len(kept) % 256 + n)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 2_000 % 256 + n
        assert subprocess.check_output([sys.executable, "-S", "-c", "print(1)"]) == b"1\n"


def imports():
    for name in MODULES:
        sys.modules.pop(name, None)
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def hold(seed):
    """Blocks on one line whose sizes Python itself knows; how many bytes they take."""
    luck = random.Random(seed)
    sizes = [luck.randrange(2, 1 << luck.randrange(2, 18)) for _ in exact]
    # A signal's handler is called, and a collection runs, on the line that they meet: its tuples are that line's.
    signal.setitimer(signal.ITIMER_REAL, 0)
    gc.disable()
    for n, size in enumerate(sizes):
        exact[n] = b"x" * size  # THE LINE
    gc.enable()
    signal.setitimer(signal.ITIMER_REAL, *OFTEN)
    return sum(map(sys.getsizeof, exact))


def let_go():
    exact[:] = [None] * len(exact)


def settle():
    """Everything comes to rest and goes."""
    stopped.set()
    for thread in hands:
        thread.join()
    signal.setitimer(signal.ITIMER_REAL, 0)
    hands.clear()
    for pool in pools:
        pool.clear()
    for name in MODULES:
        sys.modules.pop(name, None)
    gc.collect()


def books():
    """Live bytes of this cell's code by line, whichever cell ran it."""
    ours, lines = books.__code__.co_filename, {}
    for origin in json.loads(_core.live())["origins"]:
        for line in origin["lines"]:
            if line["file"] == ours:
                lines[line["line"]] = lines.get(line["line"], 0) + line["live"]
    return lines
