"""Rows of `names_by_client` and `names_by_address` as both adapters select them, and the facts that cross the port."""

from collections.abc import Iterable, Iterator
from heapq import merge, nlargest
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from schema.records import NameTold
from schema.store.reading import MOST_TOLD, ToldQuery

TOLD = "client_ip, address, valid_from, ns, hostname, capture_id, valid_to, asked, frame"
_MS = 1_000_000  # nanoseconds

_pair_and_time = attrgetter("client_ip", "address", "valid_from_ns")
_valid_from = attrgetter("valid_from_ns")
_order = attrgetter("capture_id", "frame", "hostname", "client_ip")


def name_told(client: bytes, address: bytes, row: tuple[Any, ...]) -> NameTold:
    """The fact of a row that begins with `TOLD`; `client` and `address`: those columns as the adapter decodes them."""
    _, _, valid_from, ns, hostname, capture_id, valid_to, asked, frame = row[:9]
    return NameTold(
        client_ip=client,
        address=address,
        valid_from_ns=valid_from * _MS + ns,
        hostname=hostname,
        capture_id=capture_id,
        valid_to_ns=valid_to * _MS + ns,  # a TTL is whole seconds: both times have the same rest
        frame=frame,
        asked=bool(asked),
    )


def newest_told(facts: Iterable[NameTold], until_ns: int) -> list[NameTold]:
    """The facts not after `until_ns` in the port's order, at most `MOST_TOLD`; `facts` come by time, newest first, and no more
    of them are taken than it needs. What equal times decide is the same in every store, whatever order its keys have."""
    kept: list[NameTold] = []
    for valid_from_ns, of_one_time in groupby(facts, key=_valid_from):
        if valid_from_ns <= until_ns:
            kept += nlargest(MOST_TOLD - len(kept), of_one_time, key=_order)
        if len(kept) >= MOST_TOLD:
            break
    return kept


def newest_first(parts: Iterable[Iterable[NameTold]]) -> Iterator[NameTold]:
    """The facts of several partitions, each of which has the newest first, by time; no more are taken than is needed."""
    return merge(*parts, key=_valid_from, reverse=True)


def newest_of_any(parts: Iterable[Iterable[tuple[NameTold, int]]], query: ToldQuery) -> list[tuple[NameTold, int]]:
    """What `query` asks for, of the newest of several partitions, whoever's they are."""
    newest = islice(merge(*parts, key=lambda told: told[0].valid_from_ns, reverse=True), query.limit)
    return [(fact, seq) for fact, seq in newest if fact.valid_from_ns <= query.until_ns]


def oldest_told(facts: Iterable[NameTold]) -> Iterator[NameTold]:
    """Facts that come by client, address and time, in the port's order: what equal times decide is the same in every store."""
    for _, of_one_time in groupby(facts, key=_pair_and_time):
        yield from sorted(of_one_time, key=_order)
