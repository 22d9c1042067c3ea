"""Values as people and programs read them: ids, times, columns."""

from datetime import UTC, datetime

from schema.addresses import address_text
from schema.buckets import day_text
from schema.tables import Kind

_NS = 1_000_000_000


def uuid_text(value: bytes) -> str:
    """16 bytes in the canonical form."""
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def time_text(ts_ns: int) -> str:
    """Unix nanoseconds as UTC, to the microsecond."""
    second, ns = divmod(ts_ns, _NS)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"


def json_value(value: object, kind: Kind) -> object:
    """A value that crosses the store port, as JSON has it: addresses, ids and dates are text, times integers."""
    if isinstance(value, bytes):
        return uuid_text(value) if kind is Kind.UUID else address_text(value)
    if kind is Kind.DATE and isinstance(value, int):
        return day_text(value)
    return value
