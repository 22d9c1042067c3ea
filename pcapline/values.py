"""Values as people read them."""

from datetime import UTC, datetime

_NS = 1_000_000_000


def time_text(ts_ns: int) -> str:
    """Unix nanoseconds as UTC, to the microsecond."""
    second, ns = divmod(ts_ns, _NS)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"
