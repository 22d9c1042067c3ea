"""Which partition a moment falls in: a pure function of packet time and a recorded policy."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

# Granularity -> length in seconds. A policy is recorded with each capture, so that a retry lands in the same partitions.
GRANULARITIES = {"day": 86_400, "hour": 3_600, "10min": 600, "min": 60}
DEFAULT_GRANULARITY = "hour"
_FORMATS = {"day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H", "10min": "%Y-%m-%dT%H:%M", "min": "%Y-%m-%dT%H:%M"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=65_536)
def bucket_text(bucket_number: int, granularity: str = DEFAULT_GRANULARITY) -> str:
    """Name of the n-th bucket since 1970 (UTC): `2026-11-20T13` for an hour."""
    start = _EPOCH + timedelta(seconds=bucket_number * GRANULARITIES[granularity])
    return start.strftime(_FORMATS[granularity])


def bucket_of(ts_ms: int, granularity: str = DEFAULT_GRANULARITY) -> str:
    """Bucket of a packet time in Unix milliseconds."""
    return bucket_text(ts_ms // (GRANULARITIES[granularity] * 1000), granularity)


def day_of(ts_ms: int) -> int:
    """Days since 1970-01-01 (UTC): the value of a `date` column."""
    return ts_ms // 86_400_000


def day_text(day: int) -> str:
    """A `date` column's value as people read it: `2026-11-20`."""
    return bucket_text(day, "day")
