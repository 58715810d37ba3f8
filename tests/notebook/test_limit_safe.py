"""Who may not be stopped is not: handlers, finalizers, collections, imports, ends of `with` blocks, the kernel's
own code. And who catches the error and goes on gets it again."""

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.shells import Kernel, kernel_of
from tests.notebook.test_limit import limited, prepare, stopped_at

#: Small blocks of some MiB, and a large one: what would be stopped, or refused, elsewhere.
GREEDY = "([[i] for i in range(50_000)], bytes(2 << 20))"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with kernel_of("cellheap") as running:
        prepare(running)
        yield running


@pytest.fixture(autouse=True)
def room(kernel: Kernel) -> None:
    kernel.run("%memtrace limit off\nkept, rows, done = [], [], []")
    limited(kernel, 4 << 20)


def run(kernel: Kernel, source: str) -> dict[str, object]:
    reply, _ = kernel.run(textwrap.dedent(source).strip())
    return reply


def ran(kernel: Kernel, source: str) -> None:
    reply = run(kernel, source)
    assert reply["status"] == "ok", reply


def test_a_handler_runs_to_its_end(kernel: Kernel) -> None:
    ran(
        kernel,
        f"""
        try:
            while True:
                rows.append([1])
        except MemoryError as error:
            kept = {GREEDY}
            done.append(type(error).__name__)
            rows.clear()
            kept = None
        """,
    )
    assert kernel.value("done") == "['CellMemoryLimit']"


def test_who_catches_it_and_goes_on_gets_it_again(kernel: Kernel) -> None:
    ran(
        kernel,
        """
        while len(done) < 5:
            try:
                while True:
                    rows.append([1])
            except MemoryError:
                done.append(len(rows))
        """,
    )
    assert kernel.value("done == sorted(set(done))") == "True"


def test_a_refusal_is_caught_as_a_memory_error_at_once(kernel: Kernel) -> None:
    ran(
        kernel,
        """
        for make in (lambda: bytes(9 << 20), lambda: np.ones(9 << 17), lambda: [0] * (9 << 17)):
            try:
                make()
            except MemoryError:
                done.append(1)
        """,
    )
    assert kernel.value("done") == "[1, 1, 1]"


def test_finally_runs_to_its_end(kernel: Kernel) -> None:
    reply = run(
        kernel,
        f"""
        try:
            while True:
                rows.append([1])
        finally:
            kept.append({GREEDY})
            done.append(1)
        """,
    )
    assert stopped_at(reply) == 3
    assert kernel.value("done, len(kept)") == "([1], 1)"


def test_finalizers_run_to_their_end(kernel: Kernel) -> None:
    reply = run(
        kernel,
        f"""
        class Last:
            def __del__(self):
                rows.extend([i] for i in range(200_000))
                kept.append({GREEDY})
                done.append(1)
        last = Last()
        del last
        after = [[i] for i in range(10_000)]
        """,
    )
    assert reply["ename"] == "CellMemoryLimit"
    kernel.run("%memtrace limit off")  # What is kept is above it still.
    assert kernel.value("done, len(kept), len(rows)") == "([1], 1, 200000)"


def test_collections_run_to_their_end(kernel: Kernel) -> None:
    reply = run(
        kernel,
        f"""
        import weakref
        class Node: pass
        def gone(reference):
            rows.extend([i] for i in range(200_000))
            kept.append({GREEDY})
            done.append(1)
        node = Node(); node.me = node
        watch = weakref.ref(node, gone)
        del node
        gc.collect()
        after = [[i] for i in range(10_000)]
        """,
    )
    assert reply["ename"] == "CellMemoryLimit"
    kernel.run("%memtrace limit off")  # What is kept is above it still.
    assert kernel.value("done, len(kept), len(rows)") == "([1], 1, 200000)"


def test_imports_run_to_their_end(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "greedy_module.py").write_text(
        f"rows = [[i] for i in range(200_000)]\nmore = {GREEDY}\nlast = 'whole'\n"
    )
    kernel.run(f"sys.path.insert(0, {str(tmp_path)!r})")
    reply = run(kernel, "import greedy_module\nafter = [[i] for i in range(10_000)]")
    assert reply["ename"] == "CellMemoryLimit"
    kernel.run("%memtrace limit off")  # What is kept is above it still.
    assert kernel.value("greedy_module.last, len(greedy_module.rows)") == "('whole', 200000)"
    kernel.run("del greedy_module, sys.modules['greedy_module']")


def test_the_end_of_a_with_block_runs_to_its_end(kernel: Kernel) -> None:
    reply = run(
        kernel,
        f"""
        class Tidy:
            def __enter__(self): return self
            def __exit__(self, *error):
                rows.extend([i] for i in range(200_000))
                kept.append({GREEDY})
                done.append(1)
        with Tidy():
            pass
        after = [[i] for i in range(10_000)]
        """,
    )
    assert reply["ename"] == "CellMemoryLimit"
    kernel.run("%memtrace limit off")  # What is kept is above it still.
    assert kernel.value("done, len(kept), len(rows)") == "([1], 1, 200000)"


def test_a_generator_that_is_closed_tidies_up(kernel: Kernel) -> None:
    reply = run(
        kernel,
        f"""
        def give():
            try:
                while True:
                    yield [1]
            finally:
                kept.append({GREEDY})
                done.append(1)
        for one in give():
            rows.append(one)
        """,
    )
    assert reply["ename"] == "CellMemoryLimit"
    kernel.run("gc.collect()")
    assert kernel.value("done, len(kept)") == "([1], 1)"


def test_output_is_whole(kernel: Kernel) -> None:
    reply, outputs = kernel.run("for i in range(10**7): rows.append([i]); print(i)")
    assert stopped_at(reply) == 1
    text = "".join(one["content"]["text"] for one in outputs if one["type"] == "stream")
    numbers = text.split("\n")
    assert numbers[:-1] == [str(i) for i in range(len(numbers) - 1)]
    assert kernel.value("rows.clear(); 1 + 1") == "2"


def test_a_memory_error_of_the_users_own_stays_one(kernel: Kernel) -> None:
    reply = run(
        kernel,
        """
        try:
            bytes(9 << 20)
        except MemoryError:
            pass
        raise MemoryError("mine")
        """,
    )
    assert (reply["ename"], reply["evalue"]) == ("MemoryError", "mine")


def test_what_a_function_held_is_free_after_its_error(kernel: Kernel) -> None:
    before = int(kernel.value("live()"))
    reply = run(
        kernel,
        """
        def load():
            mine = []
            while True:
                mine.append([1])
        load()
        """,
    )
    assert stopped_at(reply) == 4
    assert int(kernel.value("live()")) < before + (1 << 20)


def test_magics_work_past_the_limit(kernel: Kernel) -> None:
    run(kernel, "while True:\n    rows.append([1])")
    for magic in ("%memtrace", "%memtrace live", "%gcclear", "%memtrace limit", "%gcclear rows"):
        reply, _ = kernel.run(magic)
        assert reply["status"] == "ok", (magic, reply)


def test_a_task_that_goes_on_after_its_cell_is_stopped_too(kernel: Kernel) -> None:
    ran(
        kernel,
        """
        async def grow():
            try:
                while True:
                    for _ in range(1000): rows.append([1])
                    await asyncio.sleep(0)
            except MemoryError as error:
                done.append(type(error).__name__)
                rows.clear()
        task = asyncio.create_task(grow())
        """,
    )
    ran(kernel, "await task")
    assert kernel.value("done") == "['CellMemoryLimit']"


def test_what_the_kernels_own_code_calls_is_left_whole(kernel: Kernel) -> None:
    """IPython asks so of a cell's last expression: its code calls a library's generator by way of C."""
    ran(
        kernel,
        """
        hook = get_ipython().displayhook
        done.append(hook.semicolon_at_end_of_expression("x + 1\\n" * 10_000))
        """,
    )
    assert kernel.value("done") == "[False]"


def test_the_cells_numbers_are_those_without_a_limit(kernel: Kernel) -> None:
    source = (
        "from cellheap import cells\nx = [bytes(100) for _ in range(1000)]\ny = np.ones(10_000)\ndel x, y"
    )
    numbers = []
    for limit in ("off", "1T", "off", "1T"):
        kernel.run(f"%memtrace limit {limit}")
        reply, _ = kernel.run(source)
        numbers.append(
            kernel.value(
                f"(c := cells[{reply['execution_count']}]).peak, [l.allocated for l in c.lines if l.line in (2, 3)]"
            )
        )
    (peak, lines), (limited, same) = (ast.literal_eval(number) for number in numbers[2:])
    assert lines == same
    # A few bytes that earlier cells left behind may go meanwhile.
    assert abs(peak - limited) < 1024
