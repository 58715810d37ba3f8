"""Others' modules that come with the kernel and need not run in it: they run when they are first used.

Owns that moment. Which ones is in `lazily`. Such a module is in `sys.modules` with its own spec; who takes a
name from it has the whole of it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import _bootstrap, import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from cellheap.app import lazily, standins


class _Lazy(ModuleType):
    """A module whose code has not run. Submodules of a package are imported as ever."""

    def __getattr__(self, name: str) -> Any:
        asked = self.__name__, name
        if asked in lazily.ELSEWHERE:
            with suppress(ImportError, AttributeError):
                return getattr(import_module(lazily.ELSEWHERE[asked]), name)
        if _Finder.active and lazily.has_stand_in(*asked):
            return standins.of(self, name)
        if name == "__path__":  # Every import asks whether a module is a package.
            raise AttributeError(name)
        _run(self)
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # What somebody puts in the place of a name must stay there when the code has run.
        if not self._is_part(name, value):
            _run(self)
        ModuleType.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _run(self)
        ModuleType.__delattr__(self, name)

    def __reduce_ex__(self, _: Any) -> Any:
        """Tools that send functions to other processes know modules by their type, and send their names."""
        return import_module, (self.__name__,)

    def _is_part(self, name: str, value: object) -> bool:
        """An import leaves a submodule in its package."""
        return isinstance(value, ModuleType) and value is sys.modules.get(f"{self.__name__}.{name}")

    def __dir__(self) -> list[str]:
        _run(self)
        return list(ModuleType.__dir__(self))

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        _run(self)
        return _names(self)

    # Python gives every module one, so that nobody would ask us.
    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        doc: str | None = self.__dict__["__doc__"]
        return doc


# How any module gets at its names.
_names: Callable[[ModuleType], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__
# What is done when a module has run.
_afterwards: dict[ModuleType, Callable[[], object]] = {}


def _run(module: ModuleType) -> None:
    """Run the code, once. Other threads wait for that as for an import; the code may ask for names of its own
    module.
    """
    spec: Any = module.__spec__
    with _bootstrap._ModuleLockManager(spec.name):  # type: ignore[attr-defined]
        if type(module) is not _Lazy or spec._initializing:
            return
        spec._initializing = True
        try:
            # Where this fails who asks next hears why, too.
            spec.loader.exec_module(module)
            object.__setattr__(module, "__class__", ModuleType)
            standins.give_way(module)
        finally:
            spec._initializing = False
    _afterwards.pop(module, _nothing)()


def _nothing() -> None:
    """Most modules have nothing that follows."""


def run(name: str) -> None:
    """Have a module that was imported run, if it has not."""
    module = sys.modules[name]
    if type(module) is _Lazy:
        _run(module)


def afterwards(name: str, call: Callable[[], object]) -> None:
    """Call this when the module has run: at once if it has."""
    module = sys.modules[name]
    if type(module) is _Lazy:
        _afterwards[module] = call
    else:
        call()


class _Finder:
    """Finds what is lazy, and leaves it at that."""

    active = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in lazily.LAZY or not _can_run(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader_state, spec.loader = spec.loader, self  # type: ignore[assignment]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As any module is made."""

    def exec_module(self, module: ModuleType) -> None:
        spec: Any = module.__spec__
        module.__loader__ = spec.loader = spec.loader_state
        spec.loader_state = None
        module.__class__ = _Lazy


def _can_run(module: str) -> bool:
    """A Python that was built without TLS, say, has the module, but not what that needs."""
    needs = lazily.NEEDS.get(module)
    return needs is None or needs in sys.builtin_module_names or PathFinder.find_spec(needs) is not None


@contextmanager
def waiting() -> Iterator[None]:
    """What is lazy and imported inside waits for its first use."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    _Finder.active = True
    try:
        yield
    finally:
        _Finder.active = False
        sys.meta_path.remove(finder)
