"""The arrays that the kernels work on: two-dimensional ones of unsigned 64-bit words, and plain memory."""

import mmap


def zeroed(octets: int) -> memoryview:
    """Memory that is not there before it is written to: a small capture pays for what it uses, not for what the tables hold."""
    return memoryview(mmap.mmap(-1, octets))


def table_of(rows: int, width: int) -> memoryview:
    """A zeroed two-dimensional array of unsigned 64-bit words that begins at a cache line's border."""
    return zeroed(rows * width * 8).cast("Q", (rows, width))


def enlarged(table: memoryview, rows: int) -> memoryview:
    """A copy with more rows, the new ones zeroed."""
    old = table.cast("B")
    width = len(old) // (len(table) * 8)
    new = table_of(rows, width)
    new.cast("B")[: len(old)] = old
    return new
