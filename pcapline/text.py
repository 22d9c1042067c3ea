"""Values as people and programs read them: addresses, ids, times, and text from the wire made harmless."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address

from schema.buckets import day_text
from schema.tables import Kind

_NS = 1_000_000_000


def printable(text: str) -> str:
    """Text from the wire or a file name for a terminal: whatever does not print is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@lru_cache(maxsize=65_536)
def address_text(address: bytes) -> str:
    """4 or 16 bytes as an address is written."""
    return str(ip_address(address))


def uuid_text(value: bytes) -> str:
    """16 bytes in the canonical form."""
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def time_text(ts_ns: int) -> str:
    """Unix nanoseconds as UTC, to the microsecond."""
    second, ns = divmod(ts_ns, _NS)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"


def count_text(count: int, noun: str) -> str:
    """`1 flow`, `1,204 flows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def counts_text(counts: Mapping[str, int]) -> str:
    """`arp 3, malformed 1`: largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)


def json_value(value: object, kind: Kind) -> object:
    """A value that crosses the store port, as JSON has it: addresses, ids and dates are text, times integers."""
    if isinstance(value, bytes):
        return uuid_text(value) if kind is Kind.UUID else address_text(value)
    if kind is Kind.DATE and isinstance(value, int):
        return day_text(value)
    return value


def why_unread(error: Exception) -> str:
    """Why a file could not be shown, and what to do."""
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return f"{error.strerror}; give this user read access to it"
        case IsADirectoryError():
            return "is a directory; name the captures in it, or load all of them: pcapline load DIR"
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)
