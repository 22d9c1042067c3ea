"""What clients were told of single addresses, asked of the store pair by pair: the newest first, as far back as counts. So it
is of clients that were told more than memory has room for (a forwarder, an address translator, a group on a busy link).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import NamedTuple

from loader.naming.facts import GROUPS, Fact, Told
from loader.naming.needed import needed
from schema.records import NameTold
from schema.store.reading import MOST_TOLD

Pair = tuple[bytes, bytes]  # client, address
TellNamesOf = Callable[[Mapping[Pair, int]], Sequence[NameTold]]
MOST_ASKED_AGAIN = 15  # times, about one pair


class Span(NamedTuple):
    """When flows of a pair started, and what was told last that may count for them; Unix ns."""

    first_ns: int
    until_ns: int


class PairTold(NamedTuple):
    """What is needed of a pair's facts, the oldest first."""

    facts: list[Fact]
    is_cut: bool  # its first flows started before all that was read


def crowded_pairs(crowded: Collection[bytes], flows: Iterable[Pair]) -> set[Pair]:
    """What these flows, client and destination, need of clients that are crowded."""
    groups = [group for group in GROUPS if group in crowded]
    return {(asker, address) for client, address in flows for asker in chain((client,) if client in crowded else (), groups)}


def told_of(pairs: Mapping[Pair, Span], tell: TellNamesOf) -> Iterator[PairTold]:
    """Of each pair that was told anything: all of its span, and of what was told before that the newest `MOST_TOLD` at least.
    So it is of no matter when it is asked, and how much was told since."""
    newest = map(fact_of, tell({pair: span.until_ns for pair, span in pairs.items()}))
    for pair, facts in groupby(newest, key=_pair):
        yield _read_on(list(facts), pairs[pair].first_ns, tell)


def _read_on(page: list[Fact], first_ns: int, tell: TellNamesOf) -> PairTold:
    """From the newest page back."""
    kept: list[Fact] = []
    for _ in range(MOST_ASKED_AGAIN):
        if len(page) < MOST_TOLD or page[0].told.valid_from_ns <= first_ns:
            return PairTold(list(needed([*page, *kept], first_ns)), is_cut=False)
        oldest = page[-1]
        # of its time there may be more than fitted
        page = [fact for fact in page if fact.told.valid_from_ns > oldest.told.valid_from_ns] or page
        kept = list(needed([*page, *kept], first_ns))
        page = list(map(fact_of, tell({_pair(oldest): page[-1].told.valid_from_ns - 1})))
    is_cut = len(page) == MOST_TOLD and page[-1].told.valid_from_ns > first_ns
    return PairTold(list(needed([*page, *kept], first_ns)), is_cut=is_cut)


def fact_of(row: NameTold) -> Fact:
    """A fact as the store keeps it."""
    told = Told(row.valid_from_ns, row.capture_id, row.frame, row.hostname, row.valid_to_ns, row.asked)
    return Fact(row.client_ip, row.address, told)


def _pair(fact: Fact) -> Pair:
    return fact.client, fact.address
