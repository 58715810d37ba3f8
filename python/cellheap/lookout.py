"""What is shown without being asked for: the last words of the kernel before this one, charts while cells
run, a warning when memory is short. Owns when; what they look like is `lastwords`'s and Rust's."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

from IPython.display import display

from cellheap import _core
from cellheap.blackbox import black_box
from cellheap.later import Later

if TYPE_CHECKING:
    from cellheap import lastwords
else:
    lastwords = Later("cellheap.lastwords")

#: How long a thread waits for something to show before it looks whether it is wanted still.
_PATIENCE = 60.0


class Lookout:
    """One shell's."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        # By our id, what output of the running cells belongs to.
        self._parents: dict[int, Any] = {}
        # Displays that are shown, of running cells.
        self._shown: set[str] = set()
        # A picture comes before the end of its cell or not at all.
        self._order = threading.Lock()
        self._hook: _Clearing | None = None

    def attach(self) -> None:
        """Our own kernel has begun already, over its wire. In another, pictures wait for Python's lock."""
        self._shell.events.register("pre_run_cell", self._tell_last)
        if not self._has_wire():
            black_box.begin(_connection_file(self._shell))
            _core.lookout_by_waiting()
            _start_showing(self)
        result = self._shell.displayhook.exec_result
        if result is not None:
            self._tell_last(result.info)

    def detach(self) -> None:
        """What runs on its own goes on; nothing more is shown."""
        self._shell.events.unregister("pre_run_cell", self._tell_last)
        self._unhook()
        if self in _showing:
            _showing.remove(self)

    def begin(self, cell: int, label: str, file: str, charted: bool) -> None:
        """A cell begins, by our id. Its chart is drawn while it runs if it is `charted`."""
        if charted:
            self._hook_clearing(cell)
        self._parents[cell] = getattr(self._shell, "parent_header", None)
        _core.lookout_begin(cell, label, file, charted)

    def end(self, cell: int) -> str | None:
        """The cell has ended. The id of the display that its chart is, if one was drawn."""
        drawn = _core.lookout_end(cell)
        with self._order:
            self._parents.pop(cell, None)
            if not self._has_wire() and drawn not in self._shown:
                drawn = None
            self._shown.clear()
        return None if self._unhook() else drawn

    def _has_wire(self) -> bool:
        return hasattr(getattr(self._shell, "kernel", None), "wire")

    def _tell_last(self, info: Any) -> None:
        """IPython's `pre_run_cell`: says once what the kernel before this one was doing when it died."""
        if not info.store_history or not _core.last_words_untold():
            return
        with _core.own():
            last = _core.last_words()
            if last is not None:
                display(lastwords.Last.from_json(last))
            _core.last_words_told()

    def _hook_clearing(self, cell: int) -> None:
        """A cell that clears its output draws for itself: our chart would be cleared too, and come again."""
        self._unhook()
        register = getattr(self._shell.display_pub, "register_hook", None)
        if register is None:
            return
        self._hook = _Clearing(cell)
        register(self._hook)

    def _unhook(self) -> bool:
        """Whether the cell cleared its output."""
        hook, self._hook = self._hook, None
        if hook is None:
            return False
        self._shell.display_pub.unregister_hook(hook)
        return hook.cleared

    def show(self, sight: dict[str, Any]) -> None:
        """Shows what the lookout found, among the outputs of its cell."""
        kernel: Any = getattr(self._shell, "kernel", None)
        if not hasattr(kernel, "iopub_socket"):
            if sight["kind"] == "warning":
                print(f"\n{sight['text']}", file=sys.stderr, flush=True)
            return
        with self._order:
            if (parent := self._parents.get(sight["cell"])) is not None:
                self._send(kernel, sight, parent)

    def _send(self, kernel: Any, sight: dict[str, Any], parent: Any) -> None:
        display = sight["display"]
        content = {
            "data": {"text/html": sight["html"], "text/plain": sight["text"]},
            "metadata": {},
            "transient": {"display_id": display} if display else {},
        }
        kind = "update_display_data" if display in self._shown else "display_data"
        if display:
            self._shown.add(display)
        topic = kernel._topic(kind)
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, ident=topic)


class _Clearing:
    """A hook of the display publisher: notes that a cell, by our id, clears its output."""

    def __init__(self, cell: int) -> None:
        self.cleared = False
        self._cell = cell

    def __call__(self, message: Any) -> Any:
        if message["header"]["msg_type"] == "clear_output":
            _core.lookout_uncharted(self._cell)
            self.cleared = True
        return message


#: The shell that pictures are shown in, where a thread of Python's shows them.
_showing: list[Lookout] = []


def _start_showing(lookout: Lookout) -> None:
    """One thread for all shells that this process will have."""
    _showing[:] = [lookout]
    if any(thread.name == "cellheap-sights" for thread in threading.enumerate()):
        return
    threading.Thread(target=_show_all, name="cellheap-sights", daemon=True).start()


def _show_all() -> None:
    with _core.own():
        while True:
            sight = _core.next_sight(_PATIENCE)
            if sight is not None and _showing:
                # A front end that is gone is no reason to end.
                with contextlib.suppress(Exception):
                    _showing[0].show(json.loads(sight))


def _connection_file(shell: Any) -> str | None:
    """The connection file of the kernel that this is, if it is one."""
    if not hasattr(shell, "kernel"):
        return None
    try:
        from ipykernel.connect import get_connection_file

        return str(get_connection_file())
    except (ImportError, RuntimeError):
        return None
