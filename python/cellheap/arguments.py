"""Arguments of the magics: parsing with one clear line for a mistake, and what Tab offers. Runs nothing."""

from __future__ import annotations

import argparse
import keyword
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

help_argument = argument("-h", "--help", action="store_true", help="Show this text.")


def parse(magic: Any, line: str) -> argparse.Namespace:
    """The arguments on a magic's line. A mistake raises UsageError, which says what is right."""
    try:
        return _parsed(magic.parser, arg_split(line, posix=True))
    except (UsageError, ValueError) as error:
        raise mistake(magic, str(error)) from None


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    # Where there is no usage argparse writes one first, by a formatter that is a reference cycle: garbage.
    parser.usage = ""
    try:
        return parser.parse_intermixed_args(words)
    finally:
        parser.usage = None


def print_help(magic: Any) -> None:
    """Prints what a magic does."""
    print(magic.__doc__.replace("::", "", 1).strip())


def mistake(magic: Any, what: str) -> UsageError:
    """The error for `what` on a magic's line."""
    usage = " ".join(magic.parser.format_usage().replace("::", "", 1).split())
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
    names = (action.option_strings for action in magic.parser._actions)
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
