"""Flow rows whose name may come later, from one capture of a sensor to the next.

A pure function of the state before and of facts: those of the capture in hand say which rows to look at, and all that is known
of these names them, for a capture out of order may have named them since. Without a late answer nothing is read.
"""

from collections.abc import Sequence
from struct import Struct, error
from typing import NamedTuple

from loader.naming.choice import Name, NamingRules
from loader.naming.names import CaptureNames
from schema.records import FlowKey, NameRepair

# Start of the chain, time of the row (ms, and ns), destination, client, capture, frame, their lengths and that of the bucket.
_ENTRY = Struct("<qqi16s16s16sqBBB")
_COUNT = Struct("<I")
MAX_AWAITING = 16_384


class Awaiting(NamedTuple):
    """A flow row named by nothing better than the inventory, or by a late answer that its client had not asked for."""

    start_ns: int  # of the flow's chain
    key: FlowKey
    client: bytes


def settle(awaiting: Sequence[Awaiting], names: CaptureNames) -> tuple[list[NameRepair], list[Awaiting]]:
    """What this capture's answers name, and what goes on waiting."""
    told = names.learned_of(*_flows(awaiting))
    named = [entry for entry, name in zip(awaiting, told, strict=True) if _names(name)]
    waiting = [entry for entry, name in zip(awaiting, told, strict=True) if not _names(name)]
    repairs: list[NameRepair] = []
    for entry, (before, after) in zip(named, names.told_before_and_after(*_flows(named)), strict=True):
        if after is not None and (before is None or before[:2] != after[:2]):
            repairs.append(NameRepair(entry.key, str(after.hostname), after.evidence, conflict=False))
        if after is None or after.awaits:
            waiting.append(entry)
    return repairs, waiting


def _flows(entries: Sequence[Awaiting]) -> tuple[list[bytes], list[bytes], list[int]]:
    """Clients, addresses and starts."""
    clients, addresses = [entry.client for entry in entries], [entry.key.destination_ip for entry in entries]
    return clients, addresses, [entry.start_ns for entry in entries]


def _names(name: Name | None) -> bool:
    """Whether it goes before all names of rows that wait, but a late answer's."""
    return name is not None and name.evidence in ("dns", "dns_late")


class Waitlist:
    """What goes on waiting behind a capture: bounded, those that started longest ago are given up first."""

    def __init__(self, clock_ns: int, rules: NamingRules) -> None:
        """`clock_ns`: packet time at the capture's end; a row whose flow started longer before it than late answers count waits
        no more, and one that is dated as far ahead of it never does."""
        self._clock_ns, self._late_ns = clock_ns, rules.late_ns
        self._entries: list[Awaiting] = []
        self.given_up = 0

    def add(self, entry: Awaiting) -> None:
        """One flow row that awaits a name, unless its time is over."""
        if abs(entry.start_ns - self._clock_ns) <= self._late_ns:
            self._entries.append(entry)
            if len(self._entries) >= 2 * MAX_AWAITING:
                self._cut()

    def entries(self) -> list[Awaiting]:
        """The last to start first."""
        self._cut()
        return self._entries

    def _cut(self) -> None:
        self._entries.sort(key=lambda entry: (-entry.start_ns, entry.key))
        self.given_up += max(len(self._entries) - MAX_AWAITING, 0)
        del self._entries[MAX_AWAITING:]


def encode(awaiting: Sequence[Awaiting]) -> bytes:
    """As the carried state keeps them."""
    return _COUNT.pack(len(awaiting)) + b"".join(map(_encoded, awaiting))


def _encoded(entry: Awaiting) -> bytes:
    key, bucket = entry.key, entry.key.bucket.encode()
    lengths = (len(key.destination_ip), len(entry.client), len(bucket))
    head = _ENTRY.pack(entry.start_ns, key.ts_ms, key.ns, key.destination_ip, entry.client, key.capture_id, key.frame, *lengths)
    return head + bucket


def decode(data: bytes) -> list[Awaiting]:
    """What `encode` wrote; raises `ValueError` for other bytes."""
    try:
        (count,), at = _COUNT.unpack_from(data), _COUNT.size
        entries = []
        for _ in range(count):
            entry, at = _decoded(data, at)
            entries.append(entry)
    except error as cause:
        raise ValueError("the flows that await a name are cut") from cause
    if at != len(data):
        raise ValueError("the flows that await a name are not all that is there")
    return entries


def _decoded(data: bytes, at: int) -> tuple[Awaiting, int]:
    start_ns, ts_ms, ns, destination, client, capture_id, frame, *lengths = _ENTRY.unpack_from(data, at)
    of_destination, of_client, of_bucket = lengths
    at += _ENTRY.size + of_bucket
    bucket = data[at - of_bucket : at].decode()
    key = FlowKey(destination[:of_destination], bucket, ts_ms, ns, capture_id, frame)
    return Awaiting(start_ns, key, client[:of_client]), at
