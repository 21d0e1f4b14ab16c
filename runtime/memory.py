"""Freed memory kept for the next frame instead of given back and asked for again."""

import ctypes

#: Names of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
#: Blocks up to this size come from memory that stays; the most that glibc allows.
LARGEST_KEPT_BYTES = 32 << 20
#: Unused memory beyond this, at the end of a heap, goes back to the system.
KEPT_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Let the C library keep what whole pictures leave behind, where it can (glibc alone).

    By default every picture is fresh memory: 340 new pages for the planes of 1280x720. On a
    virtual machine they cost up to 2 ms, copying the picture into them 0.04 ms.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # musl, macOS and Windows have no such setting.
    # One heap for all threads: with one each, what a thread freed is lost to all others, and a
    # service that decodes many pictures of many sizes grows to gigabytes.
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
