"""Partitions that grow too large: found from what was committed, split from a packet time on. docs/decisions/0023."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter

from schema.bucketpolicy import (
    ADDRESSES_SCOPE,
    CLIENTS_SCOPE,
    DNS_SCOPE,
    FLOWS_SCOPE,
    SHARED,
    TRAFFIC_SCOPE,
    BucketPolicy,
    BucketRule,
)
from schema.buckets import GRANULARITIES, bucket_span, day_of, day_text
from schema.errors import StoreError
from schema.records import PartitionCounts
from schema.shares import WHOLE
from schema.store.writing import Store
from schema.tables import BY_NAME, DAY, DNS_ANSWERS, FLOWS, NAMES_BY_ADDRESS, NAMES_BY_CLIENT, PACKETS, TRAFFIC_BY_MINUTE

_LOG = logging.getLogger(__name__)
MOST_BYTES = 100_000_000  # of one partition in Cassandra, before it is compressed
SPLIT_BYTES = MOST_BYTES // 4  # what this loader alone may come to bring: others may write to the same partition
# With names and addresses that are rather long.
ROW_BYTES = {
    FLOWS.name: 240,
    PACKETS.name: 80,
    DNS_ANSWERS.name: 240,
    TRAFFIC_BY_MINUTE.name: 120,
    NAMES_BY_CLIENT.name: 100,
    NAMES_BY_ADDRESS.name: 100,
}
_MOST_COUNTED = 32_768  # partitions
_MOST_OF_A_PART = 1_024  # of a manifest, which has up to 8,192
MOST_RULES = 4_096
_SCOPES = {
    FLOWS.name: FLOWS_SCOPE,
    PACKETS.name: FLOWS_SCOPE,
    DNS_ANSWERS.name: DNS_SCOPE,
    TRAFFIC_BY_MINUTE.name: TRAFFIC_SCOPE,
}
# What has no time in its partitions' keys holds the days that are kept: it is counted by the day in which a capture began.
_SHARED_SCOPES = {NAMES_BY_CLIENT.name: CLIENTS_SCOPE, NAMES_BY_ADDRESS.name: ADDRESSES_SCOPE}
_MINUTE_MS = 60_000
_MS = 1_000_000

_Key = tuple[str, tuple[object, ...], str]  # table, partition in it, and the span of time that its rows are counted for
_NO_KEY: _Key = "", (), ""


@dataclass(frozen=True, slots=True)
class _Moment:
    """The part of a capture that falls into one bucket."""

    first: int
    last: int

    @classmethod
    def within(cls, bucket: str, first_ms: int, last_ms: int) -> "_Moment":
        """A packet time that jumps moves nothing out of the bucket."""
        start, end = bucket_span(bucket)
        return cls(*(min(max(ms, start), end - 1) for ms in (first_ms, last_ms)))


@dataclass(slots=True)
class _Growth:
    """Rows of one partition, and how fast they come; times are packet times, Unix ms."""

    since: int
    rows: int = 0
    newest: int = 0
    minute: int = 0  # the newest in which a capture with rows of it began
    begun: int = 0  # rows of the captures that began in it
    before: int = 0  # of those that began in the minute before

    def add(self, rows: int, moment: _Moment) -> int:
        """Rows of one capture; gives those of all."""
        first, last = moment.first, moment.last
        self.rows += rows
        if first < self.since:
            self.since = first
        if last > self.newest:
            self.newest = last
        minute, a_minute = first // _MINUTE_MS, rows
        if last - first > _MINUTE_MS:
            a_minute = rows * _MINUTE_MS // (last - first)
        if minute > self.minute:
            self.before = self.begun if minute == self.minute + 1 else 0
            self.minute, self.begun = minute, 0
        if minute == self.minute:
            self.begun += a_minute
        elif minute == self.minute - 1:
            self.before += a_minute
        return self.rows

    def rate(self) -> float:
        """Rows a millisecond: since it began, or of late, whichever is more."""
        return max(self.rows / max(_MINUTE_MS, self.newest - self.since), self.begun / _MINUTE_MS, self.before / _MINUTE_MS)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How partitions of a table are split."""

    scope: str
    split_rows: int  # that one may come to have, of those that are kept for days: in a day
    days_kept: int  # 0: a partition has a span of time

    @classmethod
    def of(cls, table: str) -> "_Kind | None":
        """None: they are not."""
        if table in _SCOPES:
            return cls(_SCOPES[table], SPLIT_BYTES // ROW_BYTES[table], 0)
        if table in _SHARED_SCOPES:
            days = BY_NAME[table].ttl_seconds // DAY
            return cls(_SHARED_SCOPES[table], 2 * SPLIT_BYTES // ROW_BYTES[table] // days, days)  # no other loader writes to it
        return None

    def rule(self, partition: tuple[object, ...], bucket: str, growth: _Growth) -> BucketRule | None:
        """What would keep a partition within its bound; None where it will be, or nothing can."""
        (start, end), rate = bucket_span(bucket), growth.rate()
        if growth.rows + rate * (end - 1 - growth.newest) <= self.split_rows:
            return None
        if self.days_kept:
            _, subject, share = partition
            name, length = SHARED, _MINUTE_MS
            if share != WHOLE:
                return None
        else:
            subject, _ = partition
            shorter = [(name, seconds * 1000) for name, seconds in GRANULARITIES.items() if seconds * 1000 < end - start]
            if not shorter:
                return None
            name, length = next(((name, length) for name, length in shorter if rate * length <= self.split_rows), shorter[-1])
        assert isinstance(subject, bytes | str)
        return BucketRule.of(self.scope, subject, (growth.newest // length + 1) * length, name)


class PartitionTally:
    """Counts what commits bring to each partition, within bounds. Pure: what it finds follows from what it was told."""

    def __init__(self) -> None:
        self._growing: dict[_Key, _Growth] = {}
        self.largest: dict[str, int] = {}  # rows by table, of partitions ever counted here
        self.forgotten = 0  # partitions not counted, or no longer: others were larger

    def add(self, own: Iterable[PartitionCounts], first_ms: int, last_ms: int) -> Iterator[BucketRule]:
        """One commit's own rows; gives a rule for each partition that is going to be too large, if there is none already."""
        day = day_of(first_ms)
        today = day_text(day)
        moments: dict[str, _Moment] = {}
        for part in own:
            kind = _Kind.of(part.table)
            if kind is None:
                continue
            most, largest = 0, _NO_KEY
            for partition, rows in self._large(part):
                bucket = today if kind.days_kept else str(partition[1])
                if bucket not in moments:
                    moments[bucket] = _Moment.within(bucket, first_ms, last_ms)
                key = (part.table, partition, bucket)
                growth = self._growth(key, moments[bucket].first)
                total = growth.add(rows, moments[bucket])
                if total > most:
                    most, largest = total, key
                # on fewer rows nothing is known of what comes
                if total >= kind.split_rows // 4 and (rule := kind.rule(partition, bucket, growth)):
                    yield rule
            before = range(day - kind.days_kept + 1, day)
            most += sum(self._rows((*largest[:2], day_text(earlier))) for earlier in before)
            self.largest[part.table] = max(most, self.largest.get(part.table, 0))

    def _rows(self, key: _Key) -> int:
        growth = self._growing.get(key)
        return growth.rows if growth is not None else 0

    def _large(self, part: PartitionCounts) -> Iterable[tuple[tuple[object, ...], int]]:
        """Partitions of a part; of a scan's, which are many and small, the largest."""
        counts = zip(part.partitions, part.rows, strict=True)
        if len(part.rows) <= _MOST_OF_A_PART:
            return counts
        self.forgotten += len(part.rows) - _MOST_OF_A_PART
        return nlargest(_MOST_OF_A_PART, counts, key=itemgetter(1))

    def _growth(self, key: _Key, first: int) -> _Growth:
        growth = self._growing.get(key)
        if growth is None:
            if len(self._growing) >= _MOST_COUNTED:
                self._forget()
            growth = self._growing[key] = _Growth(since=first)
        return growth

    def _forget(self) -> None:
        """Keep the half that grew last, of those that did at once the largest: one that is complete grows no more."""
        kept = nlargest(_MOST_COUNTED // 2, self._growing.items(), key=lambda entry: (entry[1].minute, entry[1].rows))
        self.forgotten += len(self._growing) - len(kept)
        self._growing = dict(kept)


class Partitions:
    """The policy that rows are made by, as the store has it, and the rules that this loader adds to it. One thread uses it."""

    def __init__(self, store: Store, base: str) -> None:
        """`base`: the length that the settings say."""
        self._store, self._base = store, base
        self._policy: BucketPolicy | None = None
        self._tally = PartitionTally()
        self._forgotten_told = 0

    def policy(self) -> BucketPolicy:
        """What is known of it. Raises `StoreError` where it has to be read and cannot."""
        if self._policy is None:
            self._policy = BucketPolicy(self._base, self._store.bucket_rules())
        return self._policy

    def read_again(self) -> None:
        """Others may have added to it: read it when it is asked for next."""
        self._policy = None

    def committed(self, own: Iterable[PartitionCounts], first_ns: int, last_ns: int) -> None:
        """A capture's commit holds. What cannot be written now is found again at the next."""
        try:
            for rule in self._tally.add(own, first_ns // _MS, last_ns // _MS):
                self._add(rule)
        except StoreError as error:
            self.read_again()
            _LOG.warning("partitions could not be split: %s", error)

    def largest(self) -> dict[str, int]:
        """Rows of the largest partition so far, by table."""
        return self._tally.largest

    def forgotten(self) -> int:
        """Partitions that are counted no longer, since the last call."""
        new = self._tally.forgotten - self._forgotten_told
        self._forgotten_told += new
        return new

    def _add(self, rule: BucketRule) -> None:
        policy = self.policy()
        if policy.version >= MOST_RULES or not policy.is_shortened_by(rule):
            return
        if not self._store.add_bucket_rule(policy.version + 1, rule):
            self.read_again()  # another was faster: what is still missing then is found at the next commit
            return
        self._policy = BucketPolicy(self._base, [*policy.rules, rule])
        _LOG.info("%s: partitions of %s are of %s from %d on", rule.scope, rule.subject, rule.granularity, rule.valid_from_ms)
