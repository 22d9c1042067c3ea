"""Names for the flows of one capture: its own facts, and what else there is to ask."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby, repeat

from loader.decode.columns import FlowColumns
from loader.naming.cache import NameCache, TellNames
from loader.naming.choice import UNNAMED, Name, NamingRules, better, choose, named
from loader.naming.facts import GROUPS, Fact
from loader.naming.facttable import TOLD_OTHERS, Addresses, FactTable, addresses_of, all_of
from loader.naming.learned import ANYONE, LearnedNames, told_to_anyone
from loader.naming.listed import NO_INVENTORY, Inventory
from loader.naming.pairs import MOST_ASKED_AGAIN, TellNamesOf, crowded_pairs, fact_of
from schema.records import NameTold
from schema.store.reading import MOST_TOLD

TellNamesAt = Callable[[Mapping[bytes, int]], Sequence[NameTold]]
_ASKED_AT_ONCE = 64  # addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNames:
    """What the sensor's earlier captures learned."""

    cache: NameCache
    tell: TellNames  # of clients
    tell_at: TellNamesAt  # of addresses, each until a time
    tell_of: TellNamesOf  # of clients and addresses, each pair until a time
    is_shared: Callable[[bytes], bool]  # whether `tell` may not be asked about a client: what it was told is shared out
    most_asked: int  # addresses that `tell_at` is asked about for one capture


class CaptureNames:
    """Learn the answers of a whole capture, `settle`, look through its flows once, then ask for their names."""

    def __init__(
        self,
        learned: LearnedNames,
        rules: NamingRules,
        stored: StoredNames | None = None,
        inventory: Inventory = NO_INVENTORY,
    ) -> None:
        """Without `stored` the capture stands alone."""
        self.learned, self.rules = learned, rules
        self._stored, self._inventory = stored, inventory
        self._unnamed: dict[bytes, tuple[int, int]] = {}  # destination: first and last start of the flows that nothing names
        self._others = FactTable(rules)  # what the store says that anybody was told of them
        self._early = FactTable(rules)  # what flows in hand need that started before all that the cache is good for
        # Clients and destinations that the store was not asked about, or not as far back as their flows started.
        self.pairs_not_asked = 0
        # Of them, those that the store was not asked about, or not as far back as their flows started.
        self.others_not_asked = 0

    @property
    def asks_others(self) -> bool:
        """Whether what others were told in earlier captures counts: else there is nothing to look for."""
        return self._stored is not None

    def look(self, flows: FlowColumns) -> None:
        """Note the destinations of these flows that only what others were told may name."""
        if not len(flows) or not self.asks_others:
            return
        self._fetch(flows.source_ip, flows.destination_ip, flows.chain_ts_ns)
        clients, addresses = addresses_of(flows.source_ip), addresses_of(flows.destination_ip)
        starts = array("Q", flows.chain_ts_ns)
        codes = [table.look(askers, addresses, starts) for table, askers in self._askers(clients)]
        named = [any(found) for found in zip(*codes, strict=True)] if codes else [False] * len(starts)
        rows = [row for row, by in enumerate(flows.said_by) if by is None and not named[row]]
        unnamed = self._unnamed
        destinations = [flows.destination_ip[row] for row in rows]
        for row, address, called in zip(rows, destinations, self._called(destinations), strict=True):
            if called is None:
                start = starts[row]
                first, last = unnamed.get(address, (start, start))
                unnamed[address] = min(start, first), max(start, last)

    def ask_others(self) -> None:
        """Ask the store about the destinations noted: the first of them in order of address, within the bound."""
        if self._stored is None:
            return
        self._others = FactTable(self.rules)
        asked = sorted(self._unnamed)[: self._stored.most_asked]
        self.others_not_asked += len(self._unnamed) - len(asked)
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            until = {address: self._unnamed[address][1] for address in asked[start : start + _ASKED_AT_ONCE]}
            rows = map(fact_of, self._stored.tell_at(until))
            for address, facts in groupby(rows, key=lambda fact: fact.address):
                whole = self._further_back(self._stored.tell_at, list(facts))
                self._others.add(_since(self._unnamed[address][0], whole))
        self._unnamed.clear()

    def _further_back(self, tell_at: TellNamesAt, newest: list[Fact]) -> Iterator[Fact]:
        """The facts of an address from these on back in time, as long as they are wanted. Of one time the first counts for
        others: those that did not fit are not missed."""
        for _ in range(MOST_ASKED_AGAIN):
            yield from newest
            if len(newest) < MOST_TOLD:
                return
            oldest = newest[-1]
            newest = list(map(fact_of, tell_at({oldest.address: oldest.told.valid_from_ns - 1})))
        yield from newest
        self.others_not_asked += len(newest) == MOST_TOLD

    def let_go(self) -> FactTable:
        """Name no flow any more; returns what the capture's answers said, which is all that is kept."""
        learned, self.learned = self.learned.table, LearnedNames(0, self.rules)
        self._others = self._early = FactTable(self.rules)
        return learned

    def names(self, flows: FlowColumns) -> list[Name]:
        """Names of the destinations: what the flow says itself, else what is chosen."""
        if not len(flows):
            return []
        self.pairs_not_asked += self._fetch(flows.source_ip, flows.destination_ip, flows.chain_ts_ns)
        ends = addresses_of(flows.source_ip), addresses_of(flows.destination_ip)
        starts = array("Q", flows.chain_ts_ns)
        own = _best(self._askers(ends[0]), ends[1], starts)
        names = [UNNAMED if name is None else name for name in own]
        for row, name in self._weak(own, flows):
            names[row] = name
        said = [row for row, by in enumerate(flows.said_by) if by is not None]
        for row, conflict in zip(said, self._conflicts(said, flows), strict=True):
            names[row] = Name(flows.said_name[row], str(flows.said_by[row]), None, conflict)
        return names

    def _weak(self, own: list[Name | None], flows: FlowColumns) -> Iterator[tuple[int, Name]]:
        """Of flows that what their clients were told does not name, or no more: by row, what anything else does."""
        rows = [row for row, name in enumerate(own) if name is None or name.evidence == "dns_stale"]
        addresses = [flows.destination_ip[row] for row in rows]
        listed = self._called(addresses)
        others = self._anyone(addresses, [flows.chain_ts_ns[row] for row in rows])
        for row, called, told in zip(rows, listed, others, strict=True):
            if called is not None or told is not None:
                yield row, choose(own[row], called, told)

    def learned_of(self, clients: Sequence[bytes], addresses: Sequence[bytes], starts: Sequence[int]) -> list[Name | None]:
        """What of this capture's own facts names each flow."""
        if not starts:
            return []
        askers = _askers(self.learned.table, addresses_of(clients))
        return _best(askers, addresses_of(addresses), array("Q", starts))

    def told_before_and_after(
        self, clients: Sequence[bytes], addresses: Sequence[bytes], starts: Sequence[int]
    ) -> Iterator[tuple[Name | None, Name | None]]:
        """What names each flow by the facts of earlier captures, and by this one's too."""
        if not starts:
            return iter(())
        self._fetch(clients, addresses, starts)
        of_clients, of_addresses, times = addresses_of(clients), addresses_of(addresses), array("Q", starts)
        before = _best(self._earlier(of_clients), of_addresses, times)
        return zip(before, _best(self._askers(of_clients), of_addresses, times), strict=True)

    def _fetch(self, clients: Sequence[bytes], addresses: Sequence[bytes], starts: Sequence[int]) -> int:
        """Have what earlier captures told these clients, and everybody, at hand for flows to these addresses; returns how many
        pairs of them there was no room for."""
        if self._stored is None:
            return 0
        cache = self._stored.cache
        cache.fetch({*clients, *GROUPS}, self._stored.tell, self._stored.is_shared)
        left_out = 0
        if cache.crowded:
            pairs = crowded_pairs(cache.crowded, zip(clients, addresses, strict=True))
            left_out = cache.fetch_pairs(pairs, self._stored.tell_of)
        self._early, not_all = cache.early(zip(clients, addresses, starts, strict=True), self._stored.tell_of)
        return left_out + not_all

    def _askers(self, clients: Addresses) -> list[tuple[FactTable, Addresses]]:
        return [*_askers(self.learned.table, clients), *self._earlier(clients)]

    def _earlier(self, clients: Addresses) -> list[tuple[FactTable, Addresses]]:
        tables = (*self._stored.cache.tables, self._early) if self._stored else ()
        return [asker for table in tables for asker in _askers(table, clients)]

    def _anyone(self, addresses: Sequence[bytes], starts: Sequence[int]) -> Iterable[str | None]:
        """What anybody was told of each destination last, as far as it was asked for."""
        asked = [(self._others, all_of(ANYONE, len(starts)))]
        if not self.learned.addresses.isdisjoint(addresses):
            asked.append((self.learned.anyone(), asked[0][1]))
        if not len(addresses) or not any(len(table) for table, _ in asked):
            return repeat(None, len(addresses))
        told = _best(asked, addresses_of(addresses), array("Q", starts))
        return [name.hostname if name is not None and name.evidence == "dns" else None for name in told]

    def _called(self, addresses: Sequence[bytes]) -> Iterable[str | None]:
        """What the inventory calls each destination."""
        if not self._inventory.digest:
            return repeat(None, len(addresses))
        called = {address: self._inventory.name_of(address) for address in set(addresses)}
        return map(called.__getitem__, addresses)

    def _conflicts(self, said: list[int], flows: FlowColumns) -> list[bool]:
        """Whether a flow's own name is none of those that its client was told of its destination before it started."""
        if not said:
            return []
        clients = addresses_of([flows.source_ip[row] for row in said])
        addresses = addresses_of([flows.destination_ip[row] for row in said])
        starts = array("Q", [flows.chain_ts_ns[row] for row in said])
        names = [str(flows.said_name[row]) for row in said]
        compared = [table.compare(askers, addresses, starts, names) for table, askers in self._askers(clients)]
        return [max(told) == TOLD_OTHERS for told in zip(*compared, strict=True)] if compared else [False] * len(said)


def _askers(table: FactTable, clients: Addresses) -> list[tuple[FactTable, Addresses]]:
    """Whose facts count for these clients: their own, and those of all groups."""
    return [(table, clients), *((table, all_of(group, len(clients.codes))) for group in table.groups)]


def _best(askers: list[tuple[FactTable, Addresses]], addresses: Addresses, starts: "array[int]") -> list[Name | None]:
    """The best name by what they were told of each destination."""
    looked = [(table, table.look(clients, addresses, starts)) for table, clients in askers if len(table)]
    best: list[Name | None] = []
    several = set()
    for table, codes in looked:
        names = table.names(codes)
        for row, name in enumerate(best):
            if name is not None:
                if names[row] is not None:
                    several.add(row)
                names[row] = name
        best = names
    for row in several:
        found = reduce(better, [table.found(codes[row]) for table, codes in looked if codes[row]])
        best[row] = named(found.how, found.told.hostname, found.told)
    return best or [None] * len(starts)


def _since(first_ns: int, newest_first: Iterable[Fact]) -> Iterator[Fact]:
    """What names flows that started at a time or later; no more is taken."""
    for fact in newest_first:
        yield told_to_anyone(fact)
        if fact.told.valid_from_ns <= first_ns:
            return
