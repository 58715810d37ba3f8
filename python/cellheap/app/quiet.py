"""The application's logger takes every record and leaves it to its handlers which are shown. ipykernel makes
one of each reply, and nobody reads it. Owns that a record which no handler would take is not made.
"""

import logging
from typing import Any


class _Logger(logging.Logger):
    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return super().isEnabledFor(level) and self._is_heard(level)

    def _is_heard(self, level: int) -> bool:
        logger: logging.Logger | None = self
        while logger is not None:
            if any(level >= handler.level for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        # Filters may have it do something, and `logging.lastResort` where there is no handler at all.
        return bool(self.filters) or not self.hasHandlers()


def adopt(log: Any) -> None:
    """Have this logger, or the one behind an adapter, make no record that is not heard."""
    logger = getattr(log, "logger", log)
    if type(logger) is logging.Logger:
        logger.__class__ = _Logger
