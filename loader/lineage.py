"""Where a flow row's name comes from: the answer or handshake that gave it, and what would have been said without it.

Read from what a store answers, by the same choice that named the row (`loader.naming.choice`) and by the rules that its capture
was loaded with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from loader.identity import endpoint_of
from loader.naming.choice import BEFORE, LATER, RUNNING, UNNAMED, Found, Name, NamingRules, better, choose, named
from loader.naming.facts import GROUPS, Told
from schema.records import STANDALONE_SENSOR, CaptureRecord, NameTold
from schema.store.lookup import flow_pages
from schema.store.port import AnswerQuery, FlowQuery, StoreReader
from schema.tables import DNS_ANSWERS, FLOWS, NAMES_BY_IP

_MS = 1_000_000
_NS = 1_000_000_000
_MOST_RECORDS = 4_096  # of a name that are looked at
_HOW = {"dns": RUNNING, "dns_late": LATER, "dns_stale": BEFORE}

Row = dict[str, Any]
Listed = Callable[[bytes], str | None]  # what the inventory calls an address


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A DNS answer that gives a name."""

    fact: NameTold
    capture: CaptureRecord | None
    record: Row | None  # its row of `dns_answers`, where there is one still


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Of one flow row."""

    row: Row  # of `flows`, by column
    capture: CaptureRecord | None
    start_ns: int  # of its chain: its name was chosen for that time
    answer: Answer | None  # None: no answer named it, or the one that did has expired
    repaired: bool  # the name came, or became another, after the row's capture was committed
    without: Name  # what would be said without that answer, handshake or line of the inventory
    without_answer: Answer | None  # what `without` rests on
    contradicted_by: tuple[str, ...]  # where `name_conflict` is set: what DNS had told this client


@dataclass(slots=True)
class _Captures:
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


def lineage_of(store: StoreReader, capture_id: bytes, frame: int, destination: bytes, listed: Listed) -> Lineage | None:
    """Of the row with this id (`schema.row_id`); None: there is none, or none any more. `listed`: the inventory of today."""
    captures = _Captures(store)
    capture = captures.of(capture_id)
    row = None if capture is None else _find(store, capture, frame, destination)
    return None if capture is None or row is None else _NamedRow(store, captures, capture, row).lineage(listed)


def _find(store: StoreReader, capture: CaptureRecord, frame: int, destination: bytes) -> Row | None:
    """A packet may be dated outside its capture's first and last: the second look is at all."""
    facts = capture.facts
    within = FlowQuery(destination=destination, since_ms=facts.first_ts_ns // _MS, until_ms=facts.last_ts_ns // _MS)
    for query in (within, FlowQuery(destination=destination)):
        for page in flow_pages(store, query):
            for row in (dict(zip(FLOWS.names, values, strict=True)) for values in page.rows):
                if (row["capture_id"], row["frame"]) == (facts.capture_id, frame):
                    return row
    return None


class _NamedRow:
    """One row, with every fact about its destination that it could have been named by."""

    def __init__(self, store: StoreReader, captures: _Captures, capture: CaptureRecord, row: Row) -> None:
        self._store, self._captures, self._capture, self._row = store, captures, capture, row
        self._rules = _rules_of(capture.inputs)
        self._start_ns: int = row["ts"] * _MS + row["ns"] - row["chain_age_ns"]
        facts = self._of_this_capture() if row["sensor"] == STANDALONE_SENSOR else self._of_its_sensor()
        self._facts = {_told(fact): fact for fact in facts}

    def lineage(self, listed: Listed) -> Lineage:
        """All of it."""
        row, giver = self._row, self._giver()
        without = self._without(giver, listed)
        return Lineage(
            row=row,
            capture=self._capture,
            start_ns=self._start_ns,
            answer=self._answer(giver),
            repaired=self._is_repaired(giver),
            without=without,
            without_answer=self._answer(without.fact),
            contradicted_by=self._told_before() if row["name_conflict"] else (),
        )

    def _of_its_sensor(self) -> Iterator[NameTold]:
        until_ns = self._start_ns + self._rules.late_ns
        for fact in self._store.told(self._row["sensor"], self._row["destination_ip"], until_ns):
            if self._captures.number(fact.capture_id):
                yield fact

    def _of_this_capture(self) -> Iterator[NameTold]:
        """What clients of a file that stands alone were told is kept for nobody: its answers are."""
        address, until_ms = self._row["destination_ip"], (self._start_ns + self._rules.late_ns) // _MS
        for values in self._store.names_of(address).rows:
            hostname = str(values[NAMES_BY_IP.index("hostname")])
            for record in self._records(AnswerQuery(name=hostname, until_ms=until_ms, limit=_MOST_RECORDS)):
                answers = record["section"] == "answer" or record["kind"] == "mdns"
                if answers and record["address"] == address and record["capture_id"] == self._row["capture_id"]:
                    yield _fact_of(record)

    def _records(self, query: AnswerQuery) -> Iterator[Row]:
        return (dict(zip(DNS_ANSWERS.names, values, strict=True)) for values in self._store.answers(query).rows)

    def _own(self, told: Iterable[Told]) -> Iterator[Found]:
        """What the client was told, by itself or as one of a group, and how it names the flow."""
        clients = (self._row["source_ip"], *GROUPS)
        for fact in told:
            if self._facts[fact].client_ip in clients:
                holds = self._start_ns <= fact.valid_to_ns + self._rules.grace_ns
                yield Found(LATER if fact.valid_from_ns > self._start_ns else RUNNING if holds else BEFORE, fact)

    def _last(self, told: Iterable[Told]) -> Told | None:
        """What anyone was told last before the flow started."""
        return max((fact for fact in told if fact.valid_from_ns <= self._start_ns), default=None)

    def _giver(self) -> Told | None:
        """The fact that the row's name rests on."""
        evidence = self._row["name_evidence"]
        told = [fact for fact in self._facts if fact.hostname == self._row["hostname"]]
        if evidence == "dns_other_client":
            return self._last(told)
        best = _best(found for found in self._own(told) if found.how == _HOW.get(evidence))
        return best.told if best else None

    def _without(self, giver: Told | None, listed: Listed) -> Name:
        evidence = self._row["name_evidence"]
        if evidence == "none":
            return UNNAMED
        others = [fact for fact in self._facts if fact != giver]
        by_inventory = None if evidence == "inventory" else listed(self._row["destination_ip"])
        last = self._last(others)
        best = _best(self._own(others))
        own = named(best.how, best.told.hostname, best.told) if best else None
        name = choose(own, by_inventory, last.hostname if last else None)
        return name._replace(fact=last) if name.evidence == "dns_other_client" else name

    def _told_before(self) -> tuple[str, ...]:
        clients = (self._row["source_ip"], *GROUPS)
        before = (fact for fact in self._facts.values() if fact.valid_from_ns <= self._start_ns)
        return tuple(sorted({fact.hostname for fact in before if fact.client_ip in clients}))

    def _is_repaired(self, giver: Told | None) -> bool:
        """The endpoint is as it was at the commit; a name may stay the same on better evidence."""
        later = giver is not None and self._captures.number(giver.capture_id) > self._captures.number(self._row["capture_id"])
        return later or self._row["endpoint"] != endpoint_of(self._row["hostname"], self._row["destination_ip"])

    def _answer(self, told: Told | None) -> Answer | None:
        fact = self._facts.get(told) if told else None
        if fact is None:
            return None
        at_ms = fact.valid_from_ns // _MS
        query = AnswerQuery(name=fact.hostname, client=fact.client_ip, since_ms=at_ms, until_ms=at_ms, limit=_MOST_RECORDS)
        key = (fact.capture_id, fact.frame, fact.address)
        records = (r for r in self._records(query) if (r["capture_id"], r["frame"], r["address"]) == key)
        return Answer(fact=fact, capture=self._captures.of(fact.capture_id), record=next(records, None))


def _told(fact: NameTold) -> Told:
    return Told(fact.valid_from_ns, fact.capture_id, fact.frame, fact.hostname, fact.valid_to_ns, fact.asked)


def _best(found: Iterable[Found]) -> Found | None:
    all_found = list(found)
    return reduce(better, all_found) if all_found else None


def _rules_of(inputs: Mapping[str, str]) -> NamingRules:
    """As the capture's attempt recorded them."""
    return NamingRules(grace_ns=int(inputs["name_grace_s"]) * _NS, late_ns=int(inputs["name_late_s"]) * _NS)


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
