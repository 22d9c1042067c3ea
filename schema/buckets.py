"""Which partition a moment falls in: a pure function of packet time and a length; `bucketpolicy` says which."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

# Granularity -> length in seconds, the longest first.
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


@lru_cache(maxsize=65_536)
def bucket_span(bucket: str) -> tuple[int, int]:
    """From when to when (Unix ms, the end excluded) a bucket of that name may have rows: a ten minutes' is called as its first
    minute's is."""
    length = {10: "day", 13: "hour"}.get(len(bucket)) or ("10min" if bucket.endswith("0") else "min")
    start = datetime.fromisoformat(bucket).replace(tzinfo=UTC)
    start_ms = int(start.timestamp()) * 1000
    return start_ms, start_ms + GRANULARITIES[length] * 1000


def day_of(ts_ms: int) -> int:
    """Days since 1970-01-01 (UTC): the value of a `date` column."""
    return ts_ms // 86_400_000


def day_text(day: int) -> str:
    """A `date` column's value as people read it: `2026-11-20`."""
    return bucket_text(day, "day")
