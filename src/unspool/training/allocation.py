"""What becomes of memory between two steps."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_KEPT = (1 << 31) - 1


def keep_freed() -> bool:
    """Have the process keep the memory that a step frees for the next one, where the C library is glibc.

    Else each step gives much of it back to the system, and asks for it again page by page. However large a tensor is,
    it lies beside the others: what is mapped by itself, as glibc has it for all above 32 MB, would always be given
    back. What stays is about what the largest step took.

    Returns:
        Whether it does so from now on.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(set_option(_MMAP_MAX, 0)) and bool(set_option(_TRIM_THRESHOLD, _KEPT))
