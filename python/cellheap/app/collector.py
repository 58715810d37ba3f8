"""Python's collector while the kernel imports what it is made of. Owns when it is off."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting() -> Iterator[None]:
    """Some hundred modules come, and stay: looking through them for garbage, again and again, is a seventh of
    a start. After it the collector is as it was, and what came is old. Nothing of the user's may run inside:
    it could set the collector, and would be overruled.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # Moves all objects to the oldest generation without a look at them.
            gc.freeze()
            gc.unfreeze()
        gc.enable()
