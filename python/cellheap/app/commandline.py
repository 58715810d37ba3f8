"""The command line of a kernel, as front ends write it: `-f FILE`. Whatever else is there traitlets reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from traitlets import HasTraits
from traitlets.config.loader import Config


class OneFile:
    """Stands for traitlets' loader of arguments, and loads what that would. It would write fifty options into
    a parser first, and look each time how wide the terminal is.
    """

    def __init__(self, section: str, name: str, value: object) -> None:
        self._config = Config({section: {name: value}})
        self.extra_args: list[str] = []

    def load_config(self) -> Config:
        return self._config


def one_file(argv: Sequence[str] | None, aliases: Mapping[str, Any], of: type[HasTraits]) -> OneFile | None:
    """What to load `-f FILE` with for this class; None if these arguments are anything else."""
    if argv is None or len(argv) != 2 or argv[0] != "-f" or argv[1].startswith("-"):
        return None
    alias = aliases.get("f")
    section, _, name = (alias[0] if isinstance(alias, tuple) else alias or "").partition(".")
    trait = of.class_traits().get(name)
    if trait is None or section not in {base.__name__ for base in of.__mro__}:
        return None
    return OneFile(section, name, trait.from_string(argv[1]))
