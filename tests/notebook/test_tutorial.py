"""Every case of the tutorial's own list, each with the sentence that it must print."""

import gc
import re
import weakref
from collections.abc import Iterator

import pytest

from tests.notebook.shells import Terminal

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_collections_by_themselves(notebook: Terminal) -> Iterator[None]:
    gc.collect()  # What a notebook that begins leaves behind.
    gc.disable()
    yield
    gc.enable()


def said(notebook: Terminal, line: str) -> str:
    """What a line shows, on one line."""
    notebook.run(line).raise_error()
    assert notebook.complaint == ""
    return " ".join(" ".join(data["text/plain"] for data in notebook.shown).split())


def sentence(notebook: Terminal, line: str) -> str:
    """The answer: up to the first full stop that ends it."""
    (data,) = (notebook.run(line).raise_error(), notebook.shown)[1]
    return " ".join(data["text/plain"].partition("\n\n")[0].split())


NODE = """
class Node:
    def __init__(self, name):
        self.name = name * 1000
        self.references = []
"""


def test_del_of_a_name_with_another_reference(notebook: Terminal) -> None:
    notebook.run("a = [0] * 1_000_000\nb = a")
    assert sentence(notebook, "%memtrace why a").startswith(
        "Besides the name a it is held by b: `del a` alone leaves it alive (7.63 MiB"
    )
    assert "a would not be freed: still held by b." in sentence(notebook, "%gcclear --dry-run a")
    answer = sentence(notebook, "%gcclear a")
    assert "a is not freed: still held by b." in answer
    assert re.match(r"Freed 7\.63 MiB in \d+ blocks?;", sentence(notebook, "%gcclear b"))


def test_a_cycle_of_two_nodes(notebook: Terminal) -> None:
    notebook.run(NODE + "a, b = Node('a'), Node('b')\na.references.append(b)\nb.references.append(a)")
    made = f"In[{notebook.number}]"
    assert "a is held by b.references[0]" in sentence(notebook, "%memtrace why a").replace(
        "Besides the name a it", "a"
    )
    watched = weakref.ref(notebook.names["a"])
    notebook.run("del a, b")
    assert watched() is not None
    answer = sentence(notebook, "%gcclear")
    assert watched() is None
    assert f"a reference cycle made in {made} was garbage: " in answer
    assert "Node.references[0]" in answer


def test_the_cycle_broken_by_clear(notebook: Terminal) -> None:
    notebook.run(NODE + "a, b = Node('a'), Node('b')\na.references.append(b)\nb.references.append(a)")
    watched = weakref.ref(notebook.names["a"])
    notebook.run("a.references.clear()\nb.references.clear()")
    assert "Only the name a holds it: `del a` and a collection give back" in sentence(
        notebook, "%memtrace why a"
    )
    notebook.run("del a, b")
    assert watched() is None
    assert "reference cycle made in" not in sentence(notebook, "%gcclear")


def test_a_weak_reference_keeps_nothing(notebook: Terminal) -> None:
    notebook.run(NODE + "import weakref\na = Node('a')\nr = weakref.ref(a)")
    answer = said(notebook, "%memtrace why a")
    assert "Only the name a holds it" in answer
    assert "1 weak reference to it does not keep it alive." in answer
    notebook.run("%gcclear a")
    assert notebook.values("r() is None")


def test_a_view_keeps_the_whole_array_and_a_copy_does_not(notebook: Terminal) -> None:
    notebook.run("import numpy as np\na = np.ones(10_000_000)\nb = a[::1000]")
    answer = sentence(notebook, "%memtrace vars a")
    assert answer == "`del a` and a collection give back 0 B; 76.3 MiB that a reaches stay with b."
    answer = sentence(notebook, "%gcclear a")
    assert "a is not freed: still held by b.base." in answer
    notebook.run("c = b.copy()")
    answer = sentence(notebook, "%gcclear b")
    assert answer.startswith("Freed 76.3 MiB in "), answer
    assert notebook.values("len(c)") == 10_000


def test_out_keeps_a_value(notebook: Terminal) -> None:
    notebook.run("a = [0] * 1_000_000\na")
    number = notebook.number
    notebook.run("0\n1")  # `_` moves on
    notebook.run("2")
    notebook.run("3")
    notebook.run("4")
    answer = sentence(notebook, "%gcclear a")
    assert f"a is not freed: still held by Out[{number}], " in answer
    assert "(cleared by --out)" in answer
    assert re.search(r"Out, _ and copies \(\d+ objects\) 7\.6\d MiB", said(notebook, "%gcclear"))
    assert sentence(notebook, "%gcclear --out").startswith("Freed 7.6")


def test_underscore_keeps_a_value(notebook: Terminal) -> None:
    notebook.run("class Big(list):\n    def __repr__(self): return 'big'\nBig([0] * 1_000_000)")
    notebook.run("Out.clear()")
    answer = said(notebook, "%gcclear")
    assert re.search(r"Out, _ and copies \(\d+ objects?\) 7\.6\d MiB", answer), answer
    assert sentence(notebook, "%gcclear --out").startswith("Freed 7.6")


def test_the_frame_of_an_exception_keeps_its_locals(notebook: Terminal) -> None:
    notebook.run("def f():\n    local = [0] * 1_000_000\n    1 / 0\nf()")
    answer = said(notebook, "%gcclear")
    assert re.search(r"the last exception \(\d+ frames\) 7\.6\d MiB", answer), answer
    assert sentence(notebook, "%gcclear --traceback").startswith("Freed 7.6")


def test_a_closure_keeps_a_variable(notebook: Terminal) -> None:
    notebook.run(
        "def outer():\n    x = [0] * 1_000_000\n    def f():\n        return x\n    return f, x\nf, a = outer()"
    )
    answer = sentence(notebook, "%gcclear a")
    assert "a is not freed: still held by cell variable x of" in answer
    assert sentence(notebook, "%gcclear f outer").startswith("Freed 7.63 MiB")


def test_a_generator_that_stands_half_way_keeps_its_locals(notebook: Terminal) -> None:
    notebook.run(
        "def rows():\n    data = [0] * 1_000_000\n    yield data\n    yield 1\ng = rows()\na = next(g)"
    )
    answer = sentence(notebook, "%gcclear a")
    assert "a is not freed: still held by g, variable data" in answer
    assert sentence(notebook, "%gcclear g").startswith("Freed 7.63 MiB")


def test_an_lru_cache_keeps_results(notebook: Terminal) -> None:
    notebook.run("import functools\n@functools.lru_cache\ndef f(n):\n    return [0] * n\na = f(1_000_000)")
    answer = sentence(notebook, "%gcclear a")
    assert "a is not freed: still held by f" in answer
    answer = said(notebook, "%gcclear --caches f")
    assert re.search(r"f's cache 7\.63 MiB", answer), answer
    assert notebook.values("len(f(3))") == 3


def test_a_key_that_does_not_exist(notebook: Terminal) -> None:
    notebook.run("cache = {'a': 1}")
    assert not notebook.run("%memtrace why cache['b']").success
    assert notebook.complaint.splitlines() == ["UsageError: %memtrace why: cache['b']: there is no key 'b'"]
    answer = said(notebook, "%gcclear cache['b'] missing")
    assert "cache[b] is a part of a variable: only whole variables can be deleted here" in answer
    assert "There is no variable missing." in answer
    assert notebook.values("cache") == {"a": 1}


def test_a_temporary_file_in_a_with(notebook: Terminal) -> None:
    notebook.run(
        "import tempfile\nwith tempfile.NamedTemporaryFile() as file:\n"
        "    file.write(bytes(10_000_000))\n    data = bytes(10_000_000)"
    )
    notebook.run("%memtrace watch file\ndel file")
    notebook.run("pass")
    assert "file (_TemporaryFileWrapper) died in" in notebook.printed or notebook.values(
        "[one.died for one in (lambda: get_ipython().run_line_magic('memtrace', 'watch'))().seen]"
    ) == [f"In[{notebook.number - 2}]"]
    assert sentence(notebook, "%gcclear data").startswith("Freed 9.54 MiB")


def test_a_class_keeps_its_attributes(notebook: Terminal) -> None:
    notebook.run("class Config:\n    table = [0] * 1_000_000\na = Config.table")
    assert "a is not freed: still held by Config.table" in sentence(notebook, "%gcclear a")
    assert sentence(notebook, "%gcclear Config").startswith("Freed 7.6")


def test_a_global_of_a_module_keeps_a_value(notebook: Terminal) -> None:
    notebook.run("import json\na = [0] * 1_000_000\njson.big = a")
    assert "a is not freed: still held by json.big" in sentence(notebook, "%gcclear a")
    notebook.run("del json.big")


def test_a_threads_local_keeps_a_value(notebook: Terminal) -> None:
    notebook.run(
        "import threading\nlocal, ready, go = threading.local(), threading.Event(), threading.Event()\n"
        "a = [0] * 1_000_000\n"
        "def work():\n    local.big = keep.pop()\n    ready.set()\n    go.wait()\n"
        "keep = [a]\nthread = threading.Thread(target=work)\nthread.start()\nready.wait();"
    )
    answer = sentence(notebook, "%gcclear a")
    notebook.run("go.set()\nthread.join()")
    assert re.search(r"a is not freed: still held by .*(thread|local)", answer), answer
