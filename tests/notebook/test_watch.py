"""`%memtrace watch`: after which cell an object died, told by its weak reference."""

import gc
import weakref

from cellheap.watching import Watching

from tests.notebook.shells import Terminal


def look(notebook: Terminal) -> Watching:
    notebook.run("seen = %memtrace watch").raise_error()
    result = notebook.names.pop("seen")
    assert isinstance(result, Watching)
    return result


def test_a_death_is_told_by_the_cell_that_it_came_in(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\nthing = Thing()")
    notebook.run("%memtrace watch thing")
    assert notebook.printed == "Watching thing (Thing): the cell in which it dies is told.\n"
    notebook.run("1 + 1")
    assert "thing" not in notebook.printed
    notebook.run("other = thing\ndel thing")
    assert "died" not in notebook.printed
    notebook.run("other = None")
    assert notebook.printed.splitlines()[-1] == "thing (Thing) died in In[6]."
    notebook.run("1 + 1")
    assert "died" not in notebook.printed
    (seen,) = look(notebook).seen
    assert (seen.alive, seen.died, seen.since) == (False, "In[6]", "In[3]")


def test_who_holds_a_living_one_is_named(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\nthing = Thing()\ncache = {'a': thing}")
    notebook.run("%memtrace watch thing\ndel thing")
    (seen,) = look(notebook).seen
    assert seen.alive
    assert seen.held_by == ("cache['a']",)
    notebook.run("%memtrace watch")
    text = " ".join(notebook.shown[0]["text/plain"].split())
    assert text.startswith("thing lives: held by cache['a'].")


def test_a_cycle_dies_in_the_cell_that_collects(notebook: Terminal) -> None:
    gc.collect()
    gc.disable()
    try:
        notebook.run("import gc\nclass Node: pass\na, b = Node(), Node()\na.other, b.other = b, a")
        notebook.run("%memtrace watch a b\ndel a, b")
        assert "died" not in notebook.printed
        notebook.run("gc.collect();")
        assert sorted(notebook.printed.splitlines()) == ["a (Node) died in In[4].", "b (Node) died in In[4]."]
    finally:
        gc.enable()


def test_watching_keeps_nothing_alive(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\nthing = Thing()\n%memtrace watch thing")
    watched = weakref.ref(notebook.names["thing"])
    notebook.run("seen = %memtrace watch\nseen")
    notebook.run("del thing")
    assert watched() is None


def test_a_name_that_does_not_exist_gets_a_line_and_nothing_is_watched(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\nthing = Thing()")
    assert not notebook.run("%memtrace watch thing missing").success
    assert notebook.complaint.splitlines() == ["UsageError: %memtrace watch: there is no variable missing"]
    assert look(notebook).seen == ()
    notebook.run("%memtrace watch")
    assert notebook.shown[0]["text/plain"].startswith("Nothing is watched: ")


def test_unwatch_ends_it(notebook: Terminal) -> None:
    notebook.run("class Thing: pass\na, b = Thing(), Thing()\n%memtrace watch a b")
    notebook.run("%memtrace unwatch a")
    assert notebook.printed == "Watching b now.\n"
    assert not notebook.run("%memtrace unwatch a").success
    assert "a is not watched; watched is b" in notebook.complaint
    notebook.run("%memtrace unwatch")
    assert notebook.printed == "Watching nothing now.\n"
    notebook.run("del a, b")
    assert notebook.printed == ""
