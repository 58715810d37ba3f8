"""Native memory, exact: each block with its size, its line, its allocator and the library that asked."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.tracer.conftest import HERE, TARGET, Run

SOURCES = HERE / "native"
# What `work_mix` asks for, and the most that it holds.
MIX = {"allocated": 800_537, "peak": 650_537, "live": 0, "blocks": 8, "live_blocks": 0}

START = """
import os, sys
from notebook import *
sys.path.insert(0, os.environ["NATIVE"])

def native(of, object, allocator="malloc"):
    "What of a line or a report came from a library, whose file's name begins so."
    found = [s for s in of["shares"] if s["allocator"] == allocator and os.path.basename(s["object"]).startswith(object)]
    names = ("allocated", "peak", "live", "blocks", "live_blocks")
    return {name: sum(share[name] for share in found) for name in names}

def by_line(cell, number, object, allocator="malloc"):
    found = {n: native(line, object, allocator) for n, line in lines(cell, number).items()}
    return {n: share for n, share in sorted(found.items()) if share["blocks"]}

notebook = Notebook()
notebook.run("import ctypes, os, sys, threading; import extension; held = ctypes.PyDLL(os.environ['NATIVE'] + '/libwork.so'); free = ctypes.CDLL(held._name)")
"""


@pytest.fixture(scope="session")
def native() -> Path:
    """A folder with libwork.so and the module `extension`, compiled for this interpreter."""
    folder = TARGET / f"native-{sys.implementation.cache_tag}"
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / f"extension{sysconfig.get_config_var('EXT_SUFFIX')}"
    library = folder / "libwork.so"
    common = ["cc", "-O1", "-g", "-fno-builtin", "-fPIC", "-shared", "-pthread", "-Wall", "-Werror"]
    include = "-I" + sysconfig.get_path("include")
    subprocess.run([*common, "-o", library, SOURCES / "work.c"], check=True)
    subprocess.run([*common, include, "-o", module, SOURCES / "extension.c", SOURCES / "work.c"], check=True)
    return folder


@pytest.fixture
def say(run: Run, native: Path) -> Run:
    """Runs a program after `START`."""
    return lambda program, **more: run(START + program, NATIVE=os.fspath(native), **more)


@pytest.mark.parametrize(
    "call", ["held.work_mix()", "free.work_mix()", "extension.mix()", "extension.mix(True)"]
)
def test_a_library_counts_at_the_line_that_calls_it_with_and_without_the_lock(say: Run, call: str) -> None:
    object = call.replace("held", "libwork").replace("free", "libwork").split(".")[0]
    lines, cell = say(f"""
cell = notebook.run('''
{call}
x = 1
{call}
''')
say([by_line(cell, 2, {object!r}), native(report(cell), {object!r})])
""")
    # The cell's high-water mark is in one of the two calls, which are alike.
    assert sorted(share.pop("peak") for share in lines.values()) == [0, MIX["peak"]]
    mixed = {name: n for name, n in MIX.items() if name != "peak"}
    assert lines == {"2": mixed, "4": mixed}
    assert cell == {**MIX, "allocated": 2 * MIX["allocated"], "blocks": 2 * MIX["blocks"]}


HOWS = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign", "reallocarray"]


@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize("how", HOWS)
def test_a_kept_block_is_live_at_its_line_until_another_cell_drops_it(
    say: Run, how: str, without: bool
) -> None:
    before, after, freed = say(f"""
keep = notebook.run('''
extension.keep("{how}", 40_000, {without})
extension.keep("{how}", 2_000_000, {without})
''')
before = by_line(keep, 2, "extension")
drop = notebook.run("extension.drop()")
say([before, by_line(keep, 2, "extension"), report(drop)["cell"]["freed"]])
""")
    kept = {"2": 40_000, "3": 2_000_000}
    assert before == {
        line: {"allocated": size, "peak": size, "live": size, "blocks": 1, "live_blocks": 1}
        for line, size in kept.items()
    }
    assert {line: share["live"] for line, share in after.items()} == {"2": 0, "3": 0}
    assert 2_040_000 <= freed < 2_050_000  # and the call's own Python blocks


@pytest.mark.parametrize("library", ["held", "free"])
def test_a_block_belongs_to_the_line_that_last_resized_it(say: Run, library: str) -> None:
    first, second = say(f"""
cell = notebook.run('''
{library}.work_keep(b"malloc", 100_000)
{library}.work_resize(3_000_000)
{library}.work_resize(50_000)
''')
first = by_line(cell, 2, "libwork")
notebook.run("held.work_drop()")
say([first, by_line(cell, 2, "libwork")])
""")
    assert first == {
        "2": {"allocated": 100_000, "peak": 0, "live": 0, "blocks": 1, "live_blocks": 0},
        "3": {"allocated": 3_000_000, "peak": 3_000_000, "live": 0, "blocks": 1, "live_blocks": 0},
        "4": {"allocated": 50_000, "peak": 0, "live": 50_000, "blocks": 1, "live_blocks": 1},
    }
    assert second["4"]["live"] == 0


def test_what_the_c_library_asks_for_itself_is_counted_too(say: Run) -> None:
    lines, after = say("""
cell = notebook.run('held.work_keep(b"strdup", 30_000)')
first = by_line(cell, 2, "libc.")
notebook.run("held.work_drop()")
say([first, by_line(cell, 2, "libc.")])
""")
    assert lines == {
        "1": {"allocated": 30_000, "peak": 30_000, "live": 30_000, "blocks": 1, "live_blocks": 1}
    }
    assert after["1"]["live"] == 0


@pytest.mark.parametrize(
    "call", ["held.work_mix_in_threads(8)", "free.work_mix_in_threads(8)", "extension.mix(True, 8)"]
)
def test_threads_of_a_library_belong_to_the_cell_that_started_them(say: Run, call: str) -> None:
    object = "extension" if call.startswith("ext") else "libwork"
    share = say(f"""
cell = notebook.run('''
{call}
''')
say(native(report(cell), {object!r}))
""")
    assert share.pop("peak") >= MIX["peak"]
    assert share == {
        "allocated": 8 * MIX["allocated"],
        "blocks": 8 * MIX["blocks"],
        "live": 0,
        "live_blocks": 0,
    }


def test_threads_of_python_count_at_the_lines_that_they_run(say: Run) -> None:
    lines = say("""
cell = notebook.run('''
def one():
    for _ in range(20):
        extension.mix(True)
        extension.keep("malloc", 1000, True)
def two():
    for _ in range(20):
        free.work_mix()
        extension.mix()
threads = [threading.Thread(target=work) for work in (one, two) * 3]
for thread in threads: thread.start()
for thread in threads: thread.join()
''')
say({object: by_line(cell, 2, object) for object in ("extension", "libwork")})
""")
    mixed = {"allocated": 60 * MIX["allocated"], "live": 0, "blocks": 60 * MIX["blocks"], "live_blocks": 0}
    kept = {"allocated": 60_000, "live": 60_000, "blocks": 60, "live_blocks": 60}
    for object in lines.values():
        for share in object.values():
            del share["peak"]  # depends on how they meet
    assert lines == {"extension": {"4": mixed, "5": kept, "9": mixed}, "libwork": {"8": mixed}}


def churned() -> int:
    """The sum of what `work_churn` asks for."""
    seed, total = 1, 0
    for _ in range(100_000):
        seed = (seed * 1_103_515_245 + 12_345) & 0xFFFF_FFFF
        total += 64 + (seed >> 16) % 4096
    return total


def test_many_threads_at_once_lose_no_block(say: Run) -> None:
    of_lines, of_threads, before, after = say("""
notebook.run("extension.churn()")
before = live()["shares"]
cell = notebook.run('''
def work():
    extension.churn()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
free.work_churn_in_threads(4)
for thread in threads: thread.join()
''')
of = lambda shares: [native({"shares": shares}, object)["live"] for object in ("extension", "libwork")]
say([by_line(cell, 3, "extension")[3], native(report(cell), "libwork"), of(before), of(live()["shares"])])
""")
    for share in (of_lines, of_threads):
        assert (share["allocated"], share["blocks"]) == (4 * churned(), 400_000)
        assert (share["live"], share["live_blocks"]) == (0, 0)
    assert before == after == [0, 0]


def test_libraries_that_come_and_go_keep_their_own_numbers(say: Run) -> None:
    shares = say("""
import shutil, tempfile
with tempfile.TemporaryDirectory() as folder:
    for n in range(4): shutil.copy(os.environ["NATIVE"] + "/libwork.so", f"{folder}/libw{n}.so")
    notebook.names["folder"] = folder
    cell = notebook.run('''
import _ctypes
def load(n):
    for _ in range(40):
        library = ctypes.CDLL(f"{folder}/libw{n}.so")
        library.work_mix()
        library.work_mix_in_threads(2)
        _ctypes.dlclose(library._handle)
threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
''')
say([native(report(cell), f"libw{n}.so") for n in range(4)])
""")
    for share in shares:
        del share["peak"]  # depends on how they meet
    mixed = {"allocated": 120 * MIX["allocated"], "live": 0, "blocks": 120 * MIX["blocks"], "live_blocks": 0}
    assert shares == 4 * [mixed]


def test_native_memory_is_counted_again_when_memray_is_done(say: Run) -> None:
    shares, notes = say("""
notebook.run("import memray, tempfile; tracker = memray.Tracker(tempfile.mkdtemp() + '/out')")
cells = []
for then in ("tracker.__enter__()", "tracker.__exit__(None, None, None)", "pass"):
    cells.append(notebook.run("extension.mix()"))
    notebook.run(then)
cells.append(notebook.run("extension.mix()"))
say([[native(report(cell), "extension") for cell in cells], [report(cell)["notes"] for cell in cells]])
""")
    assert shares[0] == shares[2] == shares[3] == MIX
    assert shares[1] != MIX
    assert "Another tool" in "".join(notes[1])


def test_maps_are_counted_by_the_page_through_holes_and_moves(say: Run) -> None:
    pages = say("""
cell = notebook.run('''
held.work_map()
held.work_unmap_middle()
held.work_remap_end()
''')
seen = [by_line(cell, 2, "libwork", "mmap")]
notebook.run("held.work_unmap()")
seen.append(by_line(cell, 2, "libwork", "mmap"))
say([{line: [share["allocated"] // 4096, share["live"] // 4096] for line, share in part.items()} for part in seen])
""")
    assert pages == [{"2": [64, 16], "4": [96, 96]}, {"2": [64, 0], "4": [96, 0]}]


def test_a_map_over_another_takes_its_place(say: Run) -> None:
    pages = say("""
cell = notebook.run('''
held.work_map()
held.work_map_over()
''')
say({line: share["live"] // 4096 for line, share in by_line(cell, 2, "libwork", "mmap").items()})
""")
    assert pages == {"2": 48, "3": 16}


def test_pythons_mmap_is_counted_until_it_is_closed(say: Run) -> None:
    first, second = say("""
cell = notebook.run('''
import mmap
m = mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
n = mmap.mmap(-1, 5000)
m.resize(24 << 20)
''')
first = by_line(cell, 2, "", "mmap")
notebook.run("m.close(); n.close()")
say([{line: [share["allocated"], share["live"]] for line, share in part.items()} for part in (first, by_line(cell, 2, "", "mmap"))])
""")
    assert first == {"3": [8 << 20, 0], "4": [8192, 8192], "5": [24 << 20, 24 << 20]}
    assert second == {"3": [8 << 20, 0], "4": [8192, 0], "5": [24 << 20, 0]}


def test_a_bytearray_counts_once_at_the_outermost_layer(say: Run) -> None:
    line, size, shares = say("""
cell = notebook.run('''
x = bytearray(10_000_000)
''')
line = lines(cell, 2)[2]
say([line["live"], sys.getsizeof(notebook.names["x"]), [[s["allocator"], s["live"]] for s in line["shares"]]])
""")
    assert line == size
    assert shares == [["pymalloc", size]]


def test_numpys_arrays_count_their_bytes_and_views_add_nothing(say: Run) -> None:
    lines, arrays, large, looped, after = say("""
notebook.run("import numpy as np; x = np.arange(10.0) + 1; np.concatenate([x, x]); x.reshape(2, 5).T.copy()")
cell = notebook.run('''
a = np.zeros(512)
b = np.empty((300, 1000))
v = [b[::2], b.T, b.reshape(-1), b.view(np.int64), b[1:-1, 3], np.broadcast_to(a, (9, 512))]
c = b + 1
d = b.copy()
e = np.concatenate([b, b])
f = np.arange(100_000, dtype=np.int16)
g = np.frombuffer(memoryview(x), dtype=np.uint8)
h = np.ones((7, 11, 13), dtype=np.complex128)
''')
numpys = by_line(cell, 3, "_multiarray_umath")
arrays = {n: notebook.names[name] for n, name in enumerate("abvcdefgh", 2)}
sizes = {n: [x.nbytes if x.base is None else 0 for x in (array if type(array) is list else [array])] for n, array in arrays.items()}
large = {n: sum(line["sizes"][4:]) for n, line in lines(cell, 3).items()}  # blocks of 4 KiB and up
more = notebook.run("for _ in range(10): t = np.zeros(1000)")
looped = by_line(more, 4, "_multiarray_umath")[1]
del arrays
notebook.run("del a, b, v, c, d, e, f, g, h, t")
after = by_line(cell, 3, "_multiarray_umath"), by_line(more, 4, "_multiarray_umath")
say([numpys, sizes, large, looped, [share["live"] for part in after for share in part.values()]])
""")
    assert list(arrays) == [str(line) for line in range(2, 11)]
    for line, made in arrays.items():
        share = lines.get(line, {"allocated": 0, "live": 0})
        # Shape and strides lie in small blocks of their own, of which numpy keeps some for reuse.
        assert 0 <= share["allocated"] - sum(made) <= 128
        assert 0 <= share["live"] - sum(made) <= 128
        assert large[line] == sum(size > 0 for size in made)
    assert 0 <= looped["allocated"] - 80_000 <= 160
    assert 0 <= looped["live"] - 8_000 <= 128
    assert all(live <= 128 for live in after)


WORK = {
    "zlib": """
import zlib
squeezed = zlib.compress(text, 9)
packer = zlib.compressobj()
again = packer.compress(text) + packer.flush()
same = zlib.decompress(squeezed) == zlib.decompress(again) == text
del packer, squeezed, again
""",
    "sqlite3": """
import sqlite3
base = sqlite3.connect(":memory:")
base.execute("create table t (a integer primary key, b text)")
base.executemany("insert into t (b) values (?)", ((str(i) * 9,) for i in range(5000)))
base.execute("create index i on t (b)")
same = base.execute("select count(*), max(b) from t where b > '3'").fetchone()[0] > 0
base.close()
del base
""",
}


@pytest.mark.parametrize("source", WORK.values(), ids=WORK.keys())
def test_work_of_a_library_returns_to_nothing(say: Run, source: str) -> None:
    allocated, live, same = say(f"""
notebook.run("text = b'the same words again and again ' * 20_000")
source = {source!r}
notebook.run(source)  # what is made once and kept
cell = notebook.run(source)
of = report(cell)["shares"]
made = [sum(share[name] for share in of if share["allocator"] == "malloc") for name in ("allocated", "live")]
say([*made, notebook.names["same"]])
""")
    assert same
    assert allocated > 200_000
    assert live == 0
