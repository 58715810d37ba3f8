"""`%load_ext cellheap`: brings recorder, magics and completion to a shell, and takes them away again."""

from __future__ import annotations

import argparse
import gc
import os
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import display

from cellheap import _core, limiting
from cellheap.arguments import completer, parse
from cellheap.cellmagic import CellMagic
from cellheap.config import WITH_PNG, CellHeap
from cellheap.later import Later
from cellheap.lookout import Lookout
from cellheap.magics import CellHeapMagics
from cellheap.recorder import Recorder
from cellheap.translator import Translator

if TYPE_CHECKING:
    from cellheap import api, summary
else:
    api, summary = Later("cellheap.api"), Later("cellheap.summary")

#: The extension of the shell that it is attached to, if one is.
_attached: list[Extension] = []


def load_ipython_extension(shell: Any) -> None:
    """Attaches cellheap to a shell and begins to record. Harmless where that is done already."""
    if any(extension.shell is shell for extension in _attached):
        return
    while _attached:
        _attached.pop().detach()
    _attached.append(Extension(shell))
    _attached[0].attach()


def unload_ipython_extension(shell: Any) -> None:
    """Takes the magics away and stops to record."""
    if any(extension.shell is shell for extension in _attached):
        _attached.pop().detach()
        _core.trace_stop()


class Extension:
    """What cellheap adds to one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._settings = CellHeap(parent=shell)
        self._cell_magic = CellMagic(shell, lambda line: parse(CellHeapMagics.memtrace_cell, line))
        self._lookout = Lookout(shell)
        self._recorder = Recorder(
            shell, self._settings, self._cell_magic.wanted, self._begun_cell, self._after_cell
        )
        self._magics = CellHeapMagics(shell, self._recorder, self._settings)
        self._completer = completer(self._magics.offers())
        self._translator = Translator(shell)

    def attach(self) -> None:
        """Adds everything. Where allocations cannot be recorded one line says why, and the rest works."""
        if os.environ.get("CELLHEAP_TRACE") != "off":
            try:
                _core.trace_start()
            except RuntimeError as error:
                print(f"cellheap cannot record allocations: {error}")
        self.shell.configurables.append(self._settings)
        self.shell.register_magics(self._magics)
        self.shell.input_transformer_manager.line_transforms.insert(0, self._cell_magic.transform)
        self.shell.Completer.custom_matchers.append(self._completer)
        self._lookout.attach()
        self._recorder.attach()
        self._translator.attach()
        self._settings.observe(self._limit_changed, "limit")
        self._settings.observe(self._png_changed, "png")
        self._png_changed()
        try:
            limiting.apply(self._settings.limit)
        except limiting.LimitError as error:
            print(f"cellheap sets no limit: {error}")
            self._settings.limit = "off"

    def detach(self) -> None:
        """Takes everything away again."""
        self._settings.unobserve(self._limit_changed, "limit")
        self._settings.unobserve(self._png_changed, "png")
        WITH_PNG.clear()
        limiting.apply("off")
        self._translator.detach()
        self._recorder.detach()
        self._lookout.detach()
        self.shell.Completer.custom_matchers.remove(self._completer)
        self.shell.input_transformer_manager.line_transforms.remove(self._cell_magic.transform)
        for part in (self._settings, self._magics):
            self.shell.configurables.remove(part)
        manager = self.shell.magics_manager
        manager.registry.pop(type(self._magics).__name__, None)
        for kind, names in self._magics.magics.items():
            for name in names:
                manager.magics[kind].pop(name, None)

    def _png_changed(self, _change: Any = None) -> None:
        WITH_PNG[:] = [True] if self._settings.png else []

    def _limit_changed(self, change: Any) -> None:
        """However the setting changed. One that cannot be is taken back."""
        with _core.own():
            try:
                limiting.apply(change.new)
            except limiting.LimitError as error:
                self._settings.unobserve(self._limit_changed, "limit")
                self._settings.limit = change.old
                self._settings.observe(self._limit_changed, "limit")
                raise UsageError(f"CellHeap.limit: {error}") from None

    def _begun_cell(self, cell: int, label: str, file: str, wanted: argparse.Namespace | None) -> None:
        """Watches the cell; its chart is drawn while it runs if one will be shown."""
        with _core.own():
            charted = self._settings.summary if wanted is None else not wanted.no_chart
            self._lookout.begin(cell, label, file, charted)

    def _after_cell(self, cell: int, wanted: argparse.Namespace | None) -> None:
        """Tells which watched objects died, and shows what the cell asked for, or the summary if that is on,
        in the place of the chart drawn while it ran."""
        drawn = self._lookout.end(cell)
        with _core.own():
            if self._settings.collect:
                gc.collect()
            for death in self._magics.deaths():
                print(death)
        if wanted is None and not self._settings.summary and drawn is None:
            return
        with _core.own(), _core.spare():
            brief = wanted is None or not wanted.name
            report = api.report(cell, types=wanted is not None, brief=brief)
            place = {} if drawn is None else {"display_id": drawn, "update": True}
            if wanted is None:
                display(summary.Summary(report), **place)
                return
            if wanted.name:
                self.shell.user_ns[wanted.name] = report
            lines = {"top": wanted.top} if wanted.top else {}
            display(report.bundle(**lines, chart=not wanted.no_chart).mimebundle(), raw=True, **place)
