"""The facts of the capture in hand."""

from loader.decode.columns import DnsColumns
from loader.naming.choice import NamingRules
from loader.naming.facts import Fact, Told
from loader.naming.facttable import FactTable
from loader.naming.numbered import Numbered
from loader.naming.unsettled import UnsettledFacts

_NS = 1_000_000_000
ANYONE = bytes(16)
FOR_EVER = (1 << 63) - 1


class LearnedNames:
    """What one capture's answers say; bounded. Learn all, then `settle`, then ask."""

    def __init__(self, limit: int, rules: NamingRules) -> None:
        """`limit`: entries held at most (`Fact.entries`)."""
        self.limit = limit
        self.refused = 0  # answers beyond the limit: not learned, counted
        self._names: Numbered[str] = Numbered()
        self.table = FactTable(rules, self._names)
        self.addresses: set[bytes] = set()
        self._rules = rules
        self._unsettled = UnsettledFacts(self._names)
        self._entries = 0
        self._anyone: FactTable | None = None

    def __len__(self) -> int:
        return len(self._unsettled) + len(self.table)

    def learn(self, dns: DnsColumns) -> list[Fact]:
        """Take a batch of records; returns the facts new to this capture (whose id is not known yet): one a client, address,
        nanosecond and name."""
        fresh: list[Fact] = []
        columns = zip(dns.names, dns.client_ip, dns.address, dns.ts_ns, dns.rr_ttl, dns.latency_us, dns.frame, strict=True)
        for name, client, address, ts_ns, ttl, latency, frame in columns:
            if name is None or address is None:
                continue
            fact = Fact(client, address, Told(ts_ns, b"", frame, name, ts_ns + (ttl or 0) * _NS, latency is not None))
            if fact in self._unsettled:
                continue
            entries = fact.entries
            if self._entries + entries > self.limit:
                self.refused += 1
                continue
            self._entries += entries
            self._unsettled.add(fact)
            self.addresses.add(address)
            fresh.append(fact)
        return fresh

    def settle(self, capture_id: bytes) -> None:
        """All is learned, and whose facts they are is known."""
        facts, self._unsettled = self._unsettled.in_order(), UnsettledFacts(self._names)
        self.table.add_ordered(facts, capture_id)

    def anyone(self) -> FactTable:
        """The same facts, as if `ANYONE` had been told all of them, and for ever."""
        if self._anyone is None:
            self._anyone = FactTable(self._rules, self._names)
            self._anyone.add_ordered(map(told_to_anyone, self.table.facts()))
        return self._anyone


def told_to_anyone(fact: Fact) -> Fact:
    """A fact as it counts for whoever was not told it."""
    return Fact(ANYONE, fact.address, fact.told._replace(asked=True, valid_to_ns=FOR_EVER))
