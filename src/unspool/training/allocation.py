"""What becomes of memory between two steps."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = 32 << 20  # the most that glibc takes for the second
_KEPT = (1 << 31) - 1


def keep_freed() -> bool:
    """Have the process keep the memory that a step frees for the next one, where the C library is glibc.

    Else each step gives much of it back to the system, and asks for it again page by page: ten thousand pages in a step
    of an encoder–decoder of 4 million parameters. What stays is at most what the largest step took.

    Returns:
        Whether it does so from now on.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(set_option(_MMAP_THRESHOLD, _LARGEST)) and bool(set_option(_TRIM_THRESHOLD, _KEPT))
