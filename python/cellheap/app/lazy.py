"""Others' modules that come with the kernel and need not run in it: they run when they are first used.

Owns that moment, and the list. Such a module is in `sys.modules` with its own spec; who takes a name from it
has the whole of it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import _bootstrap, import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from cellheap.app import standins

# What is imported for something else: all of jupyter_client's clients and managers for its `session`, sockets
# where our wire is, TLS for asyncio, and what reads dates and versions that nobody has sent yet.
_LAZY = (
    "jupyter_client",
    "zmq",
    "zmq.asyncio",
    "zmq.eventloop",
    "zmq.eventloop.zmqstream",
    "ssl",
    "asyncio.sslproto",
    "dateutil.parser",
    "dateutil.tz",
    "packaging.version",
)
# What the kernel's own modules take from them as they are imported. It is in a module that is there anyway,
_ELSEWHERE = {
    ("jupyter_client", "write_connection_file"): "jupyter_client.connect",
    **dict.fromkeys([("zmq", kind) for kind in ("DEALER", "NOBLOCK", "REQ", "SUB")], "zmq.constants"),
}
# or is nothing but called, much later.
_CALLED = {
    ("dateutil.parser", "isoparse"),
    ("dateutil.tz", "tzlocal"),
    ("packaging.version", "Version"),
}
# Or is a class that others name.
_CLASSES = {("zmq", "Context"), ("zmq", "MessageTracker"), ("zmq.eventloop.zmqstream", "ZMQStream")}


class _Lazy(ModuleType):
    """A module whose code has not run. Submodules of a package are imported as ever."""

    def __getattr__(self, name: str) -> Any:
        asked = self.__name__, name
        if asked in _ELSEWHERE:
            return getattr(import_module(_ELSEWHERE[asked]), name)
        if _Finder.active and asked in _CALLED:
            return _later(*asked)
        if _Finder.active and asked in _CLASSES:
            return standins.class_of(self, name)
        if name == "__path__":  # Every import asks whether a module is a package.
            raise AttributeError(name)
        _run(self)
        return ModuleType.__getattribute__(self, name)

    def __dir__(self) -> list[str]:
        _run(self)
        return list(ModuleType.__dir__(self))

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        _run(self)
        return _names(self)


# How any module gets at its names.
_names: Callable[[ModuleType], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__


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
            module.__class__ = ModuleType  # type: ignore[assignment]
            standins.give_way(module)
        finally:
            spec._initializing = False


def _later(module: str, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    return call


class _Finder:
    """Finds what is lazy, and leaves it at that."""

    active = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # A Python without TLS has the module, but it cannot run.
        if fullname not in _LAZY or (fullname == "ssl" and not _has_tls()):
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


def _has_tls() -> bool:
    return "_ssl" in sys.builtin_module_names or PathFinder.find_spec("_ssl") is not None


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
