"""What the store knows each client was told, held in memory: it changes no answer, dropping an entry costs a read."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from loader.naming.choice import NamingRules
from loader.naming.facts import GROUPS, Fact, Told
from loader.naming.facttable import FactTable
from schema.records import NameTold
from schema.sharedroom import SharedRoom

TellNames = Callable[[Collection[bytes]], Iterable[NameTold]]
_ASKED_AT_ONCE = 128  # clients
_PUT_AT_ONCE = 4_096  # facts


class _Generation:
    """Clients whose facts are all here."""

    def __init__(self, rules: NamingRules) -> None:
        self.clients: set[bytes] = set()
        self.table = FactTable(rules)

    def add(self, clients: Collection[bytes], facts: Iterable[Fact]) -> None:
        """All that these clients, none of whom is here, were told."""
        self.table.add(facts)
        self.clients.update(clients)

    def take(self, clients: Collection[bytes]) -> Iterator[Fact]:
        """All that these clients were told; they are here no longer."""
        self.clients.difference_update(clients)
        return self.table.take(clients)

    def __len__(self) -> int:
        """Entries: the facts', and one a client, for one that was told nothing takes room too."""
        return self.table.entries + len(self.clients)


class NameCache:
    """Whole clients, in two generations. When the younger fills half of the room, of the older those stay that were asked for
    since the last time, where they fill no more than half of that; else the groups alone, whose facts count for all clients."""

    def __init__(self, limit: int, rules: NamingRules, room: SharedRoom | None = None) -> None:
        """`limit`: entries held at most (the clients that are asked for at once may exceed it alone, each by a quarter);
        `room`: no more than its part of one that others have, too."""
        self.limit, self._rules = limit, rules
        self._young, self._old = _Generation(rules), _Generation(rules)
        self._used: set[bytes] = set()  # of the older
        self.crowded: set[bytes] = set()  # clients that were told so much that they are asked about pair by pair
        self.evicted = 0  # facts dropped so far
        self._room = room or SharedRoom(limit)
        self._room.join(self)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def tables(self) -> tuple[FactTable, FactTable]:
        """Where the facts of clients are that were fetched since the last `fetch` but one."""
        return self._young.table, self._old.table

    def fetch(self, clients: Collection[bytes], tell: TellNames, is_shared: Callable[[bytes], bool]) -> None:
        """Make these clients known, asking the store once for those that are not; `is_shared`: whether what a client was told
        is shared out: then it is crowded, unless it is here."""
        self._used |= self._old.clients.intersection(clients)
        if len(self._young) >= self._room.part // 2 or len(self) > self._room.part:
            self._turn()
        missing = sorted(set(clients) - self._young.clients - self._old.clients - self.crowded)
        self.crowded.update(filter(is_shared, missing))
        missing = [client for client in missing if client not in self.crowded]
        for start in range(0, len(missing), _ASKED_AT_ONCE):
            self._read(missing[start : start + _ASKED_AT_ONCE], tell)

    def _read(self, asked: list[bytes], tell: TellNames) -> None:
        """Have these clients here, but for those of whom that would take more than a quarter of the room, or more than this
        cache's part of one that is shared: what cannot stay is not read whole."""
        facts: list[Fact] = []
        most = min(self.limit // 4, self._room.part)
        while asked:
            behind: list[bytes] = []
            for client, told in groupby(map(fact_of, tell(asked)), key=_client):
                whole = _within(told, most)
                if whole is None:  # the rest of it is not read
                    self.crowded.add(client)
                    behind = asked[asked.index(client) + 1 :]
                    asked = asked[: asked.index(client)]
                    break
                facts += whole
                if len(facts) >= _PUT_AT_ONCE:
                    self._young.add((), facts)
                    facts.clear()
            self._young.add(asked, facts)
            facts.clear()
            asked = behind

    def _turn(self) -> None:
        held, clients = len(self._old.table), self._used & self._old.clients
        kept = list(self._old.take(clients))
        if sum(fact.entries for fact in kept) + len(clients) > self._room.part // 4:
            clients = clients.intersection(GROUPS)
            kept = [fact for fact in kept if fact.client in clients]
        self._young, self._old = _Generation(self._rules), self._young
        self._young.add(clients, kept)
        self._used = set()
        self.evicted += held - len(kept)

    def commit(self, learned: FactTable) -> None:
        """What a capture learned is in the store now: clients held here learn it too, others are read when needed; and so are
        those that were told it out of order, anew."""
        for generation in (self._young, self._old):
            generation.take(generation.table.add_ordered(learned.told_to(generation.clients)))
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
        self.evicted += sum(map(len, self.tables))
        self._young, self._old = _Generation(self._rules), _Generation(self._rules)
        self._used = set()


_client = attrgetter("client")


def _within(facts: Iterable[Fact], room: int) -> list[Fact] | None:
    """All of them; None, and not all are taken, where they need more room."""
    kept: list[Fact] = []
    for fact in facts:
        room -= fact.entries
        if room < 0:
            return None
        kept.append(fact)
    return kept


def fact_of(row: NameTold) -> Fact:
    """A fact as the store keeps it."""
    told = Told(row.valid_from_ns, row.capture_id, row.frame, row.hostname, row.valid_to_ns, row.asked)
    return Fact(row.client_ip, row.address, told)
