"""Python's collector, where its own collections would come at the wrong moment. Owns when it is off."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def by_hand() -> Iterator[bool]:
    """No collection but by `gc.collect`; whether others would have come. Who sets the collector inside is
    overruled."""
    if not gc.isenabled():
        yield False
        return
    gc.disable()
    try:
        yield True
    finally:
        gc.enable()


@contextmanager
def resting() -> Iterator[None]:
    """Some hundred modules come, and stay: looking through them for garbage, again and again, is a seventh of
    a start. After it the collector is as it was, and what came is old. Nothing of the user's may run inside:
    it could set the collector, and would be overruled.
    """
    with by_hand() as rests:
        try:
            yield
        finally:
            if rests and not gc.get_freeze_count():
                # Moves all objects to the oldest generation without a look at them.
                gc.freeze()
                gc.unfreeze()
