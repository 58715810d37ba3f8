"""What stands for a class, a function or a constant of a module whose code has not run; and who may keep one.

A stand-in is asked rarely: annotations, traits and defaults name it. Whatever is done with it is done with
the thing itself, whose module runs then; and from there on those who kept the stand-in have the thing.
"""

import sys
from collections.abc import Callable, Iterator, MutableMapping
from types import FunctionType, ModuleType
from typing import Any

from cellheap.app import lazily

# Whose modules keep stand-ins: only what is imported while modules wait gets one.
_KEEPERS = ("IPython.", "cellheap.", "ipykernel.", "jupyter_client.", "logging.")


class _Class(type):
    """The type of stand-ins for classes."""

    _stands_for: tuple[ModuleType, str]

    def _itself(cls) -> Any:
        return _itself(*cls._stands_for)

    def _has_run(cls) -> bool:
        module, _ = cls._stands_for
        return type(module) is ModuleType

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or cls._has_run():
            return cls._itself()(*args, **kwargs)
        return _Object(cls)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._itself(), name)

    def __getitem__(cls, _: Any) -> Any:
        """An annotation."""
        return cls

    def __instancecheck__(cls, instance: Any) -> bool:
        """What has not run has no instances."""
        return cls._has_run() and isinstance(instance, cls._itself())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return subclass is cls or (cls._has_run() and issubclass(subclass, cls._itself()))


class _Object:
    """What a stand-in made while its module had not run."""

    def __init__(self, of: _Class) -> None:
        self._of = of

    def _itself(self) -> Any:
        made = vars(self).get("_made")
        if made is None:
            made = self._made = self._of._itself()()
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._itself(), name)


class _Number(int):
    """A constant: the number is known, its name and type are not yet."""

    _stands_for: tuple[ModuleType, str]

    def _itself(self) -> Any:
        return _itself(*self._stands_for)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._itself(), name)

    def __repr__(self) -> str:
        return repr(self._itself())


def _itself(module: ModuleType, name: str) -> Any:
    return vars(module)[name]  # To look at all names runs it.


_made: dict[tuple[ModuleType, str], Any] = {}


def of(module: ModuleType, name: str) -> Any:
    """What stands for this name of this module; the same each time."""
    asked = module.__name__, name
    if asked in lazily.VALUES:
        return lazily.VALUES[asked]
    if (module, name) not in _made:
        _made[module, name] = _make(module, name, asked)
    return _made[module, name]


def _make(module: ModuleType, name: str, asked: tuple[str, str]) -> Any:
    if asked in lazily.CLASSES:
        return _Class(name, (), {"__module__": module.__name__, "_stands_for": (module, name)})
    if asked in lazily.CONSTANTS:
        number = _Number(lazily.CONSTANTS[asked])
        number._stands_for = module, name
        return number
    return _function(module, name)


def _function(module: ModuleType, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return _itself(module, name)(*args, **kwargs)

    call.__name__, call.__module__ = name, module.__name__
    return call


def give_way(module: ModuleType) -> None:
    """The module has run: whoever kept a stand-in for something of it has the thing itself now."""
    things = {id(_made[key]): (_made.pop(key), key[1]) for key in list(_made) if key[0] is module}
    if not things:
        return

    def thing(kept: object) -> Any:
        if type(kept) is _Object:
            return kept._itself() if id(kept._of) in things else kept
        return vars(module)[things[id(kept)][1]] if id(kept) in things else kept

    for name, keeper in list(sys.modules.items()):
        if name.startswith(_KEEPERS) and type(keeper) is ModuleType:
            _replace(vars(keeper), thing)
            for table in [value for value in vars(keeper).values() if type(value) is dict]:
                _replace(table, thing)
            for function in _methods(keeper):
                defaults = function.__defaults__ or ()
                if any(type(default) is _Number for default in defaults):
                    function.__defaults__ = tuple(map(thing, defaults))


def _replace(table: MutableMapping[Any, Any], thing: Callable[[object], Any]) -> None:
    for key, kept in list(table.items()):
        itself = thing(kept)
        if itself is not kept:
            table[key] = itself


def _methods(keeper: ModuleType) -> Iterator[FunctionType]:
    """Of the classes that this module defines."""
    for kept in list(vars(keeper).values()):
        if isinstance(kept, type) and kept.__module__ == keeper.__name__:
            yield from (value for value in vars(kept).values() if type(value) is FunctionType)
