"""Where facts of hot clients and addresses lie: in shares, each a partition; a pure function of the fact.

What is told has no hours to be split by: who reads wants the newest of a client and an address whatever their age, and may ask
for many such pairs. So a client's facts are shared out by address, and a pair's are found with one read more; those of an
address, which are read newest first, by their second, which fills its shares evenly. docs/decisions/0023.
"""

from zlib import crc32

WHOLE = 0  # the share of all that is not shared out
CLIENT_SHARES = 256
ADDRESS_SHARES = 16


def share_of_address(address: bytes) -> int:
    """Which share has what a client was told of an address: 1 to `CLIENT_SHARES`."""
    return 1 + crc32(address) % CLIENT_SHARES


def share_of_time(told_ms: int) -> int:
    """Which share has what was told of an address at a time (Unix ms): 1 to `ADDRESS_SHARES`."""
    return 1 + told_ms // 1000 % ADDRESS_SHARES
