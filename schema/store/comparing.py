"""Whether a copy is what it is a copy of: ledgers, books and rules number by number, own rows by a sum over all of them.

Dictionary rows are left out: until when one lives is known to the second in one store and not in the other.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import zip_longest

from schema.store.claimtimes import ClaimTimes
from schema.store.copying import CopySource
from schema.store.reading import StoreReader
from schema.store.writing import Store
from schema.tables import TABLES, Ownership, Table

_ALL_SUMS = 1 << 128
_MARGIN = 8  # rows with less than this part of their lifetime left are not compared: some may go while others are looked at


def differences(source: Store, target: Store, now_ms: int, tell: Callable[[str], None]) -> Iterator[str]:
    """What is not the same, in words; `tell` hears of each table that is about to be read in both stores."""
    if source.bucket_rules() != target.bucket_rules():
        yield "bucket_policy: the rules differ"
    networks = set()
    for record in source.sensors():
        networks.add(record.network)
        if source.ledger(record.sensor) != target.ledger(record.sensor):
            yield f"sensor {record.sensor}: the totals differ"
        if not _same_commits(source, target, record.sensor):
            yield f"sensor {record.sensor}: the commits differ"
    for network in sorted(networks):
        book, copied = source.admissions(network), target.admissions(network)
        if book != copied and copied.version <= book.version:  # above it, an exporter shows the copy already
            yield f"network {network}: what the exporter has admitted differs"
    times = ClaimTimes(target.copy_target(b"", 0))
    for table in TABLES:
        if table.ownership is Ownership.OWN:
            tell(table.name)
            here, there = (_sum(table, store.copy_source(), times, now_ms) for store in (source, target))
            if here != there:
                yield f"{table.name}: {here[0]:,} rows and {there[0]:,} rows, or other values in them"


def _same_commits(source: StoreReader, target: StoreReader, sensor: str) -> bool:
    both = zip_longest(source.commits(sensor, 0), target.commits(sensor, 0))
    return all(here == there for here, there in both)


def _sum(table: Table, store: CopySource, times: ClaimTimes, now_ms: int) -> tuple[int, int]:
    """How many rows there are, and the sum of their hashes: the same whatever order they come in."""
    from_ms = now_ms - (table.ttl_seconds - table.ttl_seconds // _MARGIN) * 1000
    count = total = 0
    for page in store.rows(table, ""):
        for row, claimed_ms in zip(page.rows, times.of(table, page.rows), strict=True):
            if claimed_ms is not None and claimed_ms > from_ms:
                count += 1
                total += int.from_bytes(blake2b(repr(row).encode(), digest_size=16).digest(), "big")
    return count, total % _ALL_SUMS
