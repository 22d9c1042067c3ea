"""The facts that a stored flow row could have been named by, and what the choice makes of them (`loader.naming`)."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from loader.naming.choice import Name, NamingRules, choose, named
from loader.naming.facts import GROUPS, Fact, Told
from loader.naming.facttable import FactTable, all_of
from loader.naming.learned import ANYONE, told_to_anyone
from schema.records import STANDALONE_SENSOR, CaptureRecord, NameTold
from schema.store.reading import StoreReader, ToldQuery
from schema.tables import DNS_ANSWERS, NAMES_BY_IP

_MS = 1_000_000
_NS = 1_000_000_000
_MOST_FACTS = 4_096  # that are looked at: the newest of what the client, each group and anyone was told
_MOST_NAMES = 1_024  # that a standing-alone file's answers are looked through for
_MOST_CONTRADICTING = 64

Row = dict[str, Any]
Numbered = list[tuple[NameTold, int]]  # facts, each with its capture's place among the commits
Kept = Callable[[NameTold, int], bool]  # by fact and such a place
Key = tuple[int, bytes, int, str]  # of a fact: time, capture, frame, name


@dataclass(slots=True)
class Captures:
    """What became of captures, each asked for once."""

    store: StoreReader
    known: dict[bytes, CaptureRecord | None] = field(default_factory=dict)

    def of(self, capture_id: bytes) -> CaptureRecord | None:
        """None: it was never claimed."""
        if capture_id not in self.known:
            self.known[capture_id] = self.store.capture(capture_id)
        return self.known[capture_id]

    def number(self, capture_id: bytes) -> int:
        """Its place among its sensor's commits; 0: it is not committed."""
        record = self.of(capture_id)
        return record.position.seq if record is not None and record.position is not None and record.state == "loaded" else 0


@dataclass(frozen=True, slots=True)
class Given:
    """A name, and the fact that gave it; None where none did."""

    name: Name
    fact: NameTold | None = None
    number: int = 0  # the place of the fact's capture among the commits, if it is committed with that


class RowFacts:
    """Facts about one row's destination."""

    def __init__(self, store: StoreReader, captures: Captures, row: Row, rules: NamingRules) -> None:
        self._captures, self._row, self._rules = captures, row, rules
        self.start_ns: int = row["ts"] * _MS + row["ns"] - row["chain_age_ns"]
        alone = row["sensor"] == STANDALONE_SENSOR
        self._own, self._others = self._of_this_capture(store) if alone else self._of_its_sensor(store)
        self._uncounted: set[tuple[bytes, int]] = set()  # attempts (capture and number) that are known not to count

    def named(self, kept: Kept, listed: str | None = None) -> Given:
        """What the facts name that are kept and whose captures are committed; `listed`: what the inventory calls the
        destination."""
        while True:
            given = self.named_by_any_attempt(
                lambda fact, number: (fact.capture_id, number) not in self._uncounted and kept(fact, number), listed
            )
            if given.fact is None or self._captures.number(given.fact.capture_id) == given.number:
                return given
            self._uncounted.add((given.fact.capture_id, given.number))

    def named_by_any_attempt(self, kept: Kept, listed: str | None = None) -> Given:
        """The same, whether or not they are committed."""
        own = {_key(fact): (fact, number) for fact, number in self._own if kept(fact, number)}
        others = {_key(fact): (fact, number) for fact, number in self._others if kept(fact, number)}
        name = choose(self._chosen_of_own(fact for fact, _ in own.values()), listed, None)
        if name.evidence == "none" and (last := self._last(fact for fact, _ in others.values())) is not None:
            name = Name(last.hostname, "dns_other_client", last)
        if name.fact is None:
            return Given(name)
        return Given(name, *(others if name.evidence == "dns_other_client" else own)[name.fact[:4]])

    def told_before(self) -> tuple[str, ...]:
        """Names that DNS had told the client when the flow began: the newest of them."""
        names: set[str] = set()
        for fact, number in sorted(self._own, key=lambda told: -told[0].valid_from_ns):
            if fact.valid_from_ns > self.start_ns or fact.hostname in names:
                continue
            if self._captures.number(fact.capture_id) == number and len(names) < _MOST_CONTRADICTING:
                names.add(fact.hostname)
        return tuple(sorted(names))

    def _chosen_of_own(self, facts: Iterable[NameTold]) -> Name | None:
        """By what the client was told, by itself or as one of a group."""
        client = self._row["source_ip"]
        return self._chosen(client, [Fact(client, fact.address, _told(fact)) for fact in facts])

    def _last(self, facts: Iterable[NameTold]) -> Told | None:
        """What anyone was told last before the flow began."""
        name = self._chosen(ANYONE, [told_to_anyone(Fact(ANYONE, fact.address, _told(fact))) for fact in facts])
        return name.fact if name is not None and name.evidence == "dns" else None

    def _chosen(self, client: bytes, facts: list[Fact]) -> Name | None:
        table = FactTable(self._rules)
        table.add(facts)
        (code,) = table.look(all_of(client, 1), all_of(self._row["destination_ip"], 1), array("Q", [self.start_ns]))
        if not code:
            return None
        found = table.found(code)
        return named(found.how, found.told.hostname, found.told)

    def _of_its_sensor(self, store: StoreReader) -> tuple[Numbered, Numbered]:
        clients = dict.fromkeys((self._row["source_ip"], *GROUPS))
        begun = ToldQuery(
            sensor=self._row["sensor"], address=self._row["destination_ip"], until_ns=self.start_ns, limit=_MOST_FACTS
        )
        later = replace(begun, until_ns=self.start_ns + self._rules.late_ns)
        return [told for client in clients for told in store.told(replace(later, client=client))], store.told(begun)

    def _of_this_capture(self, store: StoreReader) -> tuple[Numbered, Numbered]:
        """What clients of a file that stands alone were told is kept for nobody: its answers are."""
        number = self._captures.number(self._row["capture_id"])
        facts = [(fact, number) for fact in islice(self._answers(store), _MOST_FACTS)]
        clients = (self._row["source_ip"], *GROUPS)
        return [told for told in facts if told[0].client_ip in clients], facts

    def _answers(self, store: StoreReader) -> Iterator[NameTold]:
        address, at = self._row["destination_ip"], NAMES_BY_IP.index("hostname")
        listed = (str(values[at]) for values in store.names_of(address).rows)
        names = dict.fromkeys(filter(None, (self._row["hostname"], *islice(listed, _MOST_NAMES))))
        for name in names:
            for values in store.rows_of(DNS_ANSWERS, self._row["capture_id"], name):
                record = dict(zip(DNS_ANSWERS.names, values, strict=True))
                if record["address"] == address and (record["section"] == "answer" or record["kind"] == "mdns"):
                    yield _fact_of(record)


def rules_of(inputs: Mapping[str, str]) -> NamingRules:
    """As the capture's attempt recorded them."""
    return NamingRules(grace_ns=int(inputs["name_grace_s"]) * _NS, late_ns=int(inputs["name_late_s"]) * _NS)


def _told(fact: NameTold) -> Told:
    return Told(fact.valid_from_ns, fact.capture_id, fact.frame, fact.hostname, fact.valid_to_ns, fact.asked)


def _key(fact: NameTold) -> Key:
    return fact.valid_from_ns, fact.capture_id, fact.frame, fact.hostname


def _fact_of(record: Row) -> NameTold:
    valid_from_ns = record["ts"] * _MS + record["ns"]
    return NameTold(
        client_ip=record["client_ip"],
        address=record["address"],
        valid_from_ns=valid_from_ns,
        hostname=record["qname"],
        capture_id=record["capture_id"],
        valid_to_ns=valid_from_ns + (record["rr_ttl"] or 0) * _NS,
        frame=record["frame"],
        asked=record["latency_us"] is not None,
    )
