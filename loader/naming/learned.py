"""The facts of the capture in hand."""

from collections.abc import Iterator
from typing import NamedTuple

from loader.decode.columns import DnsColumns
from loader.naming.choice import NamingRules
from loader.naming.facts import Fact, Told
from loader.naming.facttable import FactTable

_NS = 1_000_000_000
ANYONE = bytes(16)
FOR_EVER = (1 << 63) - 1


class Answer(NamedTuple):
    """One address record that names something: a row of `names_by_client`, its capture aside."""

    client: bytes
    address: bytes
    valid_from_ns: int
    hostname: str
    valid_to_ns: int
    asked: bool
    frame: int


class LearnedNames:
    """What one capture's answers say; bounded by the number of facts. Learn all, then `settle`, then ask."""

    def __init__(self, limit: int, rules: NamingRules) -> None:
        """`limit`: facts held at most."""
        self.limit = limit
        self.refused = 0  # answers beyond the limit: not learned, counted
        self.table = FactTable(rules)
        self.anyone = FactTable(rules)  # the same, as if one client had been told all of them, and for ever
        self._answers: dict[tuple[bytes, bytes, int, str], Answer] = {}
        self._capture_id = b""

    def __len__(self) -> int:
        return len(self._answers)

    def learn(self, dns: DnsColumns) -> list[Answer]:
        """Take a batch of records; returns the facts new to this capture: one a client, address, nanosecond and name."""
        fresh: list[Answer] = []
        answers = self._answers
        columns = zip(dns.names, dns.client_ip, dns.address, dns.ts_ns, dns.rr_ttl, dns.latency_us, dns.frame, strict=True)
        for name, client, address, ts_ns, ttl, latency, frame in columns:
            if name is None or address is None:
                continue
            key = (client, address, ts_ns, name)
            if key in answers:
                continue
            if len(answers) >= self.limit:
                self.refused += 1
                continue
            answers[key] = answer = Answer(client, address, ts_ns, name, ts_ns + (ttl or 0) * _NS, latency is not None, frame)
            fresh.append(answer)
        return fresh

    def settle(self, capture_id: bytes) -> None:
        """All is learned, and whose facts they are is known."""
        self._capture_id = capture_id
        self.table.add(self.facts())
        self.anyone.add(map(told_to_anyone, self.facts()))

    def facts(self) -> Iterator[Fact]:
        """All of them."""
        for client, address, valid_from, hostname, valid_to, asked, frame in self._answers.values():
            yield Fact(client, address, Told(valid_from, self._capture_id, frame, hostname, valid_to, asked))

    def times(self) -> dict[bytes, list[int]]:
        """When each address was told (Unix ns)."""
        times: dict[bytes, list[int]] = {}
        for answer in self._answers.values():
            times.setdefault(answer.address, []).append(answer.valid_from_ns)
        return times


def told_to_anyone(fact: Fact) -> Fact:
    """A fact as it counts for whoever was not told it."""
    return Fact(ANYONE, fact.address, fact.told._replace(asked=True, valid_to_ns=FOR_EVER))
