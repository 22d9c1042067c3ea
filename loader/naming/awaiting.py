"""Flow rows whose name may come later, from one capture of a sensor to the next.

A pure function of the state before and of facts: those of the capture in hand say which rows to look at, and all that is known
of these names them, for a capture out of order may have named them since. Without a late answer nothing is read.

There are thousands of them and few are named: all the way from the store and back they are records, octets of one length that
sort by the start of their flow. Only one that an answer may name is taken apart.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

from loader.naming.choice import Name, NamingRules
from loader.naming.names import CaptureNames
from schema.records import FlowKey, NameRepair

# Start of the chain (ns, from `_EARLIEST` on), destination and client with their lengths, time of the row (ms, and ns),
# capture, frame, bucket.
_RECORD = Struct(">QB16sB16sqi16sq16s")
_START, _DESTINATION = slice(8), slice(8, 25)
_EARLIEST, _LATEST = -(1 << 63), (1 << 63) - 1
MAX_AWAITING = 16_384
RECORD_BYTES = _RECORD.size


class Awaiting(NamedTuple):
    """A flow row named by nothing better than the inventory, or by a late answer that its client had not asked for."""

    start_ns: int  # of the flow's chain
    key: FlowKey
    client: bytes

    def record(self) -> bytes:
        """As it waits."""
        key, start = self.key, self.start_ns - _EARLIEST
        ends = len(key.destination_ip), key.destination_ip, len(self.client), self.client
        return _RECORD.pack(start, *ends, key.ts_ms, key.ns, key.capture_id, key.frame, key.bucket.encode("ascii"))

    @classmethod
    def of(cls, record: bytes) -> "Awaiting":
        """What `record` gave."""
        start, of_destination, destination, of_client, client, ts_ms, ns, capture_id, frame, bucket = _RECORD.unpack(record)
        text = bucket.rstrip(b"\0").decode("ascii")
        key = FlowKey(destination[:of_destination], text, ts_ms, ns, capture_id, frame)
        return cls(start + _EARLIEST, key, client[:of_client])


def settle(records: Sequence[bytes], names: CaptureNames) -> tuple[list[NameRepair], Sequence[bytes]]:
    """What this capture's answers name, and what goes on waiting."""
    told = {bytes((len(address),)) + address.ljust(16, b"\0") for address in names.learned.addresses}
    concerned = [record for record in records if record[_DESTINATION] in told] if told else []
    by_these = zip(concerned, names.learned_of(*_flows(map(Awaiting.of, concerned))), strict=True)
    named = [record for record, name in by_these if _names(name)]
    entries = list(map(Awaiting.of, named))
    repairs: list[NameRepair] = []
    over = set[bytes]()
    for record, entry, (before, after) in zip(named, entries, names.told_before_and_after(*_flows(entries)), strict=True):
        if after is not None and (before is None or before[:2] != after[:2]):
            repairs.append(NameRepair(entry.key, str(after.hostname), after.evidence, conflict=False))
        if after is not None and not after.awaits:
            over.add(record)
    return repairs, [record for record in records if record not in over] if over else records


def _flows(entries: Iterable[Awaiting]) -> tuple[list[bytes], list[bytes], list[int]]:
    """Clients, addresses and starts."""
    flows = [(entry.client, entry.key.destination_ip, entry.start_ns) for entry in entries]
    return [client for client, _, _ in flows], [address for _, address, _ in flows], [start for _, _, start in flows]


def _names(name: Name | None) -> bool:
    """Whether it goes before all names of rows that wait, but a late answer's."""
    return name is not None and name.evidence in ("dns", "dns_late")


class Waitlist:
    """What goes on waiting behind a capture: bounded, those that started longest ago are given up first."""

    def __init__(self, clock_ns: int, rules: NamingRules) -> None:
        """`clock_ns`: packet time at the capture's end; a row whose flow started longer before it than late answers count waits
        no more, and one that is dated as far ahead of it never does."""
        self._first_ns, self._last_ns = clock_ns - rules.late_ns, clock_ns + rules.late_ns
        self._records: list[bytes] = []
        self.given_up = 0

    def add(self, entry: Awaiting) -> None:
        """One flow row that awaits a name, unless its time is over."""
        if self._first_ns <= entry.start_ns <= self._last_ns:
            self._records.append(entry.record())
            if len(self._records) >= 2 * MAX_AWAITING:
                self._cut()

    def add_waiting(self, records: Sequence[bytes]) -> None:
        """Those that waited before, in order."""
        first, behind = (bisect_left(records, _start(ns)) for ns in (self._first_ns, self._last_ns + 1))
        self._records += records[first:behind]

    def records(self) -> list[bytes]:
        """In order; given up is what there is no room for."""
        self._cut()
        return self._records

    def _cut(self) -> None:
        self._records.sort()
        surplus = max(len(self._records) - MAX_AWAITING, 0)
        self.given_up += surplus
        del self._records[:surplus]


def _start(start_ns: int) -> bytes:
    """What no record of a flow that started earlier comes behind, and none of any other before."""
    return (min(max(start_ns, _EARLIEST), _LATEST) - _EARLIEST).to_bytes(8)


def decode(data: bytes, count: int) -> tuple[bytes, ...]:
    """So many records that were joined; raises `ValueError` for other octets."""
    if len(data) != count * _RECORD.size:
        raise ValueError("the flows that await a name are cut, or not all that is there")
    return tuple(data[at : at + _RECORD.size] for at in range(0, len(data), _RECORD.size))
