"""Makes the interpreter of this process look like a build that cellheap does not know. Nothing else changes."""

import ctypes
import mmap
import sys

# In `_Py_DebugOffsets`, which begins `_PyRuntime` from 3.13 on: cookie, version, whether it is free-threaded.
FREE_THREADED = 16
LIBC = ctypes.CDLL(None)


def _write(address: int, value: int) -> None:
    page = address & -mmap.PAGESIZE
    if LIBC.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE * 2, mmap.PROT_READ | mmap.PROT_WRITE):
        raise OSError("mprotect")
    ctypes.c_uint64.from_address(address).value = value


def _address(name: str) -> int:
    return ctypes.addressof(ctypes.c_uint64.in_dll(ctypes.pythonapi, name))


def version(minor: int) -> None:
    """A CPython of another minor version, which says nothing of its offsets."""
    _write(_address("Py_Version"), 3 << 24 | minor << 16 | 0xF0)


def offsets() -> None:
    """The next minor version, with the frames of this one."""
    version(max(sys.version_info.minor + 1, 13))


def free_threaded() -> None:
    _write(_address("_PyRuntime") + FREE_THREADED, 1)


def moved() -> None:
    """A patch release that moved a field."""
    current_frame = {13: 184, 14: 208}[sys.version_info.minor]
    _write(_address("_PyRuntime") + current_frame, 80)
