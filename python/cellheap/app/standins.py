"""What stands for a class or a function of a module whose code has not run. Knows who may keep one.

A stand-in is asked rarely: annotations and traits name it. Whatever is done with it is done with the class
itself, whose module runs then; and from there on those who kept the stand-in have the class. So with
functions.
"""

import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

# Whose modules keep stand-ins: only what is imported while modules wait gets one.
_KEEPERS = ("IPython.", "cellheap.", "ipykernel.", "jupyter_client.", "logging.")


class _Class(type):
    """The type of stand-ins."""

    _stands_for: tuple[ModuleType, str]

    def _itself(cls) -> Any:
        module, name = cls._stands_for
        return vars(module)[name]  # To look at all names runs it.

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


def class_of(module: ModuleType, name: str) -> type:
    """A stand-in for a class of this module; the same each time."""
    known = _made.get((module, name))
    if known is None:
        known = _Class(name, (), {"__module__": module.__name__, "_stands_for": (module, name)})
        _made[module, name] = known
    return known


_made: dict[tuple[ModuleType, str], _Class] = {}


def function_of(module: ModuleType, name: str) -> Callable[..., Any]:
    """A stand-in for a function of this module, or for a class that is only called; the same each time."""
    for stand_in, (of, known) in _functions.items():
        if of is module and known == name:
            return stand_in

    def call(*args: Any, **kwargs: Any) -> Any:
        return vars(module)[name](*args, **kwargs)  # To look at all names runs it.

    call.__name__, call.__module__ = name, module.__name__
    _functions[call] = module, name
    return call


_functions: dict[Callable[..., Any], tuple[ModuleType, str]] = {}


def give_way(module: ModuleType) -> None:
    """The module has run: whoever kept a stand-in for something of it has the thing itself now."""
    classes = [_made.pop(key) for key in list(_made) if key[0] is module]
    functions = {key: _functions.pop(key)[1] for key in list(_functions) if _functions[key][0] is module}
    if not classes and not functions:
        return
    for name, keeper in list(sys.modules.items()):
        if name.startswith(_KEEPERS) and type(keeper) is ModuleType:
            for key, value in list(vars(keeper).items()):
                if _stand_in(value) in classes:
                    setattr(keeper, key, value._itself())
                elif type(value) is FunctionType and value in functions:
                    setattr(keeper, key, getattr(module, functions[value]))


def _stand_in(value: object) -> _Class | None:
    if type(value) is _Object:
        return value._of
    return value if type(value) is _Class else None
