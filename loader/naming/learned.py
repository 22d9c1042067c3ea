"""The facts of the capture in hand."""

from collections.abc import Iterator

from loader.decode.columns import DnsColumns
from loader.naming.choice import NamingRules
from loader.naming.facts import Fact, Told
from loader.naming.facttable import FactTable

_NS = 1_000_000_000
ANYONE = bytes(16)
FOR_EVER = (1 << 63) - 1


class LearnedNames:
    """What one capture's answers say; bounded. Learn all, then `settle`, then ask."""

    def __init__(self, limit: int, rules: NamingRules) -> None:
        """`limit`: entries held at most (`Fact.entries`)."""
        self.limit = limit
        self.refused = 0  # answers beyond the limit: not learned, counted
        self.table = FactTable(rules)
        self.addresses: set[bytes] = set()
        self._rules = rules
        self._facts: dict[tuple[bytes, bytes, int, str], Fact] = {}
        self._entries = 0
        self._capture_id = b""
        self._anyone: FactTable | None = None

    def __len__(self) -> int:
        return len(self._facts)

    def learn(self, dns: DnsColumns) -> list[Fact]:
        """Take a batch of records; returns the facts new to this capture (whose id is not known yet): one a client, address,
        nanosecond and name."""
        fresh: list[Fact] = []
        facts = self._facts
        columns = zip(dns.names, dns.client_ip, dns.address, dns.ts_ns, dns.rr_ttl, dns.latency_us, dns.frame, strict=True)
        for name, client, address, ts_ns, ttl, latency, frame in columns:
            if name is None or address is None:
                continue
            key = (client, address, ts_ns, name)
            if key in facts:
                continue
            fact = Fact(client, address, Told(ts_ns, b"", frame, name, ts_ns + (ttl or 0) * _NS, latency is not None))
            entries = fact.entries
            if self._entries + entries > self.limit:
                self.refused += 1
                continue
            self._entries += entries
            facts[key] = fact
            self.addresses.add(address)
            fresh.append(fact)
        return fresh

    def settle(self, capture_id: bytes) -> None:
        """All is learned, and whose facts they are is known."""
        self._capture_id = capture_id
        self.table.add(self._facts.values(), capture_id)

    def facts(self) -> Iterator[Fact]:
        """All of them."""
        for fact in self._facts.values():
            yield fact._replace(told=fact.told._replace(capture_id=self._capture_id))

    def anyone(self) -> FactTable:
        """The same facts, as if `ANYONE` had been told all of them, and for ever."""
        if self._anyone is None:
            self._anyone = FactTable(self._rules)
            self._anyone.add(map(told_to_anyone, self._facts.values()), self._capture_id)
        return self._anyone

    def times(self) -> dict[bytes, list[int]]:
        """When each address was told (Unix ns)."""
        times: dict[bytes, list[int]] = {}
        for fact in self._facts.values():
            times.setdefault(fact.address, []).append(fact.told.valid_from_ns)
        return times


def told_to_anyone(fact: Fact) -> Fact:
    """A fact as it counts for whoever was not told it."""
    return Fact(ANYONE, fact.address, fact.told._replace(asked=True, valid_to_ns=FOR_EVER))
