"""How long partitions are: a pure function of address or name, packet time, and a policy that an attempt's inputs record."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schema.addresses import address_bytes, address_text
from schema.buckets import DEFAULT_GRANULARITY, GRANULARITIES, bucket_of, bucket_text
from schema.coded import CodedColumn
from schema.shares import ADDRESS_SHARES, WHOLE, share_of_address, share_of_time

# What is split on its own: addresses, in `flows` and `packets`; names, in `dns_answers`; addresses, in `traffic_by_minute`.
FLOWS_SCOPE, DNS_SCOPE, TRAFFIC_SCOPE = "flows", "dns", "traffic"
# What is shared out: clients, in `names_by_client`; addresses, in `names_by_address`.
CLIENTS_SCOPE, ADDRESSES_SCOPE = "clients", "addresses"
SHARED = "shares"  # in place of a length
_TRAFFIC_BASE = "day"  # sums by minute are few, and read by the day: whatever the setting says of the rows themselves
Subject = bytes | str  # an address, or a name


@dataclass(frozen=True, slots=True)
class BucketRule:
    """From a packet time on, partitions of one subject are of this length, where they were longer, or are shares."""

    scope: str
    subject: str  # an address as it is written, or a name
    valid_from_ms: int
    granularity: str  # a length, or `SHARED`

    @classmethod
    def of(cls, scope: str, subject: Subject, valid_from_ms: int, granularity: str) -> "BucketRule":
        """With the subject as rows have it."""
        return cls(scope, address_text(subject) if isinstance(subject, bytes) else subject, valid_from_ms, granularity)

    @property
    def key(self) -> Subject:
        """The subject as rows have it."""
        return self.subject if self.scope == DNS_SCOPE else address_bytes(self.subject)


class BucketPolicy:
    """How long partitions are: a setting, and rules that make those of hot subjects shorter. A value, as `spelled` says."""

    def __init__(self, base: str, rules: Sequence[BucketRule] = ()) -> None:
        """`rules`: the first ones of the store's list; their order is of no matter."""
        self.base, self.rules = base, tuple(rules)
        self._steps: dict[str, dict[Subject, _Steps]] = {}
        self._shared_from: dict[str, dict[Subject, int]] = {CLIENTS_SCOPE: {}, ADDRESSES_SCOPE: {}}
        for rule in sorted(rules, key=lambda rule: rule.valid_from_ms):
            if rule.granularity == SHARED:
                self._shared_from[rule.scope].setdefault(rule.key, rule.valid_from_ms)
                continue
            of_scope = self._steps.setdefault(rule.scope, {})
            of_scope.setdefault(rule.key, _Steps(self.longest(rule.scope))).add(rule)

    @classmethod
    def of_rules(cls, rules: Sequence[BucketRule]) -> "BucketPolicy":
        """Where a reader looks who makes no rows."""
        return cls(DEFAULT_GRANULARITY, rules)

    @property
    def version(self) -> int:
        """How many rules it has."""
        return len(self.rules)

    @property
    def spelled(self) -> str:
        """As inputs record it: `hour@7`."""
        return f"{self.base}@{self.version}"

    @classmethod
    def recorded(cls, spelled: str, rules: Sequence[BucketRule]) -> "BucketPolicy":
        """The policy of then, out of all `rules`; raises `ValueError` where it is none, or the rules of then are not there."""
        base, _, version = spelled.partition("@")
        if base not in GRANULARITIES or not 0 <= int(version) <= len(rules):
            raise ValueError(f"bucket_policy {spelled!r}: the store has {len(rules)} rules")
        return cls(base, rules[: int(version)])

    def longest(self, scope: str) -> str:
        """Length of the partitions that no rule makes shorter."""
        return _TRAFFIC_BASE if scope == TRAFFIC_SCOPE else self.base

    def granularity(self, scope: str, subject: Subject, ts_ms: int) -> str:
        """Length of the partition that a packet time falls in."""
        steps = self._steps.get(scope, {}).get(subject)
        return self.longest(scope) if steps is None else steps.at(ts_ms)

    def is_shortened_by(self, rule: BucketRule) -> bool:
        """Whether a rule, where it begins to hold, says something new."""
        if rule.granularity == SHARED:
            return rule.valid_from_ms < self._shared_from[rule.scope].get(rule.key, rule.valid_from_ms + 1)
        in_force = self.granularity(rule.scope, rule.key, rule.valid_from_ms)
        return GRANULARITIES[rule.granularity] < GRANULARITIES[in_force]

    def column(self, scope: str, subjects: Sequence[Subject], times_ms: Sequence[int]) -> CodedColumn[str]:
        """Buckets of rows, by their subjects and packet times."""
        hot, base = self._steps.get(scope, {}), self.longest(scope)
        if hot and not hot.keys().isdisjoint(subjects.parts()[1] if isinstance(subjects, CodedColumn) else subjects):
            return _column_of_hot(base, hot, subjects, times_ms)
        length_ms = GRANULARITIES[base] * 1000
        codes: dict[int, int] = {}
        numbers = [codes.setdefault(ms // length_ms, len(codes)) for ms in times_ms]
        return CodedColumn.of(numbers, [bucket_text(number, base) for number in codes])

    def client_shares(self, clients: Sequence[bytes], addresses: Sequence[bytes], times_ms: Sequence[int]) -> Sequence[int]:
        """Shares of facts in `names_by_client`."""
        shared = self._shared_from[CLIENTS_SCOPE]
        if shared.keys().isdisjoint(clients):
            return [WHOLE] * len(clients)
        facts = zip(clients, addresses, times_ms, strict=True)
        return [share_of_address(address) if shared.get(client, ms + 1) <= ms else WHOLE for client, address, ms in facts]

    def address_shares(self, addresses: Sequence[bytes], times_ms: Sequence[int]) -> Sequence[int]:
        """Shares of facts in `names_by_address`."""
        shared = self._shared_from[ADDRESSES_SCOPE]
        if shared.keys().isdisjoint(addresses):
            return [WHOLE] * len(addresses)
        facts = zip(addresses, times_ms, strict=True)
        return [share_of_time(ms) if shared.get(address, ms + 1) <= ms else WHOLE for address, ms in facts]

    def is_shared(self, client: bytes) -> bool:
        """Whether what a client was told is shared out, by now: it is not read whole."""
        return client in self._shared_from[CLIENTS_SCOPE]

    def shares_of_pair(self, client: bytes, address: bytes) -> Sequence[int]:
        """Where to look for what a client was told of an address: whatever rules its rows were made by, these are all."""
        return (WHOLE, share_of_address(address)) if self.is_shared(client) else (WHOLE,)

    def shares_of_address(self, address: bytes) -> Sequence[int]:
        """Where to look for what anyone was told of an address."""
        return range(1 + ADDRESS_SHARES) if address in self._shared_from[ADDRESSES_SCOPE] else (WHOLE,)


class _Steps:
    """Lengths of one subject's partitions, as time goes by: shorter and shorter."""

    __slots__ = ("_from", "_lengths")

    def __init__(self, base: str) -> None:
        self._from, self._lengths = list[int](), [base]

    def add(self, rule: BucketRule) -> None:
        """The next one in order of time."""
        if GRANULARITIES[rule.granularity] < GRANULARITIES[self._lengths[-1]]:
            self._from.append(rule.valid_from_ms)
            self._lengths.append(rule.granularity)

    def at(self, ts_ms: int) -> str:
        """The one that holds at a time."""
        return self._lengths[bisect_right(self._from, ts_ms)]


def _column_of_hot(
    base: str, hot: Mapping[Subject, _Steps], subjects: Iterable[Subject], times_ms: Iterable[int]
) -> CodedColumn[str]:
    codes: dict[str, int] = {}
    numbers = []
    for subject, ms in zip(subjects, times_ms, strict=True):
        steps = hot.get(subject)
        bucket = bucket_of(ms, base if steps is None else steps.at(ms))
        numbers.append(codes.setdefault(bucket, len(codes)))
    return CodedColumn.of(numbers, list(codes))
