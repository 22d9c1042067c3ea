"""What flows need that started long before their capture: they may go on for days, and need the same in every capture."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice, takewhile

from loader.naming.choice import NamingRules
from loader.naming.facts import Fact
from loader.naming.facttable import FactTable
from loader.naming.needed import needed
from loader.naming.pairs import Pair, Span, TellNamesOf, told_of
from schema.store.reading import MOST_TOLD

Starts = Iterable[tuple[bytes, bytes, int]]  # client, destination, start of a flow
_Start = tuple[Pair, int]  # one that was told, an address, and the start of a flow
_ASKED_AT_ONCE = 64  # pairs


class EarlyFacts:
    """By pair and start; the store is asked about each once, until the cache makes room or an answer comes that counts."""

    def __init__(self, rules: NamingRules) -> None:
        self._rules = rules
        self._held: dict[_Start, tuple[Fact, ...]] = {}  # most are empty
        self._cut: set[_Start] = set()  # of them: not as far back as the flow started
        self._until_ns = 0  # no later answer counts for any
        self.entries = 0  # the facts', and one a start

    def fetch(self, flows: Starts, groups: Collection[bytes], tell: TellNamesOf, limit: int) -> tuple[FactTable, int]:
        """What these flows need; `groups`: those that were told anything. And of how many pairs not all is there: those beyond
        `limit` entries, and what was asked for with the last, are not asked about."""
        wanted = {((asker, address), start) for client, address, start in flows for asker in chain((client,), groups)}
        missing: defaultdict[Pair, list[int]] = defaultdict(list)
        for pair, start in wanted - self._held.keys():
            missing[pair].append(start)
        asked, most = iter(sorted(missing)), self.entries + limit
        while self.entries < most and (some := list(islice(asked, _ASKED_AT_ONCE))):
            self._ask({pair: missing[pair] for pair in some}, tell)
        not_asked = {pair for pair, start in wanted if (pair, start) not in self._held or (pair, start) in self._cut}
        table = FactTable(self._rules)
        table.add(set(chain.from_iterable(self._held.get(each, ()) for each in wanted)))
        return table, len(not_asked)

    def _ask(self, starts: dict[Pair, list[int]], tell: TellNamesOf) -> None:
        late_ns = self._rules.late_ns
        told = dict(self._told(starts, tell))
        for pair, of_pair in starts.items():
            facts, is_cut = told.get(pair, ([], False))
            for start in of_pair:
                self._held[pair, start] = kept = tuple(_needed_at(start, facts, start + late_ns))
                self._until_ns = max(self._until_ns, start + late_ns)
                self.entries += 1 + sum(fact.entries for fact in kept)
                if is_cut:
                    self._cut.add((pair, start))

    def _told(self, starts: dict[Pair, list[int]], tell: TellNamesOf) -> Iterator[tuple[Pair, tuple[list[Fact], bool]]]:
        late_ns = self._rules.late_ns
        spans = {pair: Span(min(of_pair), max(of_pair) + late_ns) for pair, of_pair in starts.items()}
        for facts, is_cut in told_of(spans, tell):
            yield facts[0][:2], (facts, is_cut)

    def commit(self, learned: FactTable) -> None:
        """What a capture learned is in the store now: where it is late, what is here may not be all any more."""
        oldest = next(learned.facts(), None)
        if oldest is not None and oldest.told.valid_from_ns <= self._until_ns:
            self.clear()

    def clear(self) -> int:
        """Forget everything; how many facts that were."""
        facts = sum(map(len, self._held.values()))
        self._held, self._cut = {}, set()
        self._until_ns = self.entries = 0
        return facts


def _needed_at(start_ns: int, oldest_first: list[Fact], until_ns: int) -> Iterator[Fact]:
    """What a flow needs that started then: of the newest facts of before, and of those of later, up to a time, the first that
    was asked for and the first that was not."""
    later = bisect_right(oldest_first, start_ns, key=_told_at)
    yield from needed(oldest_first[max(0, later - MOST_TOLD) : later], start_ns)
    for asked in (True, False):
        in_time = takewhile(lambda fact: fact.told.valid_from_ns <= until_ns, islice(oldest_first, later, None))
        yield from islice((fact for fact in in_time if fact.told.asked == asked), 1)


def _told_at(fact: Fact) -> int:
    return fact.told.valid_from_ns
