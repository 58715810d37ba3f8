"""IPython's history, saved without holding up the next cell. What is remembered is IPython's."""

import sqlite3
import threading
from contextlib import suppress
from typing import Any

from IPython.core.history import HistoryManager as _HistoryManager

Rows = list[tuple[Any, ...]]

# How long what came first waits to be saved, seconds; and what could not be.
DELAY, AGAIN = 0.1, 1.0


class Soon(threading.Event):
    """What wakes the saving thread. Once woken it lets a moment pass: it would take Python's lock from the
    cell that has just begun, and most have ended by then. What comes in the meantime is saved with it.
    """

    def __init__(self, thread: Any) -> None:
        super().__init__()
        self._thread = thread
        self._ended = threading.Event()
        self.delay = DELAY

    def set(self) -> None:
        if self._thread._stop_now:
            self._ended.set()
        super().set()

    def wait(self, timeout: float | None = None) -> bool:
        came = super().wait(timeout)
        self._ended.wait(self.delay)
        self.delay = DELAY
        return came

    def again(self) -> None:
        """Wakes it once more, later."""
        self.delay = AGAIN
        self.set()


class HistoryManager(_HistoryManager):
    """IPython's saving thread keeps what it saves locked while the disk works, and the next cell waits for
    that lock to note its own input. Here the lock is held only to take what waits.
    """

    _writing: threading.Lock

    def writeout_cache(self, conn: sqlite3.Connection | None = None) -> None:
        """Write all that waits to the database, in the order in which it came."""
        if not self.enabled:
            return
        if conn is None:
            conn = self.db
        with self._writing:
            with self.db_input_cache_lock:
                inputs, self.db_input_cache = self.db_input_cache, []
            with self.db_output_cache_lock:
                outputs, self.db_output_cache = self.db_output_cache, []
            try:
                self._save_inputs(conn, inputs)
                inputs = []
                self._save_outputs(conn, outputs)
            except sqlite3.OperationalError:
                # The disk is full, or another process has held the database for long.
                with self.db_input_cache_lock:
                    self.db_input_cache = inputs + self.db_input_cache
                with self.db_output_cache_lock:
                    self.db_output_cache = outputs + self.db_output_cache
                flag = self.save_flag
                if conn is self.db or not isinstance(flag, Soon):
                    raise
                # The thread would end by it, and nothing be saved any more.
                flag.again()

    def _save_inputs(self, conn: sqlite3.Connection, inputs: Rows) -> None:
        """A session that another process has written to goes on under a new number, as in IPython."""
        table = "history VALUES (?, ?, ?, ?)"
        try:
            self._save(conn, table, inputs)
        except sqlite3.IntegrityError:
            self.new_session(conn)
            print(
                "ERROR! Session/line number was not unique in database. History logging moved to new session",
                self.session_number,
            )
            with suppress(sqlite3.IntegrityError):
                self._save(conn, table, inputs)

    def _save_outputs(self, conn: sqlite3.Connection, outputs: Rows) -> None:
        try:
            self._save(conn, "output_history VALUES (?, ?, ?)", outputs)
        except sqlite3.IntegrityError:
            print("!! Session/line number for output was not unique in database. Output will not be stored.")

    def _save(self, conn: sqlite3.Connection, table: str, rows: Rows) -> None:
        if not rows:
            return
        with conn:
            conn.executemany(f"INSERT INTO {table}", [(self.session_number, *row) for row in rows])

    def _restart_thread_if_stopped(self) -> None:
        """After a fork, before which IPython ends its thread."""
        super()._restart_thread_if_stopped()
        _wake_late(self.save_thread)


def _wake_late(thread: Any) -> None:
    """Have a saving thread let cells end first."""
    if thread is not None and not isinstance(thread.save_flag, Soon):
        first, thread.save_flag = thread.save_flag, Soon(thread)
        first.set()


def adopt(shell: Any) -> None:
    """Have this shell's history saved so. One of somebody else's class stays as it is, and one of IPython 8,
    whose thread has no flag of its own.
    """
    manager = shell.history_manager
    thread = getattr(manager, "save_thread", None)
    if type(manager) is _HistoryManager and (thread is None or hasattr(thread, "save_flag")):
        vars(manager)["_writing"] = threading.Lock()
        manager.__class__ = HistoryManager
        _wake_late(thread)
