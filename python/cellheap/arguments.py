"""Arguments of the magics: parsing with one clear line for a mistake, and what Tab offers. Runs nothing."""

from __future__ import annotations

import argparse
import keyword
import os
import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicHelpFormatter, argument, kwds, magic_arguments
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

from cellheap import _core

F = TypeVar("F", bound=Callable[..., Any])

help_argument = argument("-h", "--help", action="store_true", help="Show this text.")


class _Formatter(MagicHelpFormatter):
    """argparse's leaves a reference cycle behind, which would be garbage of the cell that asks first."""

    class _Section(argparse.HelpFormatter._Section):
        def __init__(self, formatter: Any, parent: Any, heading: str | None = None) -> None:
            weak: Any = weakref.proxy(formatter)
            super().__init__(weak, parent, heading)

    def format_help(self) -> str:
        try:
            return super().format_help()
        finally:
            self._root_section.items.clear()


def takes_arguments(name: str | None = None) -> Callable[[F], F]:
    """For a magic with `argument`s. Its line is taken as it is typed; `name` is its name where that is not
    the function's."""

    def mark(magic: F) -> F:
        vars(magic).update(
            argcmd_name=name or magic.__name__,
            getdoc=lambda: text(magic),  # What IPython asks of an object before its docstring.
            # What IPython asks before it calls one. Without an answer that costs the cell an AttributeError.
            _ipython_magic_no_var_expand=True,
            _ipython_magic_output_can_be_silenced=False,
            needs_local_scope=False,
        )
        return kwds(formatter_class=_Formatter)(magic)  # type: ignore[no-any-return]

    return mark


def parser(magic: Any) -> argparse.ArgumentParser:
    """Of a magic's line. It takes longer to make than a short cell to run: made for whoever asks first."""
    function = getattr(magic, "__func__", magic)
    if "parser" not in vars(function):
        with _core.own():
            magic_arguments()(function)
            # Words that the text above it explains.
            function.__doc__ = re.sub(r"positional arguments:\n.*\n\s+See above\.\n+", "", function.__doc__)
    made: argparse.ArgumentParser = function.parser
    return made


def text(magic: Any) -> str:
    """What a magic does and takes."""
    parser(magic)
    return magic.__doc__.replace("::", "", 1).strip()  # type: ignore[no-any-return]


def parse(magic: Any, line: str) -> argparse.Namespace:
    """The arguments on a magic's line. A mistake raises UsageError, which says what is right."""
    try:
        return parser(magic).parse_intermixed_args(arg_split(line, posix=True))
    except (UsageError, ValueError) as error:
        raise mistake(magic, str(error)) from None


def print_help(magic: Any) -> None:
    """Prints what a magic does."""
    print(text(magic))


def mistake(magic: Any, what: str) -> UsageError:
    """The error for `what` on a magic's line."""
    usage = " ".join(parser(magic).format_usage().replace("::", "", 1).split())
    return UsageError(f"{what}. Right is: {usage}")


def natural(text: str) -> int:
    """A whole number above zero."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def variable(text: str) -> str:
    """The name of a variable."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be the name of a variable")
    return text


def options(magic: Any) -> list[str]:
    """The long options of a magic, and those that have no long form."""
    names = (action.option_strings for action in parser(magic)._actions)
    return sorted(strings[-1] for strings in names if strings)


def files(word: str) -> list[str]:
    """What a file's name that begins so may be; folders end in a slash."""
    folder = os.path.dirname(word)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
        names = [entry.name + ("/" if entry.is_dir() else "") for entry in entries]
    except OSError:
        return []
    hidden = os.path.basename(word).startswith(".")
    return [os.path.join(folder, name) for name in names if hidden or not name.startswith(".")]


_MAGIC_LINE = re.compile(r"(?:^|=)\s*(?P<magic>%{1,2}\w+)\s(?P<before>.*\s)?(?P<word>\S*)$")

#: What can follow the words before on a magic's line, given what is typed of the next.
Follow = Callable[[list[str], str], Iterable[str]]


def completer(offers: dict[str, tuple[Any, Follow]]) -> Any:
    """A matcher for IPython's completer. `offers` has for each magic (`%name`, `%%name`) its function and
    what can follow it besides options."""

    @context_matcher(identifier="cellheap.magics")  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        line = context.line_with_cursor[: context.cursor_position]
        found = _MAGIC_LINE.search(line)
        if found is None or found["magic"] not in offers:
            return {"completions": []}
        magic, follow = offers[found["magic"]]
        word, before = found["word"], (found["before"] or "").split()
        all_words = options(magic) if word.startswith("-") else follow(before, word)
        kind = "option" if word.startswith("-") else "argument"
        fitting = [SimpleCompletion(text=one, type=kind) for one in all_words if one.startswith(word)]
        return {"completions": fitting, "suppress": True, "matched_fragment": word, "ordered": True}

    return match
