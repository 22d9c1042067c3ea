"""Who was told what: the names that DNS answers gave to each client, and the name of a flow's destination.

What this capture's answers say is held here while it is loaded; what earlier captures said is read from the store
(`names_by_client`) as of the ledger version that the attempt is pinned to, and kept in a bounded cache that never changes an
answer: dropping it costs a read. Times are Unix nanoseconds.
"""

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loader.decode.columns import DnsColumns
from schema.records import NameTold

_SECOND = 1_000_000_000
TellNames = Callable[[Collection[bytes]], list[NameTold]]
# Client, address, valid from (ns), hostname, valid to (ns), frame, whether the query was seen: what one record told one client.
Answer = tuple[bytes, bytes, int, str, int, int, bool]


class Told(NamedTuple):
    """One answer, in the order in which answers win: the later, then the later frame, then the greater name."""

    valid_from_ns: int
    frame: int
    hostname: str
    valid_to_ns: int
    capture_id: bytes


class Name(NamedTuple):
    """A destination's name and the evidence for it, as the columns of `flows` spell them."""

    hostname: str | None
    evidence: str


UNNAMED = Name(None, "none")


@dataclass(slots=True)
class LearnedNames:
    """The names that one capture's answers give, by client and address; bounded by the number of answers."""

    limit: int
    told: dict[tuple[bytes, bytes], list[Told]]
    keys: set[tuple[bytes, bytes, int, str]]
    refused: int = 0  # answers beyond the limit: not learned, counted

    @classmethod
    def empty(cls, limit: int) -> "LearnedNames":
        """Nothing learned yet."""
        return cls(limit=limit, told={}, keys=set())

    def learn(self, dns: DnsColumns) -> list[Answer]:
        """Take a batch of records; returns the answers new to this capture: one a client, address, time and name."""
        fresh: list[Answer] = []
        keys, told = self.keys, self.told
        columns = zip(dns.names, dns.client_ip, dns.address, dns.ts_ns, dns.rr_ttl, dns.frame, dns.latency_us, strict=True)
        for name, client, address, valid_from, ttl, frame, latency in columns:
            if name is None or address is None:
                continue
            key = (client, address, valid_from, name)
            if key in keys:
                continue
            if len(keys) >= self.limit:
                self.refused += 1
                continue
            keys.add(key)
            valid_to = valid_from + (ttl or 0) * _SECOND
            put_in_order(told.setdefault((client, address), []), Told(valid_from, frame, name, valid_to, b""))
            fresh.append((client, address, valid_from, name, valid_to, frame, latency is not None))
        return fresh


class NameCache:
    """What the store knows each client was told, whole clients at a time, least recently used dropped first."""

    def __init__(self, limit: int) -> None:
        """`limit`: answers held at most (the last client read may exceed it alone)."""
        self._limit = limit
        self._clients: OrderedDict[bytes, dict[bytes, list[Told]]] = OrderedDict()
        self._entries = 0

    def fetch(self, clients: Collection[bytes], tell: TellNames) -> None:
        """Make these clients known, asking the store once for those that are not."""
        missing = {client for client in clients if client not in self._clients}
        for client in clients:
            if client in self._clients:
                self._clients.move_to_end(client)
        if not missing:
            return
        for client in sorted(missing):
            self._clients[client] = {}
        for row in tell(missing):
            self._add(row.client_ip, row.address, _told(row))
        self._trim(keep=len(clients))

    def of(self, client: bytes, address: bytes) -> list[Told]:
        """Answers that gave this client a name for this address, in order; the client must have been fetched."""
        return self._clients.get(client, {}).get(address, [])

    def commit(self, learned: LearnedNames, capture_id: bytes) -> None:
        """What a capture learned is in the store now: clients held here learn it too, others are read when needed."""
        for (client, address), answers in learned.told.items():
            if client in self._clients:
                for answer in answers:
                    self._add(client, address, answer._replace(capture_id=capture_id))

    def clear(self) -> None:
        """Forget everything: the ledger stands elsewhere than this cache was read."""
        self._clients.clear()
        self._entries = 0

    def _add(self, client: bytes, address: bytes, answer: Told) -> None:
        put_in_order(self._clients[client].setdefault(address, []), answer)
        self._entries += 1

    def _trim(self, keep: int) -> None:
        while self._entries > self._limit and len(self._clients) > keep:
            _, addresses = self._clients.popitem(last=False)
            self._entries -= sum(map(len, addresses.values()))


class CaptureNames:
    """Names for the flows of one capture: what it learned itself, and what the store knew before it."""

    def __init__(self, learned: LearnedNames, cache: NameCache | None, tell: TellNames | None) -> None:
        """Without cache and `tell` the capture stands alone."""
        self._learned, self._cache, self._tell = learned, cache, tell

    def prepare(self, clients: Iterable[bytes]) -> None:
        """Read what the store knows of these clients before `name_of` is asked about them."""
        if self._cache is not None and self._tell is not None:
            self._cache.fetch(set(clients), self._tell)

    def name_of(self, client: bytes, address: bytes, start_ns: int) -> Name:
        """What the client was told before its flow to `address` started: the newest answer whose TTL was running, else
        the newest whose TTL had run out (`dns_stale`)."""
        answers = self._told(client, address)
        return choose(answers, start_ns) if answers else UNNAMED

    def contradicts(self, client: bytes, address: bytes, start_ns: int, said: str | None) -> bool:
        """Whether the client was told names for `address` before its flow started, and the one that the flow says, if any, is
        none of them."""
        if said is None:
            return False
        names = {told.hostname for told in self._told(client, address) if told.valid_from_ns <= start_ns}
        return bool(names) and said not in names

    def _told(self, client: bytes, address: bytes) -> list[Told]:
        learned = self._learned.told.get((client, address), [])
        known = self._cache.of(client, address) if self._cache is not None else []
        return sorted(learned + known) if learned and known else learned or known


def put_in_order(answers: list[Told], answer: Told) -> None:
    """Answers stand in the order in which they win, so that the order of arrival decides nothing."""
    if answers and answer < answers[-1]:
        insort(answers, answer)
    else:
        answers.append(answer)


def choose(ordered: Sequence[Told], start_ns: int) -> Name:
    """The name that wins at `start_ns`, of one answer or more in order."""
    before = len(ordered)
    if ordered[-1].valid_from_ns > start_ns:
        before = bisect_right(ordered, start_ns, key=_valid_from)
    if not before:
        return UNNAMED
    for n in range(before - 1, -1, -1):
        if start_ns <= ordered[n].valid_to_ns:
            return Name(ordered[n].hostname, "dns")
    return Name(ordered[before - 1].hostname, "dns_stale")


def _valid_from(told: Told) -> int:
    return told.valid_from_ns


def _told(row: NameTold) -> Told:
    return Told(row.valid_from_ns, row.frame, row.hostname, row.valid_to_ns, row.capture_id)
