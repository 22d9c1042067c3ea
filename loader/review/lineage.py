"""Where a flow row's name comes from: the answer or handshake that gave it, and what would have been said without it.

Read from what a store answers, by the same choice that named the row and by the rules that its capture was loaded with. What is
read is bounded, however many flows and answers there are.
"""

from collections.abc import Callable
from dataclasses import dataclass

from loader.naming.choice import SAID, UNNAMED, Name
from loader.review.lineagefacts import Captures, Given, Row, RowFacts, rules_of
from loader.rows.identity import endpoint_of
from schema.records import CaptureRecord, NameTold
from schema.store.reading import AnswerQuery, StoreReader
from schema.tables import DNS_ANSWERS, FLOWS

_MS = 1_000_000
_MOST_RECORDS = 4_096  # of a name, a client and a millisecond
_NO_ANSWER = (*SAID, "inventory", "none")  # evidence that is none

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


def lineage_of(store: StoreReader, capture_id: bytes, frame: int, destination: bytes, listed: Listed) -> Lineage | None:
    """Of the row with this id (`schema.row_id`); None: there is none, or none any more. `listed`: the inventory of today."""
    captures = Captures(store)
    capture = captures.of(capture_id)
    if capture is None:
        return None
    for values in store.rows_of(FLOWS, capture_id, destination):
        row = dict(zip(FLOWS.names, values, strict=True))
        if row["frame"] == frame:
            return _NamedRow(store, captures, capture, row).lineage(listed)
    return None


class _NamedRow:
    """One row, and the facts about its destination."""

    def __init__(self, store: StoreReader, captures: Captures, capture: CaptureRecord, row: Row) -> None:
        self._store, self._captures, self._capture, self._row = store, captures, capture, row
        self._number = captures.number(row["capture_id"])
        self._facts = RowFacts(store, captures, row, rules_of(capture.inputs))

    def lineage(self, listed: Listed) -> Lineage:
        """All of it."""
        row, (giver, as_committed) = self._row, self._giver()
        without = self._without(giver, listed, as_committed=as_committed)
        return Lineage(
            row=row,
            capture=self._capture,
            start_ns=self._facts.start_ns,
            answer=self._answer(giver),
            repaired=not as_committed or row["endpoint"] != endpoint_of(row["hostname"], row["destination_ip"]),
            without=without.name,
            without_answer=self._answer(without.fact),
            contradicted_by=self._facts.told_before() if row["name_conflict"] else (),
        )

    def _giver(self) -> tuple[NameTold | None, bool]:
        """The fact that the row's name rests on, and whether it did so when the row was committed: what was known then comes
        first, for a later answer may say the same. A store without transactions keeps the repairs of an attempt that ended
        before its commit: what it brought comes last."""
        hostname, evidence = said = self._row["hostname"], self._row["name_evidence"]
        if evidence in _NO_ANSWER:
            return None, True
        for kept in (self._as_committed, _all, lambda fact, _: fact.hostname == hostname):
            given = self._facts.named(kept)
            if given.name[:2] == said and given.fact is not None:
                return given.fact, given.number <= self._number
        given = self._facts.named_by_any_attempt(lambda fact, _: fact.hostname == hostname)
        return (given.fact, False) if given.name[:2] == said else (None, True)

    def _as_committed(self, _: NameTold, number: int) -> bool:
        return number <= self._number

    def _without(self, giver: NameTold | None, listed: Listed, *, as_committed: bool) -> Given:
        """By what was known when the name was given."""
        evidence = self._row["name_evidence"]
        if evidence == "none":
            return Given(UNNAMED)
        kept = self._as_committed if as_committed else _all
        by_inventory = None if evidence == "inventory" else listed(self._row["destination_ip"])
        return self._facts.named(lambda fact, number: fact != giver and kept(fact, number), by_inventory)

    def _answer(self, fact: NameTold | None) -> Answer | None:
        if fact is None:
            return None
        at_ms = fact.valid_from_ns // _MS
        query = AnswerQuery(name=fact.hostname, client=fact.client_ip, since_ms=at_ms, until_ms=at_ms, limit=_MOST_RECORDS)
        records = (dict(zip(DNS_ANSWERS.names, values, strict=True)) for values in self._store.answers(query).rows)
        key = (fact.capture_id, fact.frame, fact.address)
        of_fact = (r for r in records if (r["capture_id"], r["frame"], r["address"]) == key)
        return Answer(fact=fact, capture=self._captures.of(fact.capture_id), record=next(of_fact, None))


def _all(_: NameTold, __: int) -> bool:
    return True
