"""Decode: bytes in, columns out. Pure: no files, clocks, sockets or stores; bad input is counted, never raised."""
