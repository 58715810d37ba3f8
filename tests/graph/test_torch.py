"""torch's tensors, where torch is installed (`make torch`): by line and library, and what goes with them."""

import json

import pytest

from tests.graph.conftest import Judge, run

pytest.importorskip("torch")

#: What goes is known to the byte; the variables that go.
KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "a tensor": ("x = torch.zeros(100_000)", ("x",)),
    "many dimensions": ("x = torch.zeros(3, 4, 5, 6, 7, 8, 2)", ("x",)),
    "a view, which keeps all data": ("y = torch.zeros(100_000); x = y[::2]", ("x",)),
    "both": ("x = torch.zeros(100_000); y = x[::2]; z = y[3:]", ("x", "y", "z")),
    "detached, with the same data": ("x = torch.zeros(100_000); y = x.detach()", ("x",)),
    "both of those": ("x = torch.zeros(100_000); y = x.detach()", ("x", "y")),
    "a storage": ("x = torch.zeros(100_000).untyped_storage()", ("x",)),
    "a storage besides": ("x = torch.zeros(100_000); y = x.untyped_storage()", ("x",)),
    "a gradient": ("x = torch.nn.Parameter(torch.ones(9000)); x.grad = torch.ones(9000)", ("x",)),
    "a class of the user's": (
        "class T(torch.Tensor): pass\nx = torch.zeros(9000).as_subclass(T); x.label = ['a'] * 9",
        ("x",),
    ),
    "a list": ("x = [torch.full((n,), 1.5) for n in range(1, 200)]", ("x",)),
}


@pytest.fixture(scope="module")
def judge(judges):  # type: ignore[no-untyped-def]
    return judges("import torch, sys")


@pytest.mark.parametrize(("source", "names"), KNOWN.values(), ids=KNOWN.keys())
def test_what_goes_is_known_to_the_byte(judge: Judge, source: str, names: tuple[str, ...]) -> None:
    judge(source, names)
    judge(source, names)
    predicted, freed = judge(source, names)
    assert predicted == freed > 0


#: numpy keeps the lengths and steps of an array's dimension for its next arrays: two words.
KEPT = 16
LENT = {
    "by the tensor": ("x = torch.from_numpy(numpy.ones(9000))", ("x",)),
    "by both and a view": ("y = numpy.ones(9000); x = torch.from_numpy(y); z = x[3:]", ("x", "y", "z")),
}


@pytest.mark.parametrize(("source", "names"), LENT.values(), ids=LENT.keys())
def test_an_array_that_is_lent_goes_with_the_tensor(
    judge: Judge, source: str, names: tuple[str, ...]
) -> None:
    for _ in range(3):
        predicted, freed = judge(f"import numpy\n{source}", names)
    assert freed > 72_000
    assert predicted - freed in (0, KEPT)


def test_an_array_stays_with_the_tensor_that_it_is_lent_to(judge: Judge) -> None:
    assert judge("import numpy\nx = numpy.ones(9000); y = torch.from_numpy(x)", ("x",)) == (0, 0)


def test_a_view_keeps_what_it_is_of(judge: Judge) -> None:
    assert judge("x = torch.zeros(100_000); y = x[::2]", ("x",)) == (0, 0)


#: By leaf: torch keeps what summed its gradient up, C++ that says nothing of itself.
SUMS = 600
LEARNT = {
    "by hand": ("x = torch.ones(9000, requires_grad=True); (x * 2).sum().backward()", 1),
    "held": ("x = torch.ones(9000, requires_grad=True); (x * 2).sum().backward(); y = x.grad", 1),
    "a layer": ("x = torch.nn.Linear(50, 60); x(torch.ones(3, 50)).sum().backward()", 2),
}


@pytest.mark.parametrize(("source", "leaves"), LEARNT.values(), ids=LEARNT.keys())
def test_gradients_that_were_summed_up_go_too(judge: Judge, source: str, leaves: int) -> None:
    judge(source, ("x",))
    judge(source, ("x",))
    predicted, freed = judge(source, ("x",))
    assert 0 <= freed - predicted <= SUMS * leaves, (predicted, freed)
    assert freed > 20_000


START = """
import json, sys
from cellheap import _core
_core.trace_start()
import numpy, torch
from cellheap import graph
"""


def test_holders_of_a_tensor_have_names() -> None:
    run(
        START
        + """
def texts(thing):
    return [chain.text for chain in graph.holders(thing, 9).chains if chain.kind != "frame"]
x = torch.zeros(100_000)
assert texts(x) == ["x"], texts(x)
view = x[::2]
assert set(texts(x)) == {"x", "view._base"}, texts(x)
del x
assert texts(view._base) == ["view._base"], texts(view._base)
p = torch.ones(9000, requires_grad=True); p.grad = torch.ones(9000)
assert texts(p.grad) == ["p.grad"], texts(p.grad)
a = numpy.ones(9000); t = torch.from_numpy(a)
assert set(texts(a)) == {"a", "the data of a tensor (t)"}, texts(a)
assert not graph.holders(a, progress=False).unseen
w = torch.ones(9000, requires_grad=True); loss = (w * 2).sum()
assert texts(w) == ["w"], texts(w)
assert graph.holders(w, progress=False).unseen, "torch's graph of operations holds it"
del loss
assert not graph.holders(w, progress=False).unseen
s = torch.zeros(5).untyped_storage(); t = torch.tensor([], dtype=torch.float32).set_(s)
assert set(texts(s)) == {"s", "t.untyped_storage()"}, texts(s)
"""
    )


def test_variables_share_what_they_are_views_of() -> None:
    out = run(
        START
        + """
x = torch.zeros(100_000); y = x.detach(); z = torch.zeros(50_000)
rows = {row.name: row for row in graph.variables(progress=False).variables}
print(json.dumps([[rows[name].retained.bytes, rows[name].shared, list(rows[name].shared_with)] for name in "xyz"]))
"""
    )
    x, y, z = json.loads(out)
    assert x[0] < 2000
    assert y[0] < 2000
    assert x[1] >= 400_000
    assert (x[2], y[2]) == (["y"], ["x"])
    assert 200_000 <= z[0] < 202_000


def test_looking_changes_nothing() -> None:
    run(
        START
        + """
import gc
x = torch.zeros(1000); y = x[3:]; p = torch.ones(9, requires_grad=True); p.sum().backward()
def state():
    return [sys.getrefcount(t) for t in (x, y, p)], torch.random.get_rng_state().sum().item(), len(gc.get_objects())
graph.variables(progress=False)
before = state(); before = state(); graph.variables(progress=False); graph.holders(x, progress=False)
assert state() == before, (before, state())
"""
    )


def test_what_is_alive_of_a_cell_is_mostly_data() -> None:
    out = run(
        START
        + """
_core.set_notebook_files(["/notebook/"])
cell = _core.cell_begin(1)
names = {"torch": torch}
exec(compile("x = torch.zeros(1_000_000); y = x[::2]", "/notebook/1", "exec"), names)
_core.cell_end(cell)
print(json.dumps({row.type: row.bytes for row in graph.survivors(cell, progress=False).cells[cell]}))
"""
    )
    types = json.loads(out)
    assert 4_000_000 <= types["data of tensors"] < 4_001_000
    assert 0 < types["torch.Tensor"] < 2000


def test_its_memory_has_a_line_and_a_library() -> None:
    out = run(
        START
        + """
import numpy
_core.set_notebook_files(["/notebook/"])
code = compile("x = torch.zeros(1_000_000)\\ny = x + 1\\nz = torch.from_numpy(numpy.ones(500_000))", "/notebook/1", "exec")
for number in (1, 2):
    names = {"torch": torch, "numpy": numpy}
    cell = _core.cell_begin(number)
    exec(code, names)
    _core.cell_end(cell)
print(_core.cell_report(cell))
"""
    )
    lines = {line["line"]: line for line in json.loads(out)["lines"] if line["file"] == "/notebook/1"}
    for number in (1, 2, 3):
        assert 4_000_000 <= lines[number]["live"] < 4_004_000, lines[number]
    assert any("libc10" in str(share) or "libtorch" in str(share) for share in lines[1]["shares"]), lines[1]
