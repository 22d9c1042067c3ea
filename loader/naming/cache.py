"""What the store knows each client was told, held in memory: it changes no answer, dropping an entry costs a read."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple

from loader.naming.choice import NamingRules
from loader.naming.early import EarlyFacts, Starts
from loader.naming.facts import GROUPS, Fact
from loader.naming.facttable import FactTable
from loader.naming.learned import FOR_EVER
from loader.naming.needed import needed
from loader.naming.pairs import Pair, Span, TellNamesOf, fact_of, told_of
from schema.records import NameTold
from schema.sharedroom import SharedRoom

TellNames = Callable[[Collection[bytes]], Iterable[NameTold]]
REACH_NS = 3_600 * 1_000_000_000
_ASKED_AT_ONCE, _PAIRS_AT_ONCE = 128, 64  # clients, pairs
_PUT_AT_ONCE = 4_096  # facts


class _Generation:
    """Clients whose facts are all here, as far as they are needed; and pairs of clients that were told too much for that."""

    def __init__(self, rules: NamingRules) -> None:
        self.clients: set[bytes] = set()
        self.pairs: set[Pair] = set()
        self.table = FactTable(rules)

    def add(self, clients: Collection[bytes], pairs: Collection[Pair], facts: Iterable[Fact]) -> None:
        """All that these clients, none of whom is here, were told; and these pairs."""
        self.table.add(facts)
        self.clients.update(clients)
        self.pairs.update(pairs)

    def take(self, clients: Collection[bytes]) -> Iterator[Fact]:
        """All that is here of what these clients were told; they are here no longer."""
        self.clients.difference_update(clients)
        self.pairs = {pair for pair in self.pairs if pair[0] not in clients} if clients and self.pairs else self.pairs
        return self.table.take(clients)

    def learn(self, learned: FactTable) -> set[bytes]:
        """Put in what is new of what is here; returns the clients that were told something out of order."""
        facts = learned.told_to({*self.clients, *(client for client, _ in self.pairs)})
        return self.table.add_ordered(fact for fact in facts if fact.client in self.clients or fact[:2] in self.pairs)

    def __len__(self) -> int:
        """Entries: the facts', and one a client, or pair, for one that was told nothing takes room too."""
        return self.table.entries + len(self.clients) + len(self.pairs)


class _Sifted(NamedTuple):
    """Facts that are needed, of so many."""

    of: int
    facts: list[Fact]

    @property
    def entries(self) -> int:
        return sum(fact.entries for fact in self.facts)


class NameCache:
    """Whole clients, in two generations. When the younger fills half of the room, of the older those stay that were asked for
    since the last time, where they fill no more than half of that; else the groups alone, whose facts count for all clients.
    Of a client that was told too much, pairs.

    What flows in hand cannot need is let go (`needed`), so that a name which is told each minute for a week is not there ten
    thousand times. Flows that started before `horizon_ns` may need it: they are not to be named from here."""

    def __init__(self, limit: int, rules: NamingRules, room: SharedRoom | None = None, *, reach_ns: int = REACH_NS) -> None:
        """`limit`: entries held at most (what is asked for at once may exceed it alone: clients each by a quarter, pairs once);
        `room`: no more than its part of one that others have, too; `reach_ns`: flows that
        started so long before their capture can be named from here."""
        self.limit, self._rules, self._reach_ns = limit, rules, reach_ns
        self._young, self._old = _Generation(rules), _Generation(rules)
        self._used: set[bytes] = set()  # of the older
        self._used_pairs: set[Pair] = set()
        self._early = EarlyFacts(rules)
        self._cut: set[Pair] = set()  # of those that are here: not as far back as flows may start
        self.crowded: set[bytes] = set()  # clients that were told so much that they are asked about pair by pair
        self.evicted = 0  # facts dropped so far
        self.horizon_ns = 0
        self._went_back = False  # the newest capture began before the one that the horizon is of
        self._room = room or SharedRoom(limit)
        self._room.join(self)

    def __len__(self) -> int:
        return len(self._young) + len(self._old) + self._early.entries

    @property
    def tables(self) -> tuple[FactTable, FactTable]:
        """Where the facts of clients are that were fetched since the last `fetch` but one."""
        return self._young.table, self._old.table

    @property
    def _groups(self) -> set[bytes]:
        """Groups that were told anything, as far as is known."""
        return self.crowded.intersection(GROUPS).union(*(table.groups for table in self.tables))

    def begin(self, began_ns: int) -> None:
        """The capture that begins then (Unix ns) is next. One that comes late asks for what it needs; where the next one is
        as late, the sensor's time went back, and stays there."""
        horizon_ns = max(0, began_ns - self._reach_ns)
        goes_back = horizon_ns < self.horizon_ns
        if goes_back and self._went_back:
            self._drop_all()
        self.horizon_ns, self._went_back = max(self.horizon_ns, horizon_ns), goes_back

    def fetch(self, clients: Collection[bytes], tell: TellNames, is_shared: Callable[[bytes], bool]) -> None:
        """Make these clients known, asking the store once for those that are not; `is_shared`: whether what a client was told
        is shared out: then it is crowded, unless it is here."""
        self._used |= self._old.clients.intersection(clients)
        if self._early.entries > self._room.part // 4:
            self.evicted += self._early.clear()
        if len(self._young) >= self._room.part // 2 or len(self) > self._room.part:
            self._turn()
        missing = sorted(set(clients) - self._young.clients - self._old.clients - self.crowded)
        self.crowded.update(filter(is_shared, missing))
        missing = [client for client in missing if client not in self.crowded]
        for start in range(0, len(missing), _ASKED_AT_ONCE):
            self._read(missing[start : start + _ASKED_AT_ONCE], tell)

    def fetch_pairs(self, pairs: Collection[Pair], tell: TellNamesOf) -> int:
        """The same for pairs of clients that are crowded; returns of how many not all is here: those that there was no room for
        are not asked about. Clients of the same flows take none of it."""
        self._used_pairs |= self._old.pairs.intersection(pairs)
        missing = sorted(set(pairs) - self._young.pairs - self._old.pairs)
        left_out, most = 0, len(self._young) + self.limit
        for start in range(0, len(missing), _PAIRS_AT_ONCE):
            if len(self._young) >= most:
                left_out = len(missing) - start
                break
            asked = missing[start : start + _PAIRS_AT_ONCE]
            for told in told_of(dict.fromkeys(asked, Span(self.horizon_ns, FOR_EVER)), tell):
                self._young.table.add(told.facts)
                if told.is_cut:
                    self._cut.add(told.facts[0][:2])
            self._young.pairs.update(asked)
        return left_out + len(self._cut.intersection(pairs))

    def early(self, flows: Starts, tell: TellNamesOf) -> tuple[FactTable, int]:
        """What those of these flows need that started before the horizon; and of how many pairs not all is there."""
        early = [flow for flow in flows if flow[2] < self.horizon_ns]
        return self._early.fetch(early, self._groups, tell, self.limit) if early else (FactTable(self._rules), 0)

    def _read(self, asked: list[bytes], tell: TellNames) -> None:
        """Have these clients here, but for those of whom that would take more than a quarter of the room, or more than this
        cache's part of one that is shared: what cannot stay is not read whole."""
        facts: list[Fact] = []
        most = min(self.limit // 4, self._room.part)
        while asked:
            behind: list[bytes] = []
            for client, told in groupby(map(fact_of, tell(asked)), key=_client):
                whole = _within(told, most, self.horizon_ns)
                if whole is None:  # the rest of it is not read
                    self.crowded.add(client)
                    behind = asked[asked.index(client) + 1 :]
                    asked = asked[: asked.index(client)]
                    break
                facts += whole
                if len(facts) >= _PUT_AT_ONCE:
                    self._young.add((), (), facts)
                    facts.clear()
            self._young.add(asked, (), facts)
            facts.clear()
            asked = behind

    def _turn(self) -> None:
        old, clients, pairs = self._old, self._used & self._old.clients, self._used_pairs & self._old.pairs
        held, groups = len(old.table), clients.intersection(GROUPS)
        kept = self._sifted(groups, set())
        others = self._sifted(clients - groups, pairs)
        most = self._room.part // 4
        if kept.entries > most:  # cut short: what is not whole is not here
            clients, pairs, kept = set(), set(), _Sifted(0, [])
        elif kept.entries + others.entries + len(clients) + len(pairs) <= most:
            kept = _Sifted(kept.of + others.of, [*kept.facts, *others.facts])
        else:
            clients, pairs = groups, set()
        self._young, self._old = _Generation(self._rules), self._young
        self._young.add(clients, pairs, kept.facts)
        self._used, self._used_pairs = set(), set()
        self._cut &= self._young.pairs | self._old.pairs
        self.evicted += held - kept.of

    def _sifted(self, clients: set[bytes], pairs: set[Pair]) -> "_Sifted":
        """What is needed of the older generation's facts of these clients and pairs, which are there no longer; not all of it
        where it is more than can stay."""
        come = self._old.take({*clients, *(client for client, _ in pairs)})
        come = (fact for fact in come if fact.client in clients or fact[:2] in pairs)
        sifted = _Sifted(0, [])
        while part := list(islice(come, _PUT_AT_ONCE)):  # some at a time: as objects they are large
            facts = [*sifted.facts, *needed(part, self.horizon_ns)]
            if len(facts) > 2 * _PUT_AT_ONCE:
                facts = list(needed(facts, self.horizon_ns))
            sifted = _Sifted(sifted.of + len(part), facts)
            if sifted.entries > self._room.part // 4:
                break
        return _Sifted(sifted.of, list(needed(sifted.facts, self.horizon_ns)))

    def commit(self, learned: FactTable) -> None:
        """What a capture learned is in the store now: clients held here learn it too, others are read when needed; and so are
        those that were told it out of order, anew."""
        for generation in (self._young, self._old):
            generation.take(generation.learn(learned))
        self._early.commit(learned)
        self.make_room()  # what was asked for at once may have exceeded it, and it may be long until the next capture

    def make_room(self) -> None:
        """Forget what is beyond this cache's part of the room: the older generation, or all facts; not who is crowded, or those
        clients would be read anew."""
        if len(self) > self._room.part:
            self._turn()
        if len(self) > self._room.part:
            self._drop_all()

    def clear(self) -> None:
        """Forget everything: the ledger stands elsewhere than this cache was read."""
        self._drop_all()
        self.crowded = set()

    def _drop_all(self) -> None:
        self.evicted += sum(map(len, self.tables)) + self._early.clear()
        self._young, self._old = _Generation(self._rules), _Generation(self._rules)
        self._used, self._used_pairs, self._cut = set(), set(), set()
        self.horizon_ns = 0


_client = attrgetter("client")


def _within(facts: Iterable[Fact], room: int, horizon_ns: int) -> list[Fact] | None:
    """Those that are needed; None, and not all are taken, where more room than there is would be needed for all of them."""
    kept: list[Fact] = []
    come = iter(facts)
    while part := list(islice(come, min(_PUT_AT_ONCE, room + 1))):
        room -= sum(fact.entries for fact in part)
        if room < 0:
            return None
        kept += needed(part, horizon_ns)
    return list(needed(kept, horizon_ns))
