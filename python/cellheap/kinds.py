"""What is asked of a value without running a line of its own code: a type may say what is equal to it."""

from __future__ import annotations


def is_of(value: object, *kinds: type) -> bool:
    """Whether its type is one of these, and none derived from them."""
    return any(type(value) is kind for kind in kinds)


def library_of(value: object) -> str:
    """The package that its type says it is from; none where it says nothing of that."""
    module = vars(type)["__module__"].__get__(type(value))
    return module.partition(".")[0] if type(module) is str else ""
