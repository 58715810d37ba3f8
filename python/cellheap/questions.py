"""The words of `%memtrace` that take names or expressions of the user's: `watch`, `unwatch`, `compare`.

Parses and calls; what is said is said elsewhere. What follows such a word is taken as it is typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from IPython.core.error import UsageError

from cellheap import holders
from cellheap.comparing import CompareError, compare
from cellheap.results import Result
from cellheap.watching import Watcher

WORDS = ("watch", "unwatch", "compare")


def asked(line: str) -> tuple[str, str] | None:
    """The word and what follows it, if a line of `%memtrace` begins with one of these."""
    word, _, rest = line.strip().partition(" ")
    return (word, rest.strip()) if word in WORDS else None


class Questions:
    """Answers of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.watcher = Watcher(lambda value: holders.named(shell, value), dict)

    def answer(self, word: str, rest: str) -> Result | None:
        """The result that a line asks for; None where a line of text was the answer."""
        answer: Result | None = getattr(self, f"_{word}")(rest)
        return answer

    def offers(self, word: str) -> Iterable[str]:
        """For Tab: what can follow one of these words."""
        return self.watcher.names if word == "unwatch" else holders.variables(self._shell)

    def _compare(self, rest: str) -> Result:
        try:
            return compare(rest, self._shell.user_ns)
        except CompareError as error:
            raise UsageError(f"%memtrace compare: {error}") from None

    def _watch(self, rest: str) -> Result | None:
        names = _names(rest)
        if not names:
            return self.watcher.look()
        unknown = [name for name in names if name not in self._shell.user_ns]
        if unknown:
            raise UsageError(f"%memtrace watch: {_no_variables(unknown)}")
        for name in names:
            print(self.watcher.add(name, self._shell.user_ns[name]))
        return None

    def _unwatch(self, rest: str) -> None:
        names = _names(rest)
        unknown = [name for name in names if name not in self.watcher.names]
        if unknown:
            watched = ", ".join(self.watcher.names) or "nothing"
            raise UsageError(f"%memtrace unwatch: {', '.join(unknown)} is not watched; watched is {watched}")
        self.watcher.remove(names)
        print(f"Watching {', '.join(self.watcher.names) or 'nothing'} now.")


def _names(rest: str) -> list[str]:
    return list(dict.fromkeys(rest.replace(",", " ").split()))


def _no_variables(names: list[str]) -> str:
    what = "variable" if len(names) == 1 else "variables"
    return f"there is no {what} {', '.join(names)}"
