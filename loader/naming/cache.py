"""What the store knows each client was told, held in memory: it changes no answer, dropping an entry costs a read."""

from collections.abc import Callable, Collection, Iterable, Iterator

from loader.naming.choice import NamingRules
from loader.naming.facts import Fact, Told
from loader.naming.facttable import FactTable
from loader.naming.learned import LearnedNames
from schema.records import NameTold

TellNames = Callable[[Collection[bytes]], Iterable[NameTold]]
_ASKED_AT_ONCE = 128  # clients


class _Generation:
    """Clients whose facts are all here."""

    def __init__(self, rules: NamingRules) -> None:
        self.clients: set[bytes] = set()
        self.table = FactTable(rules)

    def __len__(self) -> int:
        """Entries: the facts', and one a client, for one that was told nothing takes room too."""
        return self.table.entries + len(self.clients)


class NameCache:
    """Whole clients, in two generations: when the younger fills half of the room, the older is dropped."""

    def __init__(self, limit: int, rules: NamingRules) -> None:
        """`limit`: entries held at most (the clients that are asked for at once may exceed it alone)."""
        self._limit, self._rules = limit, rules
        self._young, self._old = _Generation(rules), _Generation(rules)
        self.evicted = 0  # facts dropped so far

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def tables(self) -> tuple[FactTable, FactTable]:
        """Where the facts of clients are that were fetched since the last `fetch` but one."""
        return self._young.table, self._old.table

    def fetch(self, clients: Collection[bytes], tell: TellNames) -> None:
        """Make these clients known, asking the store once for those that are not."""
        if len(self._young) >= self._limit // 2 or len(self) > self._limit:
            self.evicted += len(self._old.table)
            self._young, self._old = _Generation(self._rules), self._young
        missing = sorted(set(clients) - self._young.clients - self._old.clients)
        for start in range(0, len(missing), _ASKED_AT_ONCE):
            asked = missing[start : start + _ASKED_AT_ONCE]
            self._young.table.add(map(fact_of, tell(asked)))
            self._young.clients.update(asked)

    def commit(self, learned: LearnedNames) -> None:
        """What a capture learned is in the store now: clients held here learn it too, others are read when needed."""
        for generation in (self._young, self._old):
            if not generation.table.add(_told_to(generation.clients, learned)):  # out of order: it is read anew
                self.clear()

    def clear(self) -> None:
        """Forget everything: the ledger stands elsewhere than this cache was read."""
        self.evicted += sum(map(len, self.tables))
        self._young, self._old = _Generation(self._rules), _Generation(self._rules)


def _told_to(clients: set[bytes], learned: LearnedNames) -> Iterator[Fact]:
    return (fact for fact in learned.facts() if fact.client in clients)


def fact_of(row: NameTold) -> Fact:
    """A fact as the store keeps it."""
    told = Told(row.valid_from_ns, row.capture_id, row.frame, row.hostname, row.valid_to_ns, row.asked)
    return Fact(row.client_ip, row.address, told)
