"""The words of `%memtrace` that take names or expressions of the user's: `vars`, `why`, `watch`, `compare`.

Parses and calls; what is said is said elsewhere. What follows such a word is taken as it is typed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from IPython.core.error import UsageError

from cellheap import api, graph, hidden
from cellheap.comparing import CompareError, compare
from cellheap.held import texts
from cellheap.results import Result
from cellheap.watching import Watcher


class Questions:
    """Answers of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.watcher = Watcher(_holders, _counts)

    def answer(self, word: str, rest: str) -> Result | None:
        """The result that a line asks for; None where a line of text was the answer."""
        try:
            answer: Result | None = getattr(self, f"_{word}")(rest)
        except (RuntimeError, MemoryError) as error:
            said = str(error)
        else:
            return answer
        # Raised out here, so that the last exception holds no frame of what looked at the user's objects.
        raise UsageError(f"%memtrace {word}: {said}")

    def offers(self, word: str) -> Iterable[str]:
        """For Tab: what can follow one of these words."""
        return self.watcher.names if word == "unwatch" else hidden.variables(self._shell)

    def why(self, rest: str) -> Result:
        """Who holds a variable's object, or what an expression gives. UsageError for what is neither."""
        if rest in self._shell.user_ns:
            return api.holders_of(rest)
        if not rest:
            raise UsageError("%memtrace why needs a variable or an expression, as in `%memtrace why df`")
        try:
            code = compile(rest, "<why>", "eval")
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"%memtrace why: {rest} is no expression: {_reason(error)}") from None
        try:
            return api.holders(eval(code, self._shell.user_ns), name=rest)
        except Exception as error:
            raise UsageError(f"%memtrace why: {rest}: {_reason(error)}") from None

    _why = why

    def _vars(self, rest: str) -> Result:
        names = _names(rest)
        unknown = [name for name in names if name not in self._shell.user_ns]
        if names and len(unknown) == len(names):
            raise UsageError(f"%memtrace vars: {_no_variables(unknown)}")
        return api.variables(*names)

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


def _holders(value: object) -> Sequence[str]:
    return texts(graph.holders(value, 3).chains)


def _counts() -> dict[str, int]:
    """How many objects of each type live."""
    counts: Counter[str] = Counter()
    for rows in graph.survivors(most=1 << 20).cells.values():
        for row in rows:
            counts[row.type] += row.objects
    return counts


def _reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, KeyError):
        return f"there is no key {error.args[0]!r}" if error.args else "there is no such key"
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    kind = "" if isinstance(error, SyntaxError | NameError | AttributeError) else f"{type(error).__name__}: "
    return (kind + words).splitlines()[0] if words else type(error).__name__


def _names(rest: str) -> list[str]:
    return list(dict.fromkeys(rest.replace(",", " ").split()))


def _no_variables(names: list[str]) -> str:
    what = "variable" if len(names) == 1 else "variables"
    return f"there is no {what} {', '.join(names)}"
