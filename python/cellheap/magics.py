"""`%memtrace`, `%%memtrace` and `%gcclear`: parse, call, show. The work is in `api`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument

from cellheap import _core, limiting
from cellheap.arguments import (
    files,
    help_argument,
    mistake,
    natural,
    parse,
    print_help,
    takes_arguments,
    variable,
)
from cellheap.blackbox import black_box
from cellheap.config import CellHeap
from cellheap.later import Later
from cellheap.recorder import Recorder
from cellheap.shown import give, is_used
from cellheap.units import bytes_text
from cellheap.words import GENERATION, LIMITS, QUESTIONS, RESULTS, WORDS, asked

if TYPE_CHECKING:
    import difflib

    from cellheap import api, choosing, questions
    from cellheap.flames import Measure
    from cellheap.results import Result
else:
    api, choosing, questions = Later("cellheap.api"), Later("cellheap.choosing"), Later("cellheap.questions")
    difflib = Later("difflib")

#: A cell as a person types it, or as outputs name it.
_CELL = re.compile(r"(?P<number>[0-9]+)|In\[(?P<label>[0-9]+)\]")
#: Said where even what is kept for an answer is not enough.
NO_MEMORY = "there is not enough memory left to answer: `del` what you can do without, and ask again"
#: Said where there is no tracer at all.
NEVER_BEGAN = "Nothing was recorded in this process so far: `%memtrace start` begins to record"


@contextmanager
def answering(magic: str) -> Iterator[None]:
    """Whoever asks where the memory went is told even where none is left: some is kept for that."""
    with _core.own(), _core.spare():
        try:
            yield
        except MemoryError:
            raise UsageError(f"{magic}: {NO_MEMORY}") from None


def cell_number(text: str) -> str | None:
    """The execution count that stands in `5` or `In[5]`."""
    found = _CELL.fullmatch(text)
    return (found["number"] or found["label"]) if found else None


@magics_class
class CellHeapMagics(Magics):
    """The magics of one shell."""

    def __init__(self, shell: Any, recorder: Recorder, settings: CellHeap) -> None:
        super().__init__(shell)
        self._recorder = recorder
        self._settings = settings

    @cached_property
    def questions(self) -> questions.Questions:
        """Made when the first is asked."""
        return questions.Questions(self.shell)

    def deaths(self) -> list[str]:
        """A line for each watched object that died and was not told of yet."""
        return self.questions.watcher.deaths() if "questions" in vars(self) else []

    @line_magic
    @takes_arguments()
    @argument("words", nargs="*", metavar=" | ".join(["N", *WORDS]), help="See above.")
    @argument("--live", action="store_true", help="Of flame: what is live now.")
    @argument("--allocated", action="store_true", help="Of flame: all that was allocated.")
    @argument("--map", action="store_true", help="Of live: a map of pymalloc's arenas, how full they are.")
    @argument("--force", action="store_true", help="Of export: replace a file that is there.")
    @help_argument
    def memtrace(self, line: str) -> Result | None:
        """Show the memory of this notebook's cells, in exact bytes.

        %memtrace               each cell so far: allocated, freed, net, peak, live
        %memtrace report        how much to ask for, who holds the most, what grows when run again
        %memtrace 5             cell 5 in full, line by line
        %memtrace 3 7           what changed in live memory from the end of cell 3 to the end of 7
        %memtrace live          what is alive now, by cell, line and allocator
        %memtrace live --map    how full pymalloc's arenas are, drawn, and who pins nearly empty ones
        %memtrace vars [NAME]   the variables by what del of each gives back, and what is shared
        %memtrace why NAME      who keeps it alive, drawn; also of an expression: why cache['a']
        %memtrace watch NAME    follow an object: the cell in which it dies is told; without a
                                name all that is watched; unwatch [NAME] ends that
        %memtrace compare A ; B build what these expressions make and compare what it costs
        %memtrace flame 5       a flame graph of cell 5 at its peak; --live, --allocated
        %memtrace flame         a flame graph of what is live in the whole notebook
        %memtrace last          what the kernel before this one was doing when it died
        %memtrace export FILE   write the notebook's report; its suffix says the format:
                                .json .csv .html .svg .png .folded; --force replaces
        %memtrace export 5 FILE           write cell 5; so with `report`, `live`, `flame 5`
        %memtrace limit 2G      stop a cell that takes live memory past 2 GiB, with a CellMemoryLimit;
                                80% is of what the container or the machine has; off lifts it,
                                and %memtrace limit alone says what is set
        %memtrace on            show a one-line summary after every cell; off ends that
        %memtrace stop          record nothing more; start begins again
        %memtrace reset         forget the cells recorded so far

        `r = %memtrace 5` returns the numbers instead of showing them. `%%memtrace` on the first line of a
        cell shows the report of that cell when it has run.
        """
        with answering("%memtrace"):
            question = asked(line)
            if question and question[1] not in ("-h", "--help"):
                answer = self.questions.answer(*question)
                return None if answer is None else give(answer)
            arguments = parse(self.memtrace, line)
            if arguments.help:
                print_help(self.memtrace)
                return None
            return self._memtrace(arguments)

    def _memtrace(self, asked: argparse.Namespace) -> Result | None:
        what, *rest = asked.words or [""]
        self._check_options(what, rest, asked)
        if what == "export":
            self._export(rest, asked)
            return None
        if what == "limit":
            self._limit(rest)
            return None
        if what == "flame" or what in RESULTS or cell_number(what):
            return give(self._result(asked.words, asked, brief=not is_used()))
        if what not in WORDS:
            near = difflib.get_close_matches(what, WORDS, 1)
            meant = f"; {near[0]!r} is" if near else ""
            raise mistake(self.memtrace, f"{what!r} is no subcommand of %memtrace{meant}")
        if rest:
            raise mistake(self.memtrace, f"%memtrace {what} takes nothing after it, not {' '.join(rest)!r}")
        result: Result | None = getattr(self, f"_{what}")()
        return result

    def _check_options(self, what: str, rest: list[str], asked: argparse.Namespace) -> None:
        """An option that would do nothing is a mistake."""
        if asked.force and what != "export":
            raise mistake(self.memtrace, "--force belongs to %memtrace export")
        if (asked.live or asked.allocated) and "flame" not in (what, *rest[:1]):
            raise mistake(self.memtrace, "--live and --allocated belong to %memtrace flame")
        if asked.map and "live" not in (what, *rest[:1]):
            raise mistake(self.memtrace, "--map belongs to %memtrace live")
        if asked.live and asked.allocated:
            raise mistake(self.memtrace, "a flame graph is of --live or of --allocated, not of both")

    def _result(self, words: list[str], asked: argparse.Namespace, *, brief: bool = False) -> Result:
        """What `5`, `live`, `flame 5` or nothing stand for; `brief`: to be shown, and thrown away."""
        what, *rest = words or [""]
        number = cell_number(rest[0] if rest else what)
        other = cell_number(what) if rest else None
        if len(rest) > (what == "flame" or other is not None) or (rest and not number):
            raise mistake(self.memtrace, f"%memtrace {what} does not know {' '.join(rest)!r}")
        measure: Measure | None = "live" if asked.live else "allocated" if asked.allocated else None
        try:
            if what == "flame":
                return api.flame(int(number) if number else None, measure)
            if number and other:
                return api.diff(int(other), int(number))
            if number:
                return api.report_of(int(number), brief=brief)
            live = api.heap_map if asked.map else partial(api.live_of, brief=brief)
            return {"live": live, "report": api.notebook_report}.get(what, api.overview)()
        except (api.NoSuchCellError, ValueError) as error:
            raise UsageError(f"%memtrace {' '.join(words)}: {error}") from None
        except RuntimeError:
            raise UsageError(_core.trace_note() or NEVER_BEGAN) from None

    def _export(self, rest: list[str], asked: argparse.Namespace) -> None:
        if not rest:
            raise mistake(self.memtrace, "%memtrace export needs a file to write to")
        *what, file = rest
        if what and not (what[0] in ("flame", *RESULTS) or cell_number(what[0])):
            raise mistake(self.memtrace, f"%memtrace export knows N, report, live and flame, not {what[0]!r}")
        result = self._result(what, asked)
        try:
            path = api.export(file, result, force=asked.force)
        except (api.ExportError, OSError) as error:
            raise UsageError(f"%memtrace export: {error}") from None
        print(f"Written to {path} ({bytes_text(path.stat().st_size)}).")

    def _limit(self, rest: list[str]) -> None:
        text = "".join(rest)
        if text:
            try:
                limiting.apply(text)  # Also the same again: what a percentage is of may have changed.
            except limiting.LimitError as error:
                raise UsageError(f"%memtrace limit: {error}") from None
            self._settings.limit = text
        print(limiting.tell(self._settings.limit))

    def _last(self) -> Result | None:
        last = api.last()
        if last is None:
            note = f" {black_box.note}" if black_box.note else ""
            print(f"The kernel before this one ended well, or there was none: nothing to tell.{note}")
            return None
        return give(last)

    def _on(self) -> None:
        self._settings.summary = True
        print("A summary is shown after every cell from now on; `%memtrace off` ends that.")

    def _off(self) -> None:
        self._settings.summary = False
        print("No summary is shown after cells any more.")

    def _stop(self) -> None:
        was_on = _core.tracing()
        _core.trace_stop()
        stopped = "Recording has stopped" if was_on else "Nothing is being recorded"
        print(f"{stopped}; `%memtrace start` begins anew, and counts only blocks that are made after it.")

    def _start(self) -> None:
        if _core.tracing():
            print("Allocations are being recorded already.")
            return
        try:
            _core.trace_start()
        except RuntimeError as error:
            raise UsageError(f"Allocations cannot be recorded: {error}") from None
        self._recorder.catch_up()
        print("Allocations are recorded from here on; what is older counts as before tracing.")

    def _reset(self) -> None:
        _core.reset()
        self._recorder.sources.forget()
        print("The cells recorded so far are forgotten; what is live stays counted, as of before cells.")

    @cell_magic("memtrace")
    @takes_arguments("%memtrace")
    @argument("--top", type=natural, metavar="N", help="Show only the N biggest lines.")
    @argument("--no-chart", action="store_true", help="Show no chart.")
    @argument("-o", dest="name", type=variable, metavar="NAME", help="Keep the report as this variable.")
    @help_argument
    def memtrace_cell(self, line: str, cell: str) -> None:
        """Run this cell as it is, and then show its memory line by line."""
        if parse(self.memtrace_cell, line).help:
            print_help(self.memtrace_cell)
        else:
            raise UsageError("%%memtrace goes on the first line of a cell, or under other cell magics")

    @line_magic
    @takes_arguments()
    @argument("names", nargs="*", metavar="NAME", help="Delete these variables first.")
    @argument("--out", action="store_true", help="Empty IPython's output history: Out, _, __, ___, _5.")
    @argument("--traceback", action="store_true", help="Let go of the last exception and its frames.")
    @argument(
        "--caches",
        action="store_true",
        help="Empty the caches of re, linecache, %%run and NAMEd functions.",
    )
    @argument("--figures", action="store_true", help="Close pyplot's figures.")
    @argument("--all", action="store_true", help="All of these; variables never.")
    @argument("--dry-run", action="store_true", help="Say what would be freed, and change nothing.")
    @argument("--why", metavar="NAME", help="Say who keeps NAME alive, as %%memtrace why does.")
    @argument("--cycles", nargs="?", type=natural, const=10, metavar="N", help="Draw the N largest cycles.")
    @argument("--generation", type=int, choices=(0, 1, 2), default=2, metavar="N", help=GENERATION)
    @argument("--no-trim", action="store_true", help="Do not hand free memory back to the system.")
    @argument("--force", action="store_true", help="Let a bare * delete every variable.")
    @help_argument
    def gcclear(self, line: str) -> Result | None:
        """Collect garbage, and say what that freed and what IPython still keeps hidden.

        %gcclear                a full collection
        %gcclear df data*       delete these variables first, and say who still holds their values
        %gcclear --out          empty Out and _ too
        %gcclear --traceback    let go of the last exception too: %debug and %tb have nothing to show then
        %gcclear --caches f     empty the caches of re, linecache, %run, and of f if it has an lru_cache
        %gcclear --figures      close pyplot's figures; --all is all of these
        %gcclear --dry-run df   say what would be freed, and who would still hold it; change nothing
        %gcclear --why df       who keeps df alive
        %gcclear --cycles 3     draw the 3 largest reference cycles that were found
        %gcclear auto on        collect after every cell, silently; off ends that

        A name with * stands for what %who lists, less modules and functions.
        """
        with answering("%gcclear"):
            arguments = parse(self.gcclear, line)
            if arguments.help:
                print_help(self.gcclear)
                return None
            return self._gcclear(arguments)

    def _gcclear(self, arguments: argparse.Namespace) -> Result | None:
        if arguments.names[:1] == ["auto"]:
            if arguments.names[1:] in (["on"], ["off"]):
                self._auto(arguments.names[1] == "on")
                return None
            if self.shell is None or "auto" not in self.shell.user_ns:
                raise UsageError("%gcclear auto takes on or off")
        if arguments.why:
            return give(self.questions.why(arguments.why))
        return give(self._foreseen(arguments) if arguments.dry_run else self._cleared(arguments))

    def _auto(self, on: bool) -> None:
        self._settings.collect = on
        print(
            "Garbage is collected after every cell from now on; `%gcclear auto off` ends that."
            if on
            else "Garbage is not collected after cells any more."
        )

    def _foreseen(self, arguments: argparse.Namespace) -> Result:
        try:
            return api.foresee(*arguments.names, **_wishes(arguments), force=arguments.force)
        except (api.RefusedError, RuntimeError, MemoryError) as error:
            raise UsageError(f"%gcclear: {error}") from None

    def _cleared(self, arguments: argparse.Namespace) -> Result:
        try:
            return api.clear(
                *arguments.names,
                **_wishes(arguments),
                cycles=arguments.cycles or 1,
                generation=arguments.generation,
                trim=not arguments.no_trim,
                force=arguments.force,
                announce=print,
            )
        except api.RefusedError as error:
            raise UsageError(f"%gcclear: {error}") from None

    def offers(self) -> dict[str, tuple[Any, Any]]:
        """For Tab: each magic with what can follow it besides options."""
        return {
            "%memtrace": (self.memtrace, partial(_after_memtrace, self)),
            "%%memtrace": (self.memtrace_cell, lambda before, word: ()),
            "%gcclear": (self.gcclear, lambda before, word: choosing.clearable(self.shell)),
        }


def _wishes(arguments: argparse.Namespace) -> dict[str, bool]:
    """What is to be cleared besides variables."""
    return {
        name: getattr(arguments, name) or arguments.all for name in ("out", "traceback", "caches", "figures")
    }


def _after_memtrace(magics: CellHeapMagics, before: list[str], word: str) -> Iterable[str]:
    """What can follow these words of a line."""
    words = [one for one in before if not one.startswith("-")]
    match words:
        case []:
            return WORDS
        case [first, *_] if first in QUESTIONS:
            return magics.questions.offers(first)
        case ["limit"]:
            return LIMITS
        case ["export"]:
            return ["report", "live", "flame", *files(word)]
        case ["export", "flame"] | ["export", *_] if len(words) < 4:
            return files(word)
    return ()
