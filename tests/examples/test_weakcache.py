"""The weakref cache: what it keeps, what it lets go of, and what it costs."""

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import cellheap
import pytest

from examples import weakcache
from examples.weakcache import Stats, WeakCache, weak_cached

SIZE = 100_000


class Image:
    def __init__(self, name: str) -> None:
        self.name = name
        self.pixels = bytearray(SIZE)


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    """What goes here goes by its reference count."""
    gc.disable()
    yield
    gc.enable()


def test_who_has_it_gets_the_same_again_and_it_goes_with_the_last() -> None:
    cache = WeakCache(Image)
    first = cache["a"]
    assert cache["a"] is first
    assert "a" in cache
    watched = weakref.ref(first)
    del first
    assert watched() is None
    assert ("a" in cache, len(cache)) == (False, 0)
    assert cache["a"].name == "a"
    assert cache.stats == Stats(hits=1, misses=2, alive=0, kept=0)


def test_the_last_ones_are_kept_and_no_more() -> None:
    cache = WeakCache(Image, keep=2)
    for name in ("a", "b", "a", "c"):
        assert cache[name].name == name
    assert [name in cache for name in "abc"] == [True, False, True]
    assert cache.stats == Stats(hits=1, misses=3, alive=2, kept=2)
    cache.forget("a")
    assert "a" not in cache
    cache.clear()
    assert cache.stats == Stats(0, 0, 0, 0)


def test_memory_is_that_of_the_values_in_use() -> None:
    def turns(cache: WeakCache[str, Image] | dict[str, Image]) -> int:
        """Bytes that are left when a reader of 50 images has gone."""
        with cellheap.trace() as t:
            for n in range(50):
                name = str(n)
                if isinstance(cache, dict):
                    cache[name] = Image(name)
                else:
                    assert cache[name].name == name
        return t.report.net

    image = sys.getsizeof(bytearray(SIZE))
    assert turns({}) >= 50 * image
    assert 4 * image <= turns(WeakCache(Image, keep=4)) < 5 * image
    assert turns(WeakCache(Image)) < image


def test_calls_are_told_apart_by_their_arguments() -> None:
    made = []

    @weak_cached
    def load(name: str, *, scale: int = 1) -> Image:
        """Loads."""
        made.append((name, scale))
        return Image(name)

    one, two, other = load("a"), load("a", scale=2), load("b")
    assert (load("a"), load("a", scale=2), load("b")) == (one, two, other)
    assert made == [("a", 1), ("a", 2), ("b", 1)]
    assert (load.__name__, load.__doc__) == ("load", "Loads.")  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        load(["a"])  # type: ignore[arg-type]


def test_a_decorated_function_can_keep_some() -> None:
    @weak_cached(keep=1)
    def load(name: str) -> Image:
        return Image(name)

    load("a")
    load("b")
    assert load.cache.stats == Stats(hits=0, misses=2, alive=1, kept=1)


def test_threads_that_ask_at_once_get_the_same() -> None:
    start = threading.Barrier(8)
    got: list[Image] = []

    def make(name: str) -> Image:
        start.wait()  # All are making it at once.
        return Image(name)

    cache = WeakCache(make)
    threads = [threading.Thread(target=lambda: got.append(cache["a"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_a_value_that_dies_may_ask_the_cache() -> None:
    class Asking(Image):
        def __del__(self) -> None:
            asked.append(len(cache))

    asked: list[int] = []
    cache: WeakCache[str, Image] = WeakCache(Asking, keep=1)
    for name in "abc":
        cache[name]
    assert len(asked) == 2


def test_a_value_in_a_cycle_goes_with_a_collection() -> None:
    cache = WeakCache(Image)
    image = cache["a"]
    image.itself = image  # type: ignore[attr-defined]
    del image
    assert "a" in cache
    gc.collect()
    assert "a" not in cache


def test_an_error_is_the_callers_and_nothing_is_remembered() -> None:
    attempts = []

    def make(name: str) -> Image:
        attempts.append(name)
        if len(attempts) == 1:
            raise OSError("the disk is asleep")
        return Image(name)

    cache = WeakCache(make)
    with pytest.raises(OSError, match="asleep"):
        cache["a"]
    assert cache["a"].name == "a"


@pytest.mark.parametrize("value", [[1], (1,), 7, "text"])
def test_what_takes_no_weak_reference_is_refused(value: object) -> None:
    kind = type(value).__name__
    with pytest.raises(TypeError, match=f"a weak reference to a value of type {kind} cannot be made"):
        weak_cached(lambda: value)()


def test_none_is_refused() -> None:
    with pytest.raises(TypeError, match="None was made for"):
        weak_cached(lambda: None)()
    with pytest.raises(ValueError, match="0 or more, not -1"):
        WeakCache(Image, keep=-1)


def test_the_demonstration_measures_three_caches() -> None:
    command = [sys.executable, str(Path(weakcache.__file__))]
    told = subprocess.check_output([*command, "--pages", "20"], text=True).splitlines()[-3:]
    numbers = [[int(word.replace(",", "")) for word in line.split()[-2:]] for line in told]
    (everything, all_stay), (_, eight), (two, none) = numbers
    assert everything >= 20 * SIZE
    assert all_stay >= 20 * SIZE
    assert 8 * SIZE <= eight < 9 * SIZE
    assert 2 * SIZE <= two < 3 * SIZE
    assert none < SIZE
    wrong = subprocess.run([*command, "--pages", "0"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "a whole number from 1 on is wanted, not '0'" in wrong.stderr
